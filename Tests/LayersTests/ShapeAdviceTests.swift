import Layers
import Testing

/// Errors about sizes say what came in, what came out, and which near sizes would have fitted.
@Suite struct ShapeAdviceTests {
  private func message(_ model: some Layer, _ input: Shape) -> String {
    do {
      _ = try trace(model, input: input)
      return "no error"
    } catch {
      return "\(error)"
    }
  }

  /// A classifier whose flattened features fit images of 28 and 29 pixels a side only.
  @Test func classifiersNameTheImageSizes() {
    let model = Sequential(
      Conv2D(in: 1, out: 4, kernel: 5), MaxPool2D(kernel: 2), Flatten(), Linear(in: 4 * 12 * 12, out: 10))
    #expect(
      message(model, [1, 1, 32, 32])
        == "3: linear: the weight 10x576 takes 576 features, but the input 1x784 has 784; of sizes near 32x32, 29x29 fits"
    )
    #expect(
      message(model, [1, 1, 26, 26]).hasSuffix("but the input 1x484 has 484; of sizes near 26x26, 28x28 fits"))
    #expect(message(model, [1, 3, 28, 28]).hasSuffix("but the input 1x3x28x28 has 3"))
  }

  private struct UNet: Layer {
    var down = Conv2D(in: 3, out: 4, kernel: 3, padding: 1)
    var deep = Conv2D(in: 4, out: 4, kernel: 3, padding: 1)
    var up = ConvTransposed2D(in: 4, out: 4, kernel: 2, stride: 2)
    static var fields: [Field<Self>] { [.init("down", \.down), .init("deep", \.deep), .init("up", \.up)] }

    func callAsFunction(_ x: Tensor) -> Tensor {
      let pool = MaxPool2D(kernel: 2)
      let (first, second) = (down(x), deep(pool(down(x))))
      let third = concatenate([up(deep(pool(second))), second])
      return concatenate([up(third.sliced([0..<x.shape[0], 0..<4])), first])
    }
  }

  @Test func halvingAndDoublingNamesMultiples() {
    let text = message(UNet(), [1, 3, 30, 22])
    #expect(text.contains("1x4x15x11 does not join 1x4x14x10 along axis 1: along axis 2 they have 15 and 14"))
    #expect(text.hasSuffix("; of sizes near 30x22, 28x20 and 32x24 fit"))
    #expect(message(UNet(), [1, 3, 32, 24]) == "no error")
  }

  @Test func windowsLargerThanTheInput() {
    #expect(
      message(Sequential(Conv2D(in: 1, out: 1, kernel: 7, stride: 2, padding: 1)), [1, 1, 4, 9])
        == "0: conv2d: a kernel of 7 does not fit into the input 1x1x4x9: along spatial axis 0 "
        + "(4 + 2 of padding - 7) / 2 + 1 is less than 1; the input must be at least 5 there, or the kernel at most 6; "
        + "of sizes near 4x9, 5x10 fits")
  }

  @Test func transposedConvolutions() {
    let cut = ConvTransposed2D(in: 2, out: 1, kernel: 2, stride: 2, padding: 3)
    #expect(
      message(Sequential(cut), [1, 2, 2, 5])
        == "0: conv_transposed2d: along spatial axis 0 the input 1x2x2x5 becomes (2 - 1) * 2 + 2 + 0 - 6 of padding = -2; "
        + "the input must be at least 4 there, or the padding smaller; of sizes near 2x5, 4x7 fits")
    #expect(message(cut, [1, 2, 4, 4]) == "no error")
    #expect(
      message(cut, [1, 3, 8, 8])
        == "conv_transposed2d: the weight 2x1x2x2 takes [batch, 2, 2 spatial axes], but the input is 1x3x8x8")
  }

  /// Layers that look at shapes themselves report to the trace, which throws, instead of stopping the program.
  @Test func layersReportToTheTrace() {
    #expect(
      message(GroupNorm(groups: 4, channels: 8), [1, 6, 4, 4])
        == "group_norm: the layer has 8 channels, but the input 1x6x4x4 has 6")
    #expect(
      message(GroupNorm(groups: 4, channels: 8, isAffine: false), [1, 6, 4, 4])
        == "group_norm: the 6 channels of 1x6x4x4 do not divide into 4 groups; 4 or 8 channels do")
    #expect(
      message(LayerNorm([4, 5]), [1, 4, 4]).hasPrefix("layer_norm: the layer normalises 4x5, but the input is 1x4x4"))
    #expect(message(InstanceNorm(3), [5]).hasPrefix("instance_norm: the input must be"))
    #expect(message(LocalResponseNorm(size: 3), [5]).hasPrefix("local_response_norm: the input must be"))
    #expect(message(AdaptiveMaxPool2D(output: 2), [1, 2, 3]).hasPrefix("adaptive_max_pool2d: 1x2x3 cannot be pooled"))
    #expect(
      message(Function { maxout($0, pieces: 4) }, [1, 6, 2, 2])
        == "maxout: the 6 channels of 1x6x2x2 do not divide into groups of 4; 4 or 8 channels do")
    #expect(
      message(PixelShuffle(2), [1, 6, 2, 2])
        == "pixel_shuffle: needs [batch, channels of 4 each, height, width], but the input is 1x6x2x2; "
        + "4 or 8 channels do")
    #expect(
      message(PixelUnshuffle(2), [1, 3, 5, 4])
        == "pixel_unshuffle: needs [batch, channels, height, width] in squares of 2, but the input is 1x3x5x4; "
        + "4 or 6 rows do; of sizes near 5x4, 4x4 and 6x4 fit")
    #expect(message(Function { $0.squeezed(1) }, [1, 2]).hasPrefix("squeeze: axis 1 of 1x2 is not of extent 1"))
    #expect(
      message(Function { $0.split(into: [1, 2])[0] }, [1, 4]).hasPrefix("split: parts of [1, 2] take 3 elements"))
    #expect(
      message(Function { squaredError($0, $0.sum(along: [1])) }, [2, 4]).hasPrefix("squaredError: the prediction"))
  }

  /// What would otherwise broadcast to a number of channels that nobody asked for, or stop the program.
  @Test func channelsAndRanksOfLayers() {
    #expect(
      message(LayerNorm(channels: 4), [2, 1, 3, 3])
        == "layer_norm: the layer has 4 channels, but the input is 2x1x3x3")
    #expect(message(PReLU(channels: 4), [2, 1, 3, 3]) == "prelu: the layer has 4 channels, but the input is 2x1x3x3")
    #expect(message(PReLU(channels: 4), [2, 4, 3, 3]) == "no error")
    #expect(message(InstanceNorm(0), [1, 0, 2, 2]) == "instance_norm: the input 1x0x2x2 has no channels")
    #expect(message(VariancePool2D(kernel: 2), [3]).contains("but it is 3"))
    #expect(
      message(Conv2D(in: 1, out: 1, kernel: 3, stride: 2, padding: .same), [1, 1, 8, 8])
        == "conv2d: padding .same needs a stride of 1, but it is [2, 2]; use .sameUpper")
  }

  @Test func sizesBeyondAllMachines() {
    let model = Sequential(Conv2D(in: 3, out: 8, kernel: 3))
    #expect(message(model, [1, 3, 1 << 31, 1 << 31]).contains("more than any machine holds"))
    #expect(message(Flatten(), [1 << 31, 1 << 31, 1 << 31]).contains("flatten"))
  }

  private struct Function: Layer {
    let body: @Sendable (Tensor) -> Tensor
    init(_ body: @escaping @Sendable (Tensor) -> Tensor) { self.body = body }
    func callAsFunction(_ x: Tensor) -> Tensor { body(x) }
  }
}

import ConvNet
import Testing

/// Section 1.7 of the course's acceptance list: the layers that the lectures name.
@Suite struct LayerTests {
  /// torch.nn.Conv2d's arguments.
  @Test func conv2DArguments() {
    let layer = Conv2D(
      in: 4, out: 6, kernel: [3, 5], stride: 2, padding: [1, 2], dilation: [2, 1], groups: 2, bias: true,
      borders: .circular)
    #expect(layer.weight.shape == [6, 2, 3, 5] && layer.bias?.shape == [6])
    #expect(layer(.zeros([1, 4, 9, 8])).shape == [1, 6, 4, 4])
    #expect(Conv2D(in: 4, out: 6, kernel: 3, bias: false).bias == nil)
  }

  @Test func bias() {
    var layer = conv2D(four)
    layer.bias = Tensor([10] as [Float])
    #expect(rows(layer(nine)) == [[29, 35], [47, 53]])
  }

  /// A dilated kernel is one with zeros between its numbers.
  @Test func dilation() {
    let spread: [[Float]] = [[0, 0, 1], [0, 0, 0], [2, 0, 3]]
    #expect(rows(conv2D(four, dilation: 2)(five)) == rows(conv2D(spread)(five)))
    #expect(rows(conv2D(four, dilation: 2)(five))[0] == [14, 9, 13])
  }

  /// padding_mode: the picture continued by zeros, its mirror image, its edge or its other end.
  @Test func paddingModes() {
    let corners: [(Borders, Float)] = [(.zeros, 0 + 1 + 3 + 4), (.reflect, 24), (.replicate, 12), (.circular, 36)]
    for (borders, corner) in corners {
      var layer = Conv2D(in: 1, out: 1, kernel: 3, padding: 1, bias: false, borders: borders)
      layer.weight = .ones([1, 1, 3, 3])
      let y = rows(layer(nine))
      #expect(y[0][0] == corner && y[1][1] == 36, "\(borders): \(y)")
    }
  }

  /// Padding by name keeps, shrinks or extends: PyTorch's and TensorFlow's.
  @Test func namedPadding() {
    func size(_ input: Int, _ padding: Padding, stride: Extents = 1) -> Int {
      Conv1D(in: 1, out: 1, kernel: 4, stride: stride, padding: padding)(.zeros([1, 1, input])).shape[2]
    }
    #expect(size(9, .same) == 9 && size(9, .valid) == 6 && size(9, .full) == 12)
    #expect(size(9, .sameUpper, stride: 2) == 5 && size(9, .sameLower, stride: 2) == 5)
  }

  /// nn.LazyConv2d learns its input channels from the first picture.
  @Test func lazyChannels() throws {
    let lazy = Conv2D(out: 5, kernel: 3, bias: false)
    for channels in [1, 3, 4] {
      #expect(try lazy.resolved(for: [1, channels, 8, 8]).weight.shape == [5, channels, 3, 3])
    }
  }

  /// Grey, RGB and CMYK have 1, 3 and 4 channels, and 0...255 becomes 0...1.
  @Test func channels() {
    for channels in [1, 3, 4] {
      let pixels = [UInt8](repeating: 255, count: channels * 6 * 6)
      let x = Tensor(pixels, shape: [1, channels, 6, 6]).cast(to: .float32) / 255
      #expect(x.max().item() == 1 as Float)
      var layer = Conv2D(in: channels, out: 2, kernel: 3, bias: false)
      layer.weight = .ones(layer.weight.shape)
      let y = layer(x)
      #expect(y.shape == [1, 2, 4, 4])
      expectNear(y.max().scalars(), [Float(9 * channels)])
    }
  }

  @Test func dtype() {
    var layer = conv2D([[0.1, 0.2], [0.3, 0.4]])
    layer.weight = Tensor([0.1, 0.2, 0.3, 0.4] as [Double], shape: [1, 1, 2, 2])
    let y = layer(nine.cast(to: .float64))
    #expect(y.dtype == .float64)
    let expected = [2.7, 3.7, 5.7, 6.7]
    #expect(zip(y.scalars(as: Double.self), expected).allSatisfy { abs($0 - $1) < 1e-14 })
  }

  /// The U-Net's 2x2 "up-convolution" doubles the size; with stride 2 each number becomes a scaled copy of the kernel.
  @Test func upConvolution() {
    var layer = ConvTransposed2D(in: 1, out: 1, kernel: 2, stride: 2, bias: false)
    layer.weight = picture(four)
    #expect(rows(layer(picture([[1, 2]]))) == [[0, 1, 0, 2], [2, 3, 4, 6]])
    for size in [28, 52, 100, 196] { #expect(layer(.zeros([1, 1, size / 2, size / 2])).shape[2] == size) }
  }

  /// The U-Net's "copy and crop" beside its residual "add": 64 of 64x64 cropped to 56x56 beside 64 of 56x56.
  @Test func skips() {
    let (early, late) = (noise([1, 4, 64, 64]), noise([1, 4, 56, 56], seed: 1))
    let cropped = early.sliced([0..<1, 0..<4, 4..<60, 4..<60])
    #expect(concatenate([cropped, late]).shape == [1, 8, 56, 56])
    #expect((cropped + late).shape == [1, 4, 56, 56])
  }

  /// Flatten and fully connected layers with dropout, which only training sees.
  @Test func classifierHead() throws {
    let head = withSeed(6) {
      Sequential(Flatten(), Linear(in: 4 * 3 * 3, out: 8), Activation(.relu), Dropout(rate: 0.5))
    }
    let x = noise([2, 4, 3, 3])
    #expect(head(x).shape == [2, 8])
    #expect(head(x).scalars() == head(x).scalars() as [Float])
    let ones = Tensor.ones([1, 1000])
    #expect(Dropout(rate: 0.5)(ones).scalars() == ones.scalars() as [Float])
  }

  /// "Larger responses mean it's there": maximum, average, L2 and global pooling of one picture.
  @Test func poolings() {
    #expect(rows(MaxPool2D(kernel: 3)(nine)) == [[8]] && rows(AveragePool2D(kernel: 3)(nine)) == [[4]])
    expectNear(LpPool2D(kernel: 3)(nine).scalars(), [Float(204).squareRoot()])
    #expect(GlobalAveragePool()(nine).scalars() == [4] as [Float])
  }

  /// One step of AdamW from fresh moments moves each weight by the learning rate, after the decay.
  @Test func adamW() throws {
    var model = conv2D([[0.5, -0.5]])
    let step = try gradient(at: model) { square($0(nine)).sum() }
    var optimizer = Optimizer.adamW(learningRate: 0.1, weightDecay: 0.01)
    try optimizer.update(&model, along: step)
    let slope: [Float] = try #require(step.gradients["weight"]).scalars()
    let expected = zip([0.5, -0.5] as [Float], slope).map { $0 * (1 - 0.1 * 0.01) - 0.1 * ($1 > 0 ? 1 : -1) }
    expectNear(model.weight.scalars(), expected, 1e-4)
  }

  /// Groups see only their own channels.
  @Test func groups() {
    let layer = withSeed(5) { Conv2D(in: 4, out: 4, kernel: 3, groups: 2, bias: false) }
    let x = noise([1, 4, 6, 6])
    let silent = concatenate([x.sliced([0..<1, 0..<2]), .zeros([1, 2, 6, 6])])
    let (a, b) = (layer(x), layer(silent))
    #expect(rows(a.sliced([0..<1, 0..<2])) == rows(b.sliced([0..<1, 0..<2])))
    #expect(b.sliced([0..<1, 2..<4]).max().item() == 0 as Float)
  }

  @Test func activations() {
    let x = Tensor([-2, 0, 3] as [Float], shape: [1, 3])
    #expect(relu(x).scalars() == [0, 0, 3] as [Float])
    expectNear(tanh(x).scalars(), [-0.9640276, 0, 0.9950547])
    expectNear(sigmoid(x).scalars(), [0.1192029, 0.5, 0.9525741])
    expectNear(softmax(x).scalars(), [0.0063775, 0.0471234, 0.9464991])
  }
}

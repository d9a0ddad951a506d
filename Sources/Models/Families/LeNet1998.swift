public import Layers

/// LeNet-5 as published: subsampling with a coefficient and a bias for each map, a second convolution whose maps see
/// only some of the first, scaled tanh, and an output of radial basis functions. 60,000 parameters that learn, for
/// 32x32 grey images: 156 + 12 + 1,516 + 32 + 48,120 + 10,164.
///
/// LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998. Its codes are
/// fixed; those of the paper were drawn by hand as pictures of characters, here they are the random ones that it names
/// as the alternative.
public struct LeNet1998: Layer {
  var c1: Conv2D
  var s2: Subsampling
  var c3: SparseConv
  var s4: Subsampling
  var c5: Conv2D
  var f6: Linear
  var output: Output

  public static var fields: [Field<Self>] {
    [
      .init("c1", \.c1), .init("s2", \.s2), .init("c3", \.c3), .init("s4", \.s4), .init("c5", \.c5), .init("f6", \.f6),
      .init("output", \.output),
    ]
  }

  public enum OutputKind: Sendable {
    /// Minus the squared distance to each class's code.
    case radialBasis
    /// A linear layer: 850 more parameters for 10 classes.
    case linear
  }

  /// - Parameter imageSize: `[height, width]`, at least 16 each.
  public init(
    _ outputKind: OutputKind = .radialBasis, channels: Int = 1, classes: Int = 10, imageSize: [Int] = [32, 32]
  ) {
    c1 = Conv2D(in: channels, out: 6, kernel: 5)
    s2 = Subsampling(6)
    c3 = SparseConv()
    s4 = Subsampling(16)
    c5 = Conv2D(in: 16, out: 120, kernel: Extents(imageSize.map { (($0 - 4) / 2 - 4) / 2 }))
    f6 = Linear(in: 120, out: 84)
    output = Output(outputKind, in: 84, classes: classes)
  }

  /// `[N, channels, H, W]` to `[N, classes]`; the largest is the answer.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let maps = squash(s4(squash(c3(squash(s2(squash(c1(x))))))))
    return output(squash(f6(squash(c5(maps)).flattened())))
  }

  /// With radial basis functions the paper's criterion (equation 9): one more class, of rubbish, always has the distance
  /// `j`, so that the right code's distance falls as far as that, where cross-entropy rests once the others are larger.
  public func trainingLoss(
    _ input: Tensor, _ target: Tensor, by loss: (_ output: Tensor, _ target: Tensor) throws -> Tensor
  ) rethrows -> Tensor {
    let scores = self(input)
    let judged = try loss(scores, target)
    guard output.codes != nil else { return judged }
    // log(exp(-j) + sum) is log(sum) + softplus(-j - log(sum)), and the first of these is part of cross-entropy.
    return judged + softplus(-scores.logSumExp(along: 1) - Self.rubbishDistance).mean()
  }

  /// `j`, which the paper says is positive.
  private static let rubbishDistance = 0.1

  /// `1.7159 tanh(2 x / 3)` (appendix A of the paper).
  private func squash(_ x: Tensor) -> Tensor { tanh(x * (2.0 / 3)) * 1.7159 }

  static let architectures = [
    Architecture(
      "lenet_1998", "LeNet-5 as published, with a sparse second convolution", year: 1998,
      paper: "LeCun et al., 1998", channels: 1, classes: 10, imageSize: [32, 32], minimumImageSize: 16
    ) { LeNet1998(.radialBasis, channels: $0.channels, classes: $0.classes, imageSize: $0.imageSize) },
    Architecture(
      "lenet_1998_linear", "LeNet-5 as published, but with a linear output", year: 1998,
      paper: "LeCun et al., 1998", channels: 1, classes: 10, imageSize: [32, 32], minimumImageSize: 16
    ) { LeNet1998(.linear, channels: $0.channels, classes: $0.classes, imageSize: $0.imageSize) },
  ]

  /// The sum of each 2x2 window times a coefficient, plus a bias, for each map.
  struct Subsampling: Layer {
    var coefficient: Tensor
    var bias: Tensor

    static var fields: [Field<Self>] {
      [.init("weight", \.coefficient, kind: .vector), .init("bias", \.bias, kind: .vector)]
    }

    init(_ maps: Int) {
      // With a coefficient of 1/4, the mean.
      coefficient = .filled(with: 0.25, [maps, 1, 1])
      bias = .zeros([maps, 1, 1])
    }

    func callAsFunction(_ x: Tensor) -> Tensor { SumPool2D(kernel: 2)(x) * coefficient + bias }
  }

  /// The convolution C3: each of its 16 maps sees the maps that table I of the paper gives.
  struct SparseConv: Layer {
    /// Maps 0 to 5, of three inputs each.
    var threes: Conv2D
    /// Maps 6 to 14, of four.
    var fours: Conv2D
    /// Map 15, of all six.
    var all: Conv2D

    static var fields: [Field<Self>] { [.init("threes", \.threes), .init("fours", \.fours), .init("all", \.all)] }

    static let table = [
      [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5],
      [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5], [0, 1, 3, 4], [1, 2, 4, 5],
      [0, 2, 3, 5], [0, 1, 2, 3, 4, 5],
    ]

    init() {
      threes = Conv2D(in: 18, out: 6, kernel: 5, groups: 6)
      fours = Conv2D(in: 36, out: 9, kernel: 5, groups: 9)
      all = Conv2D(in: 6, out: 1, kernel: 5)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      concatenate([
        threes(x.selecting(Self.table[0..<6].flatMap(\.self), along: 1)),
        fours(x.selecting(Self.table[6..<15].flatMap(\.self), along: 1)), all(x),
      ])
    }
  }

  /// Scores of the classes.
  struct Output: Layer {
    /// `[classes, 84]` of 1 and -1; they do not learn.
    var codes: Tensor?
    var linear: Linear?

    static var fields: [Field<Self>] { [.init("codes", \.codes, kind: .statistic), .init("linear", \.linear)] }

    init(_ kind: OutputKind, in inFeatures: Int, classes: Int) {
      switch kind {
      case .linear: linear = Linear(in: inFeatures, out: classes)
      case .radialBasis:
        var random = RandomStream(seed: 0, stream: RandomStream.stream(0x636F_6465, 0))
        codes = Tensor(shape: [classes, inFeatures], of: Float.self) { buffer in
          for index in buffer.indices { buffer[index] = random.uniform() < 0.5 ? -1 : 1 }
        }
      }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      if let linear { return linear(x) }
      guard let codes else { return x }
      // |x - w|^2 = |x|^2 - 2 x w + |w|^2, as a matrix product.
      let products = apply(.linear(hasBias: false), x, codes)
      return products * 2 - square(x).sum(along: [1], keepingDimensions: true) - square(codes).sum(along: [1])
    }
  }
}

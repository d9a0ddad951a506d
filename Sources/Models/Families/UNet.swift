public import Layers

/// A path down to coarse maps and a path up again, where each step sees the map of the same size on the way down (a skip
/// connection; it concatenates); one output for each class and pixel.
///
/// Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015. The published
/// form turns 572x572 into 388x388 with 31,030,658 parameters (grey images, 2 classes).
public struct UNet: Layer {
  var down: [DoubleConv]
  var up: [UpStep]
  var head: Conv2D

  public static var fields: [Field<Self>] { [.init("down", \.down), .init("up", \.up), .init("head", \.head)] }

  public enum Form: Sendable {
    /// Convolutions without padding, and skips that are cropped: the published form. Outputs are smaller than inputs.
    case valid
    /// Convolutions that keep the size. Outputs have the size of inputs, whatever that is.
    case same
  }

  /// - Parameters:
  ///   - depth: how often the maps are halved.
  ///   - width: channels at full size; each halving doubles them.
  ///   - isNormalized: whether batch norm follows each 3x3 convolution.
  public init(
    _ form: Form = .valid, depth: Int = 4, width: Int = 64, isNormalized: Bool = false, channels: Int = 1,
    classes: Int = 2
  ) {
    if depth < 1 || width < 1 { fail("a U-Net needs at least one halving and one channel") }
    down = (0...depth).map { level in
      DoubleConv(in: level == 0 ? channels : width << (level - 1), out: width << level, form, isNormalized)
    }
    up = (0..<depth).reversed().map { UpStep(to: width << $0, form, isNormalized) }
    head = Conv2D(in: width, out: classes, kernel: 1, initializer: .normalFanIn)
  }

  /// `[N, channels, H, W]` to logits `[N, classes, H', W']`.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    var skips: [Tensor] = []
    var y = down[0](x)
    for step in down.dropFirst() {
      skips.append(y)
      y = step(MaxPool2D(kernel: 2)(y))
    }
    for (step, skip) in zip(up, skips.reversed()) { y = step(y, skip) }
    return head(y)
  }

  static let architectures = [
    Architecture(
      "unet", "segmentation as published: 572x572 to 388x388", year: 2015, paper: "Ronneberger et al., 2015",
      task: .segmentation, channels: 1, classes: 2, imageSize: [572, 572], minimumImageSize: 188
    ) { UNet(.valid, channels: $0.channels, classes: $0.classes) },
    Architecture(
      "unet_same", "segmentation at the image's size, with batch norm", year: 2015,
      paper: "after Ronneberger et al., 2015", task: .segmentation, classes: 2, imageSize: [256, 256],
      minimumImageSize: 16
    ) { UNet(.same, isNormalized: true, channels: $0.channels, classes: $0.classes) },
  ]

  /// Two 3x3 convolutions with ReLU.
  struct DoubleConv: Layer {
    var conv1: Conv2D
    var norm1: BatchNorm?
    var conv2: Conv2D
    var norm2: BatchNorm?

    static var fields: [Field<Self>] {
      [.init("conv1", \.conv1), .init("bn1", \.norm1), .init("conv2", \.conv2), .init("bn2", \.norm2)]
    }

    init(in inChannels: Int, out: Int, _ form: Form, _ isNormalized: Bool) {
      func conv(_ inside: Int) -> Conv2D {
        Conv2D(
          in: inside, out: out, kernel: 3, padding: form == .same ? 1 : 0, bias: !isNormalized,
          initializer: .normalFanIn)
      }
      (conv1, conv2) = (conv(inChannels), conv(out))
      if isNormalized { (norm1, norm2) = (BatchNorm(out), BatchNorm(out)) }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      var y = conv1(x)
      y = conv2(relu(norm1?(y) ?? y))
      return relu(norm2?(y) ?? y)
    }
  }

  /// A transposed convolution that doubles the map, concatenation with the skip, and two convolutions.
  struct UpStep: Module {
    var rise: ConvTransposed2D
    var convs: DoubleConv
    private let form: Form

    init(to width: Int, _ form: Form, _ isNormalized: Bool) {
      rise = ConvTransposed2D(in: 2 * width, out: width, kernel: 2, stride: 2, initializer: .normalFanIn)
      convs = DoubleConv(in: 2 * width, out: width, form, isNormalized)
      self.form = form
    }

    func callAsFunction(_ x: Tensor, _ skip: Tensor) -> Tensor {
      let y = rise(x)
      return convs(
        form == .valid
          ? concatenate([skip.cropped(to: Array(y.shape.spatial)), y])
          : concatenate([skip, y.extended(to: Array(skip.shape.spatial))]))
    }

    mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws {
      try rise.visitParameters(at: "\(path).rise", visit)
      try convs.visitParameters(at: path, visit)
    }
  }
}

extension Tensor {
  /// The middle of `[N, C, H, W]`.
  fileprivate func cropped(to extents: [Int]) -> Tensor {
    let ranges = zip(shape.spatial, extents).map { own, wanted in
      let start = Swift.max(0, (own - wanted) / 2)
      return start..<Swift.min(own, start + wanted)
    }
    return ranges.map { $0.count } == Array(shape.spatial) ? self : sliced([0..<shape[0], 0..<shape[1]] + ranges)
  }

  /// With zeros behind the last row and column, where halving an odd extent lost one.
  fileprivate func extended(to extents: [Int]) -> Tensor {
    if extents == Array(shape.spatial) { return self }
    let missing = zip(extents, shape.spatial).map { Swift.max(0, $0 - $1) }
    return padded(before: [0, 0, 0, 0], after: [0, 0] + missing)
  }
}

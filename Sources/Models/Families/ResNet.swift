public import Layers

/// The residual networks for ImageNet, with torchvision's parameter names, and their plain twins.
///
/// He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016. In bottlenecks the 3x3 convolution has
/// the stride, as in torchvision and unlike the paper. The 3.6 % that the course's table prints for ResNet-152 are the
/// error of an ensemble; a single network's is higher.
public struct ResNet: Layer {
  var conv1: Conv2D
  var norm1: BatchNorm
  var layer1: Sequential
  var layer2: Sequential
  var layer3: Sequential
  var layer4: Sequential
  var classifier: Linear

  public static var fields: [Field<Self>] {
    [
      .init("conv1", \.conv1), .init("bn1", \.norm1), .init("layer1", \.layer1), .init("layer2", \.layer2),
      .init("layer3", \.layer3), .init("layer4", \.layer4), .init("fc", \.classifier),
    ]
  }

  /// What the stages are made of.
  public enum Block: Sendable {
    /// Two 3x3 convolutions.
    case basic
    /// A 3x3 convolution between 1x1 convolutions, the last of which makes four times as many maps.
    case bottleneck

    var expansion: Int { self == .basic ? 1 : 4 }
  }

  /// - Parameters:
  ///   - blocks: how many blocks each of the four stages has; `[2, 2, 2, 2]` is ResNet-18.
  ///   - width: channels of the stem.
  ///   - stageWidth: channels of the first stage's 3x3 convolutions; each stage doubles them. `width` unless given.
  ///   - hasShortcuts: whether shortcuts lead around blocks; without them the network is a plain twin.
  public init(
    blocks: [Int], of kind: Block = .basic, width: Int = 64, stageWidth: Int? = nil, hasShortcuts: Bool = true,
    channels: Int = 3, classes: Int = 1000
  ) {
    var inside = width
    func stage(_ index: Int) -> Sequential {
      let width = (stageWidth ?? width) << index
      return Sequential(
        (0..<blocks[index]).map { block -> any Layer in
          let stride = block == 0 && index > 0 ? 2 : 1
          defer { inside = width * kind.expansion }
          return switch kind {
          case .basic: BasicBlock(in: inside, out: width, stride: stride, hasShortcut: hasShortcuts)
          case .bottleneck: Bottleneck(in: inside, width: width, stride: stride, hasShortcut: hasShortcuts)
          }
        })
    }
    conv1 = .resNet(in: channels, out: width, kernel: 7, stride: 2)
    norm1 = BatchNorm(width)
    layer1 = stage(0)
    layer2 = stage(1)
    layer3 = stage(2)
    layer4 = stage(3)
    classifier = Linear(in: inside, out: classes)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let stem = MaxPool2D(kernel: 3, stride: 2, padding: 1)(relu(norm1(conv1(x))))
    return classifier(GlobalAveragePool()(layer4(layer3(layer2(layer1(stem))))))
  }

  private static let depths: [(layers: Int, blocks: [Int], kind: Block)] = [
    (18, [2, 2, 2, 2], .basic), (34, [3, 4, 6, 3], .basic), (50, [3, 4, 6, 3], .bottleneck),
    (101, [3, 4, 23, 3], .bottleneck), (152, [3, 8, 36, 3], .bottleneck),
  ]

  static let architectures =
    depths.map { depth in
      Architecture(
        "resnet\(depth.layers)", "residual network with \(depth.layers) layers", year: 2015, paper: "He et al., 2016",
        topFiveError: depth.layers == 152 ? 3.6 : nil, minimumImageSize: 32
      ) { ResNet(blocks: depth.blocks, of: depth.kind, channels: $0.channels, classes: $0.classes) }
    }
    + depths.prefix(2).map { depth in
      Architecture(
        "plain\(depth.layers)", "resnet\(depth.layers) without shortcuts", year: 2015, paper: "He et al., 2016",
        minimumImageSize: 32
      ) { ResNet(blocks: depth.blocks, hasShortcuts: false, channels: $0.channels, classes: $0.classes) }
    }
}

/// Two 3x3 convolutions around which a shortcut leads: `relu(F(x) + x)`.
struct BasicBlock: Layer {
  var conv1: Conv2D
  var norm1: BatchNorm
  var conv2: Conv2D
  var norm2: BatchNorm
  var shortcut: Shortcut

  static var fields: [Field<Self>] {
    [
      .init("conv1", \.conv1), .init("bn1", \.norm1), .init("conv2", \.conv2), .init("bn2", \.norm2),
      .init("downsample", \.shortcut),
    ]
  }

  init(in inChannels: Int, out outChannels: Int, stride: Int, hasShortcut: Bool) {
    conv1 = .resNet(in: inChannels, out: outChannels, kernel: 3, stride: stride)
    norm1 = BatchNorm(outChannels)
    conv2 = .resNet(in: outChannels, out: outChannels, kernel: 3)
    norm2 = BatchNorm(outChannels)
    shortcut = Shortcut(in: inChannels, out: outChannels, stride: stride, exists: hasShortcut)
  }

  func callAsFunction(_ x: Tensor) -> Tensor { relu(shortcut(x, addedTo: norm2(conv2(relu(norm1(conv1(x))))))) }
}

/// 1x1, 3x3 and 1x1 convolutions around which a shortcut leads.
struct Bottleneck: Layer {
  var conv1: Conv2D
  var norm1: BatchNorm
  var conv2: Conv2D
  var norm2: BatchNorm
  var conv3: Conv2D
  var norm3: BatchNorm
  var shortcut: Shortcut

  static var fields: [Field<Self>] {
    [
      .init("conv1", \.conv1), .init("bn1", \.norm1), .init("conv2", \.conv2), .init("bn2", \.norm2),
      .init("conv3", \.conv3), .init("bn3", \.norm3), .init("downsample", \.shortcut),
    ]
  }

  init(in inChannels: Int, width: Int, stride: Int, hasShortcut: Bool) {
    conv1 = .resNet(in: inChannels, out: width, kernel: 1)
    norm1 = BatchNorm(width)
    conv2 = .resNet(in: width, out: width, kernel: 3, stride: stride)
    norm2 = BatchNorm(width)
    conv3 = .resNet(in: width, out: 4 * width, kernel: 1)
    norm3 = BatchNorm(4 * width)
    shortcut = Shortcut(in: inChannels, out: 4 * width, stride: stride, exists: hasShortcut)
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = relu(norm2(conv2(relu(norm1(conv1(x))))))
    return relu(shortcut(x, addedTo: norm3(conv3(y))))
  }
}

/// The way around a block: the input, or a strided 1x1 convolution of it where the shapes differ, or nothing.
struct Shortcut: Module {
  private var projection: Sequential?
  private let exists: Bool

  init(in inChannels: Int, out: Int, stride: Int, exists: Bool) {
    self.exists = exists
    if exists && (stride != 1 || inChannels != out) {
      projection = .convNorm(in: inChannels, out: out, kernel: 1, stride: stride, activation: nil)
    }
  }

  func callAsFunction(_ x: Tensor, addedTo y: Tensor) -> Tensor { exists ? y + (projection?(x) ?? x) : y }

  mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws {
    try projection?.visitParameters(at: path, visit)
  }
}

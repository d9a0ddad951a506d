public import Layers

/// The residual networks for small images (section 4.2 of He et al., 2016), and their plain twins: a 3x3 stem, three
/// stages of 16, 32 and 64 channels, and shortcuts without parameters. ResNet-20 has 269,722 parameters for RGB images
/// and 10 classes, ResNet-110 1,727,962, and their twins as many.
public struct CIFARResNet: Layer {
  var conv1: Conv2D
  var norm1: BatchNorm
  var layer1: Sequential
  var layer2: Sequential
  var layer3: Sequential
  var classifier: Linear

  public static var fields: [Field<Self>] {
    [
      .init("conv1", \.conv1), .init("bn1", \.norm1), .init("layer1", \.layer1), .init("layer2", \.layer2),
      .init("layer3", \.layer3), .init("linear", \.classifier),
    ]
  }

  /// - Parameters:
  ///   - depth: 6n + 2: 20, 32, 44, 56, 110.
  ///   - hasShortcuts: whether shortcuts lead around blocks; without them the network is a plain twin.
  public init(depth: Int, hasShortcuts: Bool = true, channels: Int = 3, classes: Int = 10) {
    if depth < 8 || (depth - 2) % 6 != 0 { fail("a CIFAR ResNet has 6n + 2 layers, not \(depth)") }
    func stage(in inChannels: Int, out: Int, stride: Int) -> Sequential {
      Sequential(
        (0..<(depth - 2) / 6).map { block in
          Block(
            in: block == 0 ? inChannels : out, out: out, stride: block == 0 ? stride : 1, hasShortcut: hasShortcuts)
        })
    }
    conv1 = .resNet(in: channels, out: 16, kernel: 3)
    norm1 = BatchNorm(16)
    layer1 = stage(in: 16, out: 16, stride: 1)
    layer2 = stage(in: 16, out: 32, stride: 2)
    layer3 = stage(in: 32, out: 64, stride: 2)
    classifier = Linear(in: 64, out: classes)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    classifier(GlobalAveragePool()(layer3(layer2(layer1(relu(norm1(conv1(x))))))))
  }

  static let architectures = [true, false].flatMap { hasShortcuts in
    [20, 32, 44, 56, 110].map { depth in
      Architecture(
        hasShortcuts ? "resnet\(depth)" : "plain\(depth)",
        hasShortcuts ? "residual network with \(depth) layers for small images" : "resnet\(depth) without shortcuts",
        year: 2015, paper: "He et al., 2016", classes: 10, imageSize: [32, 32], minimumImageSize: 8
      ) { CIFARResNet(depth: depth, hasShortcuts: hasShortcuts, channels: $0.channels, classes: $0.classes) }
    }
  }

  /// A basic block whose shortcut, where shapes differ, takes every second element and adds channels of zeros.
  struct Block: Layer {
    var conv1: Conv2D
    var norm1: BatchNorm
    var conv2: Conv2D
    var norm2: BatchNorm

    static var fields: [Field<Self>] {
      [.init("conv1", \.conv1), .init("bn1", \.norm1), .init("conv2", \.conv2), .init("bn2", \.norm2)]
    }

    private let stride: Int
    private let addedChannels: Int
    private let hasShortcut: Bool

    init(in inChannels: Int, out: Int, stride: Int, hasShortcut: Bool) {
      conv1 = .resNet(in: inChannels, out: out, kernel: 3, stride: stride)
      norm1 = BatchNorm(out)
      conv2 = .resNet(in: out, out: out, kernel: 3)
      norm2 = BatchNorm(out)
      self.stride = stride
      self.hasShortcut = hasShortcut
      addedChannels = out - inChannels
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      let y = norm2(conv2(relu(norm1(conv1(x)))))
      return relu(hasShortcut ? y + shortcut(x) : y)
    }

    private func shortcut(_ x: Tensor) -> Tensor {
      if stride == 1 && addedChannels == 0 { return x }
      let sampled = x.subsampled(by: stride)
      // He et al.'s option A: half of the new channels on either side.
      return sampled.padded(
        before: [0, addedChannels / 2, 0, 0], after: [0, addedChannels - addedChannels / 2, 0, 0])
    }
  }
}

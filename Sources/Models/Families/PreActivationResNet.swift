public import Layers

/// Residual networks whose blocks begin with batch norm and ReLU, so that shortcuts are the identity from end to end;
/// for small images. With 164 layers it has 1,703,258 parameters, with 1001 layers 10,327,706 (RGB, 10 classes).
///
/// He, Zhang, Ren and Sun, "Identity mappings in deep residual networks", 2016.
public struct CIFARPreActivationResNet: Layer {
  var conv1: Conv2D
  var layer1: Sequential
  var layer2: Sequential
  var layer3: Sequential
  var norm: BatchNorm
  var classifier: Linear

  public static var fields: [Field<Self>] {
    [
      .init("conv1", \.conv1), .init("layer1", \.layer1), .init("layer2", \.layer2), .init("layer3", \.layer3),
      .init("bn", \.norm), .init("linear", \.classifier),
    ]
  }

  /// - Parameter depth: 9n + 2: 164, 1001.
  public init(depth: Int, channels: Int = 3, classes: Int = 10) {
    if depth < 11 || (depth - 2) % 9 != 0 { fail("a pre-activation ResNet has 9n + 2 layers, not \(depth)") }
    let count = (depth - 2) / 9
    conv1 = .resNet(in: channels, out: 16, kernel: 3)
    layer1 = .preActivation(blocks: count, in: 16, width: 16, stride: 1)
    layer2 = .preActivation(blocks: count, in: 64, width: 32, stride: 2)
    layer3 = .preActivation(blocks: count, in: 128, width: 64, stride: 2)
    norm = BatchNorm(256)
    classifier = Linear(in: 256, out: classes)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    classifier(GlobalAveragePool()(relu(norm(layer3(layer2(layer1(conv1(x))))))))
  }

  static let architectures = [164, 1001].map { depth in
    Architecture(
      "preact_resnet\(depth)", "pre-activation residual network with \(depth) layers for small images", year: 2016,
      paper: "He et al., 2016b", classes: 10, imageSize: [32, 32], minimumImageSize: 8
    ) { CIFARPreActivationResNet(depth: depth, channels: $0.channels, classes: $0.classes) }
  }
}

/// The pre-activation residual networks for ImageNet. Its blocks are timm's `resnetv2_50`, and so is the stem: a
/// convolution and maximum pooling without batch norm, which the first block begins with.
public struct PreActivationResNet: Layer {
  var conv1: Conv2D
  var layers: [Sequential]
  var norm: BatchNorm
  var classifier: Linear

  public static var fields: [Field<Self>] {
    [.init("conv1", \.conv1), .init("layers", \.layers), .init("bn", \.norm), .init("fc", \.classifier)]
  }

  /// - Parameters:
  ///   - blocks: how many bottlenecks each stage has.
  ///   - width: channels of the stem and of the first stage's 3x3 convolutions; each stage doubles them.
  public init(blocks: [Int], width: Int = 64, channels: Int = 3, classes: Int = 1000) {
    conv1 = .resNet(in: channels, out: width, kernel: 7, stride: 2)
    var inside = width
    layers = blocks.enumerated().map { index, count in
      defer { inside = 4 * width << index }
      return .preActivation(blocks: count, in: inside, width: width << index, stride: index > 0 ? 2 : 1)
    }
    norm = BatchNorm(inside)
    classifier = Linear(in: inside, out: classes)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let stem = MaxPool2D(kernel: 3, stride: 2, padding: 1)(conv1(x))
    return classifier(GlobalAveragePool()(relu(norm(layers.reduce(stem) { $1($0) }))))
  }

  private static let depths = [(50, [3, 4, 6, 3]), (101, [3, 4, 23, 3]), (152, [3, 8, 36, 3])]

  static let architectures = depths.map { depth, blocks in
    Architecture(
      "preact_resnet\(depth)", "pre-activation residual network with \(depth) layers", year: 2016,
      paper: "He et al., 2016b", minimumImageSize: 32
    ) { PreActivationResNet(blocks: blocks, channels: $0.channels, classes: $0.classes) }
  }
}

extension Sequential {
  /// A stage of bottlenecks that begin with batch norm.
  fileprivate static func preActivation(blocks: Int, in inChannels: Int, width: Int, stride: Int) -> Sequential {
    Sequential(
      (0..<blocks).map { block in
        PreActivationBottleneck(
          in: block == 0 ? inChannels : 4 * width, width: width, stride: block == 0 ? stride : 1)
      })
  }
}

/// `F(a) + x` with `a = relu(norm(x))`; where shapes differ, a 1x1 convolution of `a` takes the place of `x`.
struct PreActivationBottleneck: Layer {
  var norm1: BatchNorm
  var conv1: Conv2D
  var norm2: BatchNorm
  var conv2: Conv2D
  var norm3: BatchNorm
  var conv3: Conv2D
  var projection: Conv2D?

  static var fields: [Field<Self>] {
    [
      .init("bn1", \.norm1), .init("conv1", \.conv1), .init("bn2", \.norm2), .init("conv2", \.conv2),
      .init("bn3", \.norm3), .init("conv3", \.conv3), .init("downsample", \.projection),
    ]
  }

  init(in inChannels: Int, width: Int, stride: Int) {
    norm1 = BatchNorm(inChannels)
    conv1 = .resNet(in: inChannels, out: width, kernel: 1)
    norm2 = BatchNorm(width)
    conv2 = .resNet(in: width, out: width, kernel: 3, stride: stride)
    norm3 = BatchNorm(width)
    conv3 = .resNet(in: width, out: 4 * width, kernel: 1)
    if stride != 1 || inChannels != 4 * width {
      projection = .resNet(in: inChannels, out: 4 * width, kernel: 1, stride: stride)
    }
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let active = relu(norm1(x))
    let y = conv3(relu(norm3(conv2(relu(norm2(conv1(active)))))))
    return y + (projection?(active) ?? x)
  }
}

public import Layers

/// Two 3x3 convolutions around which a shortcut leads: `relu(F(x) + x)`.
public struct BasicBlock: Layer {
  var conv1: Conv2D
  var norm1: BatchNorm
  var conv2: Conv2D
  var norm2: BatchNorm
  /// A strided 1x1 convolution where the shapes differ.
  var shortcut: Sequential?

  public static var fields: [Field<Self>] {
    [
      .init("conv1", \.conv1), .init("bn1", \.norm1), .init("conv2", \.conv2), .init("bn2", \.norm2),
      .init("downsample", \.shortcut),
    ]
  }

  init(in inChannels: Int, out outChannels: Int, stride: Int) {
    conv1 = .resNet(in: inChannels, out: outChannels, kernel: 3, stride: stride)
    norm1 = BatchNorm(outChannels)
    conv2 = .resNet(in: outChannels, out: outChannels, kernel: 3)
    norm2 = BatchNorm(outChannels)
    if stride != 1 || inChannels != outChannels {
      shortcut = Sequential(
        Conv2D.resNet(in: inChannels, out: outChannels, kernel: 1, stride: stride), BatchNorm(outChannels))
    }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let y = norm2(conv2(relu(norm1(conv1(x)))))
    return relu(y + (shortcut?(x) ?? x))
  }
}

/// The residual networks for ImageNet, with torchvision's parameter names.
///
/// He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016.
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

  /// - Parameter blocks: how many blocks each of the four stages has; `[2, 2, 2, 2]` is ResNet-18.
  public init(blocks: [Int], channels: Int = 3, classes: Int = 1000) {
    func stage(_ count: Int, in inChannels: Int, out: Int, stride: Int) -> Sequential {
      Sequential(
        (0..<count).map { block in
          BasicBlock(in: block == 0 ? inChannels : out, out: out, stride: block == 0 ? stride : 1)
        })
    }
    conv1 = .resNet(in: channels, out: 64, kernel: 7, stride: 2)
    norm1 = BatchNorm(64)
    layer1 = stage(blocks[0], in: 64, out: 64, stride: 1)
    layer2 = stage(blocks[1], in: 64, out: 128, stride: 2)
    layer3 = stage(blocks[2], in: 128, out: 256, stride: 2)
    layer4 = stage(blocks[3], in: 256, out: 512, stride: 2)
    classifier = Linear(in: 512, out: classes)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let stem = MaxPool2D(kernel: 3, stride: 2, padding: 1)(relu(norm1(conv1(x))))
    return classifier(GlobalAveragePool()(layer4(layer3(layer2(layer1(stem))))))
  }

  static let architectures = [
    Architecture(
      "resnet18", "residual network with 18 layers", year: 2015, paper: "He et al., 2016", minimumImageSize: 32
    ) { ResNet(blocks: [2, 2, 2, 2], channels: $0.channels, classes: $0.classes) }
  ]
}

public import Layers

/// 3x3x3 convolutions over frames, height and width.
///
/// Tran et al., "Learning spatiotemporal features with 3D convolutional networks", 2015; 487 classes of sports.
public struct C3D: Layer {
  var convs: Sequential
  var classifier: Sequential

  public static var fields: [Field<Self>] { [.init("features", \.convs), .init("classifier", \.classifier)] }

  /// - Parameters:
  ///   - width: channels of the first convolution.
  ///   - hidden: units of the two hidden linear layers.
  ///   - clipSize: `[frames, height, width]`; the model takes no other.
  public init(
    width: Int = 64, hidden: Int = 4096, channels: Int = 3, classes: Int = 487, clipSize: [Int] = [16, 112, 112],
    dropout: Double = 0.5
  ) {
    var layers: [any Layer] = []
    var inside = channels
    var map = clipSize
    for (index, count) in [1, 1, 2, 2, 2].enumerated() {
      for _ in 0..<count {
        let out = width << min(index, 3)
        layers.append(Conv3D(in: inside, out: out, kernel: 3, padding: 1, initializer: .normalFanIn))
        layers.append(Activation(.relu))
        inside = out
      }
      // The first pooling keeps all frames; the last takes a border so that 7 becomes 4.
      let (kernel, border) = (index == 0 ? [1, 2, 2] : [2, 2, 2], index == 4 ? 1 : 0)
      layers.append(MaxPool3D(kernel: Extents(kernel), padding: [0, border, border]))
      map = zip(map, zip(kernel, [0, border, border])).map { ($0 + 2 * $1.1 - $1.0) / $1.0 + 1 }
    }
    convs = Sequential(layers)
    classifier = Sequential(
      Linear(in: inside * map.reduce(1, *), out: hidden), Activation(.relu), Dropout(rate: dropout),
      Linear(in: hidden, out: hidden), Activation(.relu), Dropout(rate: dropout), Linear(in: hidden, out: classes))
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { classifier(convs(x).flattened()) }

  static let architectures = [
    Architecture(
      "c3d", "3x3x3 convolutions on clips of 16 frames", year: 2014, paper: "Tran et al., 2015", classes: 487,
      imageSize: [16, 112, 112], minimumImageSize: 16, learningRateFactor: 0.1
    ) { C3D(channels: $0.channels, classes: $0.classes, clipSize: $0.imageSize) }
  ]
}

/// ResNet-18 with 3x3x3 convolutions, with torchvision's names; 33,371,472 parameters for 400 classes.
///
/// Tran et al., "A closer look at spatiotemporal convolutions for action recognition", 2018.
public struct VideoResNet: Layer {
  var stem: Sequential
  var layer1: Sequential
  var layer2: Sequential
  var layer3: Sequential
  var layer4: Sequential
  var classifier: Linear

  public static var fields: [Field<Self>] {
    [
      .init("stem", \.stem), .init("layer1", \.layer1), .init("layer2", \.layer2), .init("layer3", \.layer3),
      .init("layer4", \.layer4), .init("fc", \.classifier),
    ]
  }

  /// - Parameters:
  ///   - blocks: how many blocks each of the four stages has.
  ///   - width: channels of the stem.
  ///   - stageWidth: channels of the first stage; each stage doubles them. `width` unless given.
  public init(
    blocks: [Int] = [2, 2, 2, 2], width: Int = 64, stageWidth: Int? = nil, channels: Int = 3, classes: Int = 400
  ) {
    var inside = width
    func stage(_ index: Int) -> Sequential {
      let out = (stageWidth ?? width) << index
      return Sequential(
        (0..<blocks[index]).map { block in
          defer { inside = out }
          return Block(in: inside, out: out, stride: block == 0 && index > 0 ? 2 : 1)
        })
    }
    stem = Sequential(
      Conv3D(
        in: channels, out: width, kernel: [3, 7, 7], stride: [1, 2, 2], padding: [1, 3, 3], bias: false,
        initializer: .normalFanOut), BatchNorm(width), Activation(.relu))
    layer1 = stage(0)
    layer2 = stage(1)
    layer3 = stage(2)
    layer4 = stage(3)
    classifier = Linear(in: inside, out: classes)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    classifier(GlobalAveragePool()(layer4(layer3(layer2(layer1(stem(x)))))))
  }

  static let architectures = [
    Architecture(
      "r3d_18", "residual network with 18 layers for clips", year: 2017, paper: "Tran et al., 2018", classes: 400,
      imageSize: [16, 112, 112], minimumImageSize: 8
    ) { VideoResNet(channels: $0.channels, classes: $0.classes) }
  ]

  /// Two 3x3x3 convolutions around which a shortcut leads.
  struct Block: Layer {
    var conv1: Sequential
    var conv2: Sequential
    var shortcut: Sequential?

    static var fields: [Field<Self>] {
      [.init("conv1", \.conv1), .init("conv2", \.conv2), .init("downsample", \.shortcut)]
    }

    init(in inChannels: Int, out: Int, stride: Int) {
      func conv(_ inside: Int, kernel: Int, stride: Int) -> Conv3D {
        Conv3D(
          in: inside, out: out, kernel: Extents(kernel), stride: Extents(stride), padding: Extents(kernel / 2),
          bias: false, initializer: .normalFanOut)
      }
      conv1 = Sequential(conv(inChannels, kernel: 3, stride: stride), BatchNorm(out), Activation(.relu))
      conv2 = Sequential(conv(out, kernel: 3, stride: 1), BatchNorm(out))
      if stride != 1 || inChannels != out {
        shortcut = Sequential(conv(inChannels, kernel: 1, stride: stride), BatchNorm(out))
      }
    }

    func callAsFunction(_ x: Tensor) -> Tensor { relu(conv2(conv1(x)) + (shortcut?(x) ?? x)) }
  }
}

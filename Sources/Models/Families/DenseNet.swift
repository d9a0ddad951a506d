public import Layers

/// Every layer of a block sees the maps of all before it; with torchvision's names.
///
/// Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", 2017. DenseNet-121 has
/// 7,978,856 parameters.
public struct DenseNet: Layer {
  var features: Sequential
  var classifier: Linear

  public static var fields: [Field<Self>] { [.init("features", \.features), .init("classifier", \.classifier)] }

  /// - Parameters:
  ///   - blocks: how many layers each block has.
  ///   - growth: maps that each layer adds.
  ///   - width: channels of the stem.
  public init(blocks: [Int], growth: Int = 32, width: Int = 64, channels: Int = 3, classes: Int = 1000) {
    var layers: NamedLayers = [
      ("conv0", Self.conv(in: channels, out: width, kernel: 7, stride: 2)), ("norm0", BatchNorm(width)),
      ("relu0", Activation(.relu)), ("pool0", MaxPool2D(kernel: 3, stride: 2, padding: 1)),
    ]
    var inside = width
    for (index, count) in blocks.enumerated() {
      let block: NamedLayers = (0..<count).map { layer in
        ("denselayer\(layer + 1)", DenseLayer(in: inside + layer * growth, growth: growth))
      }
      layers.append(("denseblock\(index + 1)", Sequential(named: block)))
      inside += count * growth
      guard index < blocks.count - 1 else { break }
      let transition: NamedLayers = [
        ("norm", BatchNorm(inside)), ("relu", Activation(.relu)),
        ("conv", Self.conv(in: inside, out: inside / 2, kernel: 1)), ("pool", AveragePool2D(kernel: 2)),
      ]
      layers.append(("transition\(index + 1)", Sequential(named: transition)))
      inside /= 2
    }
    layers.append(("norm5", BatchNorm(inside)))
    features = Sequential(named: layers)
    classifier = Linear(in: inside, out: classes)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { classifier(GlobalAveragePool()(relu(features(x)))) }

  private static func conv(in inChannels: Int, out: Int, kernel: Int, stride: Int = 1) -> Conv2D {
    Conv2D(
      in: inChannels, out: out, kernel: Extents(kernel), stride: Extents(stride), padding: Extents(kernel / 2),
      bias: false, initializer: .normalFanIn)
  }

  private static let depths = [(121, [6, 12, 24, 16]), (169, [6, 12, 32, 32]), (201, [6, 12, 48, 32])]

  static let architectures = depths.map { depth, blocks in
    Architecture(
      "densenet\(depth)", "densely connected network with \(depth) layers", year: 2016, paper: "Huang et al., 2017",
      minimumImageSize: 32
    ) { DenseNet(blocks: blocks, channels: $0.channels, classes: $0.classes) }
  }

  /// A 1x1 and a 3x3 convolution, each behind batch norm and ReLU; their maps are appended to the input's.
  struct DenseLayer: Layer {
    var norm1: BatchNorm
    var conv1: Conv2D
    var norm2: BatchNorm
    var conv2: Conv2D

    static var fields: [Field<Self>] {
      [.init("norm1", \.norm1), .init("conv1", \.conv1), .init("norm2", \.norm2), .init("conv2", \.conv2)]
    }

    init(in inChannels: Int, growth: Int) {
      norm1 = BatchNorm(inChannels)
      conv1 = DenseNet.conv(in: inChannels, out: 4 * growth, kernel: 1)
      norm2 = BatchNorm(4 * growth)
      conv2 = DenseNet.conv(in: 4 * growth, out: growth, kernel: 3)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      concatenate([x, conv2(relu(norm2(conv1(relu(norm1(x))))))])
    }
  }
}

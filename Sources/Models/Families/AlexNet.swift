public import Layers

/// The network that won ImageNet's challenge of 2012, in two forms.
///
/// Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012; and
/// Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014. It has eight layers that learn,
/// five convolutions and three linear ones; the course's table, which prints AlexNet(7) and LeNet(8), seems to have
/// exchanged two numbers. The names are torchvision's.
public struct AlexNet: Layer {
  var features: Sequential
  var classifier: Sequential

  public static var fields: [Field<Self>] { [.init("features", \.features), .init("classifier", \.classifier)] }

  public enum Form: Sendable {
    /// The original: halves of some convolutions see half of the maps (they lay on two GPUs), and local response
    /// normalisation; 60,965,224 parameters. Images of the size that the paper gives, 224, do not fit its arithmetic;
    /// 227 do.
    case grouped
    /// One column without normalisation, as in torchvision; 61,100,840 parameters.
    case oneColumn
  }

  /// - Parameter width: scales numbers of channels and hidden units.
  public init(
    _ form: Form, width: Double = 1, channels: Int = 3, classes: Int = 1000, dropout: Double = 0.5
  ) {
    func scaled(_ count: Int) -> Int { Int(Double(count) * width) }
    func conv(_ inside: Int, _ out: Int, _ kernel: Int, stride: Int = 1, padding: Int, groups: Int = 1) -> Conv2D {
      Conv2D(
        in: inside, out: out, kernel: Extents(kernel), stride: Extents(stride), padding: Extents(padding),
        groups: groups, initializer: .normalFanIn)
    }
    let pool = MaxPool2D(kernel: 3, stride: 2)
    let isGrouped = form == .grouped
    let groups = isGrouped ? 2 : 1
    let widths = (isGrouped ? [96, 256, 384, 384, 256] : [64, 192, 384, 256, 256]).map(scaled)
    // The paper does not divide alpha by the number of channels, PyTorch's layer does.
    let norm: [any Layer] = isGrouped ? [LocalResponseNorm(size: 5, alpha: 5e-4, beta: 0.75, k: 2)] : []
    var layers: [any Layer] = [
      conv(channels, widths[0], 11, stride: 4, padding: isGrouped ? 0 : 2), Activation(.relu),
    ]
    layers += norm + [pool, conv(widths[0], widths[1], 5, padding: 2, groups: groups), Activation(.relu)]
    layers += norm + [pool, conv(widths[1], widths[2], 3, padding: 1), Activation(.relu)]
    layers += [
      conv(widths[2], widths[3], 3, padding: 1, groups: groups), Activation(.relu),
      conv(widths[3], widths[4], 3, padding: 1, groups: groups), Activation(.relu), pool,
    ]
    features = Sequential(layers)
    classifier = Self.classifier(in: widths[4], hidden: scaled(4096), classes: classes, dropout: dropout)
  }

  /// Two hidden layers with dropout on 6x6 maps of so many channels: what AlexNet and ZFNet end in.
  static func classifier(in channels: Int, hidden: Int, classes: Int, dropout: Double) -> Sequential {
    Sequential(
      Dropout(rate: dropout), Linear(in: 36 * channels, out: hidden), Activation(.relu), Dropout(rate: dropout),
      Linear(in: hidden, out: hidden), Activation(.relu), Linear(in: hidden, out: classes))
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { classifier(Self.sixBySix(features(x)).flattened()) }

  /// Maps of any size as the classifier takes them.
  static func sixBySix(_ maps: Tensor) -> Tensor {
    maps.shape.spatial == [6, 6] ? maps : AdaptiveAveragePool2D(output: 6)(maps)
  }

  static let architectures = [
    Architecture(
      "alexnet", "AlexNet in one column", year: 2012, paper: "Krizhevsky, 2014", topFiveError: 15.3,
      minimumImageSize: 63, learningRateFactor: 0.1
    ) { AlexNet(.oneColumn, channels: $0.channels, classes: $0.classes) },
    Architecture(
      "alexnet_grouped", "AlexNet as published, with groups and local response normalisation", year: 2012,
      paper: "Krizhevsky et al., 2012", topFiveError: 15.3, imageSize: [227, 227], minimumImageSize: 67,
      learningRateFactor: 0.1
    ) { AlexNet(.grouped, channels: $0.channels, classes: $0.classes) },
  ]
}

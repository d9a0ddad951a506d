public import Layers

/// Stacks of 3x3 convolutions with pooling between, and three large linear layers; with torchvision's names.
///
/// Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015. VGG-16 has
/// 138,357,544 parameters, VGG-19 143,667,240. The number of channels doubles after each pooling, as the course says, but
/// only up to 512: the last stage has 512 as the one before.
public struct VGG: Layer {
  var features: Sequential
  var classifier: Sequential

  public static var fields: [Field<Self>] { [.init("features", \.features), .init("classifier", \.classifier)] }

  /// - Parameters:
  ///   - blocks: numbers of convolutions between poolings.
  ///   - width: channels of the first block; they double up to eight times that.
  ///   - hidden: units of the two hidden linear layers.
  public init(
    blocks: [Int], isNormalized: Bool = false, width: Int = 64, hidden: Int = 4096, channels: Int = 3,
    classes: Int = 1000, dropout: Double = 0.5
  ) {
    var layers: [any Layer] = []
    var inside = channels
    for (index, count) in blocks.enumerated() {
      let out = width << min(index, 3)
      for _ in 0..<count {
        layers.append(Conv2D(in: inside, out: out, kernel: 3, padding: 1, initializer: .normalFanOut))
        if isNormalized { layers.append(BatchNorm(out)) }
        layers.append(Activation(.relu))
        inside = out
      }
      layers.append(MaxPool2D(kernel: 2))
    }
    features = Sequential(layers)
    let normal = Initializer.normal(deviation: 0.01)
    classifier = Sequential(
      Linear(in: 49 * inside, out: hidden, initializer: normal), Activation(.relu), Dropout(rate: dropout),
      Linear(in: hidden, out: hidden, initializer: normal), Activation(.relu), Dropout(rate: dropout),
      Linear(in: hidden, out: classes, initializer: normal))
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    var maps = features(x)
    // Images of other sizes than 224 are brought to the map that the linear layers take.
    if maps.shape.spatial != [7, 7] { maps = AdaptiveAveragePool2D(output: 7)(maps) }
    return classifier(maps.flattened())
  }

  private static let depths = [
    (11, [1, 1, 2, 2, 2]), (13, [2, 2, 2, 2, 2]), (16, [2, 2, 3, 3, 3]), (19, [2, 2, 4, 4, 4]),
  ]

  static let architectures = [false, true].flatMap { isNormalized in
    depths.map { depth, blocks in
      Architecture(
        "vgg\(depth)" + (isNormalized ? "_bn" : ""),
        "3x3 convolutions, \(depth) layers" + (isNormalized ? ", with batch norm" : ""), year: 2014,
        paper: "Simonyan and Zisserman, 2015", topFiveError: depth == 16 && !isNormalized ? 7.3 : nil,
        minimumImageSize: 32, learningRateFactor: isNormalized ? 1 : 0.1
      ) { VGG(blocks: blocks, isNormalized: isNormalized, channels: $0.channels, classes: $0.classes) }
    }
  }
}

public import Layers

/// The network with which Zeiler and Fergus showed what filters see ("Visualizing and understanding convolutional
/// networks", 2014): AlexNet with a finer first layer and no groups.
///
/// Its 62,357,608 parameters follow from figure 3 of the paper, weights and biases:
/// ```
/// conv1  7x7/2,   3 ->  96    96 *   3 * 49 +  96 =     14,208    224 -> 110, pooled to 55
/// conv2  5x5/2,  96 -> 256   256 *  96 * 25 + 256 =    614,656     55 ->  26, pooled to 13
/// conv3  3x3,   256 -> 384   384 * 256 *  9 + 384 =    885,120
/// conv4  3x3,   384 -> 384   384 * 384 *  9 + 384 =  1,327,488
/// conv5  3x3,   384 -> 256   256 * 384 *  9 + 256 =    884,992     13, pooled to 6
/// fc6    9216 -> 4096                             = 37,752,832
/// fc7    4096 -> 4096                             = 16,781,312
/// fc8    4096 -> 1000                             =  4,097,000
/// ```
/// The 14.8 % that the course's table prints for it as the winner of 2013 are, by other accounts, those of this network;
/// the winner was Clarifai, with 11.7 %.
public struct ZFNet: Layer {
  var features: Sequential
  var classifier: Sequential

  public static var fields: [Field<Self>] { [.init("features", \.features), .init("classifier", \.classifier)] }

  /// - Parameter width: scales numbers of channels and hidden units.
  public init(width: Double = 1, channels: Int = 3, classes: Int = 1000, dropout: Double = 0.5) {
    let widths = [96, 256, 384, 384, 256, 4096].map { Int(Double($0) * width) }
    func conv(_ inside: Int, _ out: Int, _ kernel: Int, stride: Int = 1, padding: Int) -> Conv2D {
      Conv2D(
        in: inside, out: out, kernel: Extents(kernel), stride: Extents(stride), padding: Extents(padding),
        initializer: .normalFanIn)
    }
    // Rounded up, pooling gives the paper's 55 and 13.
    let pool = MaxPool2D(kernel: 3, stride: 2, roundsUp: true)
    let norm = LocalResponseNorm(size: 5, alpha: 5e-4, beta: 0.75, k: 2)
    features = Sequential(
      conv(channels, widths[0], 7, stride: 2, padding: 1), Activation(.relu), pool, norm,
      conv(widths[0], widths[1], 5, stride: 2, padding: 0), Activation(.relu), pool, norm,
      conv(widths[1], widths[2], 3, padding: 1), Activation(.relu),
      conv(widths[2], widths[3], 3, padding: 1), Activation(.relu),
      conv(widths[3], widths[4], 3, padding: 1), Activation(.relu), pool)
    classifier = AlexNet.classifier(in: widths[4], hidden: widths[5], classes: classes, dropout: dropout)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { classifier(AlexNet.sixBySix(features(x)).flattened()) }

  static let architectures = [
    Architecture(
      "zfnet", "AlexNet with a finer first layer", year: 2013, paper: "Zeiler and Fergus, 2014", topFiveError: 14.8,
      minimumImageSize: 63, learningRateFactor: 0.1
    ) { ZFNet(channels: $0.channels, classes: $0.classes) }
  ]
}

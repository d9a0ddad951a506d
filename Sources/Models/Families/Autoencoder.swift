public import Layers

/// Squeezes pictures through a narrow code and draws them again: strided convolutions down, transposed ones up.
///
/// After Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006, and Masci et al.,
/// "Stacked convolutional auto-encoders", 2011.
public struct Autoencoder: Layer {
  var encoder: Encoder
  var toCode: Linear
  var decoder: Decoder

  public static var fields: [Field<Self>] {
    [.init("encoder", \.encoder), .init("code", \.toCode), .init("decoder", \.decoder)]
  }

  /// - Parameters:
  ///   - code: numbers that a picture becomes.
  ///   - width: channels at half the size; twice as many at a quarter.
  ///   - imageSize: `[height, width]`, multiples of 4; the model takes no other.
  public init(code: Int = 32, width: Int = 32, channels: Int = 1, imageSize: [Int] = [28, 28]) {
    encoder = Encoder(width: width, channels: channels)
    toCode = Linear(in: 2 * width * (imageSize[0] / 4) * (imageSize[1] / 4), out: code)
    decoder = Decoder(code: code, width: width, channels: channels, imageSize: imageSize)
  }

  /// `[N, channels, H, W]` to `[N, code]`.
  public func encode(_ x: Tensor) -> Tensor { toCode(encoder(x).flattened()) }
  /// `[N, code]` to logits of pixels `[N, channels, H, W]`; their sigmoid is the picture.
  public func decode(_ code: Tensor) -> Tensor { decoder(code) }
  public func callAsFunction(_ x: Tensor) -> Tensor { decode(encode(x)) }

  static let architectures = [
    Architecture(
      "autoencoder", "pictures through a code of 32 numbers", year: 2006,
      paper: "after Hinton and Salakhutdinov, 2006", task: .reconstruction, channels: 1, classes: 1,
      imageSize: [28, 28], minimumImageSize: 4, imageSizeStep: 4
    ) { Autoencoder(channels: $0.channels, imageSize: $0.imageSize) }
  ]

  /// Two strided convolutions.
  struct Encoder: Layer {
    var conv1: Conv2D
    var conv2: Conv2D

    static var fields: [Field<Self>] { [.init("conv1", \.conv1), .init("conv2", \.conv2)] }

    init(width: Int, channels: Int) {
      conv1 = Conv2D(in: channels, out: width, kernel: 3, stride: 2, padding: 1, initializer: .normalFanIn)
      conv2 = Conv2D(in: width, out: 2 * width, kernel: 3, stride: 2, padding: 1, initializer: .normalFanIn)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { relu(conv2(relu(conv1(x)))) }
  }

  /// A linear layer and two transposed convolutions.
  struct Decoder: Layer {
    var fromCode: Linear
    var rise1: ConvTransposed2D
    var rise2: ConvTransposed2D
    private let mapShape: [Int]

    static var fields: [Field<Self>] { [.init("code", \.fromCode), .init("up1", \.rise1), .init("up2", \.rise2)] }

    init(code: Int, width: Int, channels: Int, imageSize: [Int]) {
      mapShape = [2 * width] + imageSize.map { $0 / 4 }
      fromCode = Linear(in: code, out: mapShape.reduce(1, *))
      rise1 = ConvTransposed2D(in: 2 * width, out: width, kernel: 4, stride: 2, padding: 1)
      rise2 = ConvTransposed2D(in: width, out: channels, kernel: 4, stride: 2, padding: 1)
    }

    func callAsFunction(_ code: Tensor) -> Tensor {
      let maps = relu(fromCode(code)).reshaped(to: Shape([code.shape[0]] + mapShape))
      return rise2(relu(rise1(maps)))
    }
  }
}

/// An autoencoder whose codes are distributions near the standard normal one, so that random codes give pictures too.
///
/// Kingma and Welling, "Auto-encoding variational Bayes", 2014. Train it on ``loss(of:noise:)``; called as a layer, it
/// decodes the mean.
public struct VariationalAutoencoder: Layer {
  var encoder: Autoencoder.Encoder
  var toMean: Linear
  var toLogVariance: Linear
  var decoder: Autoencoder.Decoder

  public static var fields: [Field<Self>] {
    [
      .init("encoder", \.encoder), .init("mean", \.toMean), .init("log_variance", \.toLogVariance),
      .init("decoder", \.decoder),
    ]
  }

  /// As for ``Autoencoder``.
  public init(code: Int = 16, width: Int = 32, channels: Int = 1, imageSize: [Int] = [28, 28]) {
    encoder = Autoencoder.Encoder(width: width, channels: channels)
    let features = 2 * width * (imageSize[0] / 4) * (imageSize[1] / 4)
    toMean = Linear(in: features, out: code)
    toLogVariance = Linear(in: features, out: code)
    decoder = Autoencoder.Decoder(code: code, width: width, channels: channels, imageSize: imageSize)
  }

  /// `[N, channels, H, W]` to the codes' mean and logarithm of variance, `[N, code]` each.
  public func encode(_ x: Tensor) -> (mean: Tensor, logVariance: Tensor) {
    let features = encoder(x).flattened()
    return (toMean(features), toLogVariance(features))
  }

  /// `[N, code]` to logits of pixels `[N, channels, H, W]`.
  public func decode(_ code: Tensor) -> Tensor { decoder(code) }
  public func callAsFunction(_ x: Tensor) -> Tensor { decode(encode(x).mean) }

  /// Minus the evidence lower bound of a picture, in nats, averaged over the batch.
  ///
  /// - Parameters:
  ///   - x: pictures in 0...1.
  ///   - noise: `[N, code]`, drawn from the standard normal distribution anew in each step.
  public func loss(of x: Tensor, noise: Tensor) -> Tensor {
    let (mean, logVariance) = encode(x)
    let logits = decode(mean + exp(logVariance * 0.5) * noise)
    let pixels = Double(x.shape.dimensions.dropFirst().reduce(1, *))
    let reconstruction = binaryCrossEntropyWithLogits(logits, x) * pixels
    let divergence = (square(mean) + exp(logVariance) - logVariance - 1).sum(along: [1]).mean() * 0.5
    return reconstruction + divergence
  }

  static let architectures = [
    Architecture(
      "vae", "pictures through a distribution of 16 numbers", year: 2013, paper: "Kingma and Welling, 2014",
      task: .reconstruction, channels: 1, classes: 1, imageSize: [28, 28], minimumImageSize: 4, imageSizeStep: 4
    ) { VariationalAutoencoder(channels: $0.channels, imageSize: $0.imageSize) }
  ]
}

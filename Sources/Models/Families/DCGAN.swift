public import Layers

/// Pictures out of random numbers: transposed convolutions from 1x1 to 64x64.
///
/// Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative adversarial
/// networks", 2016; sizes and names are those of PyTorch's example.
public struct DCGANGenerator: Layer {
  var main: Sequential

  public static var fields: [Field<Self>] { [.init("main", \.main)] }

  /// - Parameters:
  ///   - latent: channels of the input.
  ///   - width: channels of the last hidden map; those before have 2, 4 and 8 times as many.
  ///   - colors: channels of the picture.
  public init(latent: Int = 100, width: Int = 64, colors: Int = 3) {
    let normal = Initializer.normal(deviation: 0.02)
    var layers: [any Layer] = []
    var inside = latent
    for (index, out) in [8 * width, 4 * width, 2 * width, width].enumerated() {
      layers.append(
        ConvTransposed2D(
          in: inside, out: out, kernel: 4, stride: index == 0 ? 1 : 2, padding: index == 0 ? 0 : 1, bias: false,
          initializer: normal))
      layers += [BatchNorm(out), Activation(.relu)]
      inside = out
    }
    layers.append(
      ConvTransposed2D(in: inside, out: colors, kernel: 4, stride: 2, padding: 1, bias: false, initializer: normal))
    main = Sequential(layers + [Activation(.tanh)])
  }

  /// `[N, latent, 1, 1]` to `[N, colors, 64, 64]` in -1...1.
  public func callAsFunction(_ x: Tensor) -> Tensor { main(x) }

  static let architectures = [
    Architecture(
      "dcgan_generator", "64x64 pictures out of 100 random numbers", year: 2015, paper: "Radford et al., 2016",
      task: .generation, channels: 100, classes: 3, imageSize: [1, 1], minimumImageSize: 1
    ) { DCGANGenerator(latent: $0.channels, colors: $0.classes) }
  ]
}

/// Tells pictures from generated ones: the generator's mirror image.
public struct DCGANDiscriminator: Layer {
  var main: Sequential

  public static var fields: [Field<Self>] { [.init("main", \.main)] }

  public init(width: Int = 64, channels: Int = 3, classes: Int = 1) {
    let normal = Initializer.normal(deviation: 0.02)
    var layers: [any Layer] = []
    var inside = channels
    for (index, out) in [width, 2 * width, 4 * width, 8 * width].enumerated() {
      layers.append(
        Conv2D(in: inside, out: out, kernel: 4, stride: 2, padding: 1, bias: false, initializer: normal))
      if index > 0 { layers.append(BatchNorm(out)) }
      layers.append(Activation(.leakyReLU(slope: 0.2)))
      inside = out
    }
    layers.append(Conv2D(in: inside, out: classes, kernel: 4, bias: false, initializer: normal))
    main = Sequential(layers)
  }

  /// `[N, channels, 64, 64]` to logits `[N, classes, 1, 1]`; larger pictures give a map of them.
  public func callAsFunction(_ x: Tensor) -> Tensor { main(x) }

  static let architectures = [
    Architecture(
      "dcgan_discriminator", "tells 64x64 pictures from generated ones", year: 2015, paper: "Radford et al., 2016",
      task: .discrimination, classes: 1, imageSize: [64, 64], minimumImageSize: 64
    ) { DCGANDiscriminator(channels: $0.channels, classes: $0.classes) }
  ]
}

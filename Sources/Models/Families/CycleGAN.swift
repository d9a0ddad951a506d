public import Layers

/// Redraws a picture in another style: down by strided convolutions, residual blocks at a quarter of the size, up by
/// transposed convolutions. With 9 blocks it has 11,378,179 parameters.
///
/// Zhu, Park, Isola and Efros, "Unpaired image-to-image translation using cycle-consistent adversarial networks", 2017,
/// after Johnson et al., 2016; names and details are the authors'.
public struct CycleGANGenerator: Layer {
  var model: Sequential

  public static var fields: [Field<Self>] { [.init("model", \.model)] }

  /// - Parameters:
  ///   - blocks: residual blocks: 9 for 256x256, 6 for 128x128.
  ///   - width: channels at full size.
  public init(blocks: Int = 9, width: Int = 64, channels: Int = 3, colors: Int = 3) {
    let normal = Initializer.normal(deviation: 0.02)
    var layers: [any Layer] = []
    /// The authors' lists count paddings and activations; borders take no place here.
    var names: [Int] = []
    func add(_ layer: any Layer, _ name: Int) {
      layers.append(layer)
      names.append(name)
    }
    func conv(_ inside: Int, _ out: Int, _ kernel: Int, stride: Int = 1, borders: Borders = .zeros) -> Conv2D {
      Conv2D(
        in: inside, out: out, kernel: Extents(kernel), stride: Extents(stride), padding: Extents(kernel / 2),
        borders: borders, initializer: normal)
    }
    func addNorm(_ channels: Int, _ name: Int) {
      add(InstanceNorm(channels), name)
      add(Activation(.relu), name + 1)
    }
    add(conv(channels, width, 7, borders: .reflect), 1)
    addNorm(width, 2)
    add(conv(width, 2 * width, 3, stride: 2), 4)
    addNorm(2 * width, 5)
    add(conv(2 * width, 4 * width, 3, stride: 2), 7)
    addNorm(4 * width, 8)
    for block in 0..<blocks {
      let branch = Sequential(named: [
        ("1", conv(4 * width, 4 * width, 3, borders: .reflect)), ("2", InstanceNorm(4 * width)),
        ("3", Activation(.relu)), ("5", conv(4 * width, 4 * width, 3, borders: .reflect)),
        ("6", InstanceNorm(4 * width)),
      ])
      add(Residual(branch: Sequential(named: [("conv_block", branch)])), 10 + block)
    }
    for (index, out) in [2 * width, width].enumerated() {
      let name = 10 + blocks + 3 * index
      add(
        ConvTransposed2D(
          in: 2 * out, out: out, kernel: 3, stride: 2, padding: 1, outputPadding: 1, initializer: normal), name)
      addNorm(out, name + 1)
    }
    add(conv(width, colors, 7, borders: .reflect), 17 + blocks)
    add(Activation(.tanh), 18 + blocks)
    model = Sequential(named: zip(names, layers).map { (String($0), $1) })
  }

  /// `[N, channels, H, W]` to `[N, colors, H, W]` in -1...1; `H` and `W` are multiples of 4.
  public func callAsFunction(_ x: Tensor) -> Tensor { model(x) }

  static let architectures = [
    Architecture(
      "cyclegan_generator", "redraws pictures in another style", year: 2017, paper: "Zhu et al., 2017",
      task: .translation, classes: 3, imageSize: [256, 256], minimumImageSize: 16, imageSizeStep: 4
    ) { CycleGANGenerator(channels: $0.channels, colors: $0.classes) }
  ]
}

/// Judges overlapping patches of 70x70 pixels instead of the picture; 2,764,737 parameters.
///
/// Isola, Zhu, Zhou and Efros, "Image-to-image translation with conditional adversarial networks", 2017.
public struct PatchGAN: Layer {
  var model: Sequential

  public static var fields: [Field<Self>] { [.init("model", \.model)] }

  public init(width: Int = 64, channels: Int = 3, classes: Int = 1) {
    var layers: [any Layer] = []
    func addConv(_ inside: Int, _ out: Int, stride: Int) {
      layers.append(
        Conv2D(
          in: inside, out: out, kernel: 4, stride: Extents(stride), padding: 1, initializer: .normal(deviation: 0.02)))
    }
    addConv(channels, width, stride: 2)
    layers.append(Activation(.leakyReLU(slope: 0.2)))
    for (index, stride) in [2, 2, 1].enumerated() {
      addConv(width << index, width << (index + 1), stride: stride)
      layers += [InstanceNorm(width << (index + 1)), Activation(.leakyReLU(slope: 0.2))]
    }
    addConv(8 * width, classes, stride: 1)
    model = Sequential(layers)
  }

  /// `[N, channels, H, W]` to logits `[N, classes, H', W']`, one for each patch: 30x30 of 256x256.
  public func callAsFunction(_ x: Tensor) -> Tensor { model(x) }

  static let architectures = [
    Architecture(
      "patchgan", "tells 70x70 patches from generated ones", year: 2016, paper: "Isola et al., 2017",
      task: .discrimination, classes: 1, imageSize: [256, 256], minimumImageSize: 32
    ) { PatchGAN(channels: $0.channels, classes: $0.classes) }
  ]
}

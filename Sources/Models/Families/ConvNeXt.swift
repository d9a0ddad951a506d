public import Layers

/// A residual network brought up to date with what was learned from transformers: 7x7 depthwise convolutions, layer
/// norm, GELU, few activations; with torchvision's names.
///
/// Liu et al., "A ConvNet for the 2020s", 2022. Tiny 28,589,128, small 50,223,688, base 88,591,464, large 197,767,336
/// parameters.
public struct ConvNeXt: Layer {
  var features: Sequential
  var classifier: Sequential

  public static var fields: [Field<Self>] { [.init("features", \.features), .init("classifier", \.classifier)] }

  /// - Parameters:
  ///   - widths: channels of each stage.
  ///   - blocks: how many blocks each stage has.
  ///   - stochasticDepth: the rate at which the last block's branch is dropped in training; it grows linearly from 0.
  ///   - layerScale: what branches are multiplied by at first.
  public init(
    widths: [Int], blocks: [Int], channels: Int = 3, classes: Int = 1000, stochasticDepth: Double = 0.1,
    layerScale: Float = 1e-6
  ) {
    let normal = Initializer.normal(deviation: 0.02)
    var layers: [any Layer] = [
      Sequential(
        Conv2D(in: channels, out: widths[0], kernel: 4, stride: 4, initializer: normal), LayerNorm(channels: widths[0]))
    ]
    let total = blocks.reduce(0, +)
    var count = 0
    for (index, width) in widths.enumerated() {
      if index > 0 {
        layers.append(
          Sequential(
            LayerNorm(channels: widths[index - 1]),
            Conv2D(in: widths[index - 1], out: width, kernel: 2, stride: 2, initializer: normal)))
      }
      layers.append(
        Sequential(
          (0..<blocks[index]).map { _ in
            defer { count += 1 }
            return Block(
              width, scale: layerScale, dropRate: stochasticDepth * Double(count) / Double(max(1, total - 1)))
          }))
    }
    features = Sequential(layers)
    let last = widths[widths.count - 1]
    classifier = Sequential(
      LayerNorm(channels: last), Flatten(), Linear(in: last, out: classes, initializer: normal))
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { classifier(GlobalAveragePool()(features(x))) }

  private static let sizes: [(name: String, widths: [Int], blocks: [Int], dropRate: Double)] = [
    ("tiny", [96, 192, 384, 768], [3, 3, 9, 3], 0.1), ("small", [96, 192, 384, 768], [3, 3, 27, 3], 0.4),
    ("base", [128, 256, 512, 1024], [3, 3, 27, 3], 0.5), ("large", [192, 384, 768, 1536], [3, 3, 27, 3], 0.5),
  ]

  static let architectures = sizes.map { size in
    Architecture(
      "convnext_\(size.name)", "ConvNet for the 2020s, \(size.name)", year: 2022, paper: "Liu et al., 2022",
      minimumImageSize: 32
    ) {
      ConvNeXt(
        widths: size.widths, blocks: size.blocks, channels: $0.channels, classes: $0.classes,
        stochasticDepth: size.dropRate)
    }
  }

  /// `x + scale * F(x)`.
  struct Block: Layer {
    var branch: Sequential
    /// `[C, 1, 1]`.
    var scale: Tensor
    private let dropRate: Double

    static var fields: [Field<Self>] { [.init("block", \.branch), .init("layer_scale", \.scale, kind: .vector)] }

    init(_ width: Int, scale: Float, dropRate: Double) {
      let normal = Initializer.normal(deviation: 0.02)
      // Named as in torchvision, which also counts the layers that exchange axes.
      branch = Sequential(named: [
        ("0", Conv2D(in: width, out: width, kernel: 7, padding: 3, groups: width, initializer: normal)),
        ("2", LayerNorm(channels: width)), ("3", ChannelLinear(in: width, out: 4 * width, initializer: normal)),
        ("4", Activation(.gelu)), ("5", ChannelLinear(in: 4 * width, out: width, initializer: normal)),
      ])
      self.scale = .filled(with: scale, [width, 1, 1])
      self.dropRate = dropRate
    }

    func callAsFunction(_ x: Tensor) -> Tensor { x + StochasticDepth(rate: dropRate)(branch(x) * scale) }
  }

  /// A linear layer on the channels of each position of `[N, C, H, W]`, computed as a 1x1 convolution.
  struct ChannelLinear: Layer {
    var linear: Linear

    init(in inChannels: Int, out: Int, initializer: Initializer) {
      linear = Linear(in: inChannels, out: out, initializer: initializer)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      let weight = linear.weight
      let attributes = ConvAttributes(
        stride: [1, 1], dilation: [1, 1], paddingBefore: [0, 0], paddingAfter: [0, 0], groups: 1, hasBias: true)
      return apply(
        .conv(attributes), [x, weight.reshaped(to: [weight.shape[0], weight.shape[1], 1, 1]), linear.bias!])[0]
    }

    mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws {
      try linear.visitParameters(at: path, visit)
    }
  }
}

public import Layers

/// Inverted residuals: narrow maps between blocks, wide depthwise convolutions inside; with torchvision's names.
///
/// Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018. 3,504,872 parameters.
public struct MobileNetV2: Layer {
  var features: Sequential
  var classifier: Sequential

  public static var fields: [Field<Self>] { [.init("features", \.features), .init("classifier", \.classifier)] }

  /// Some blocks of one width; the first may take a stride.
  public struct Stage: Hashable, Sendable {
    /// How many times wider the inside of a block is than its input.
    public var expansion: Int
    public var channels, blocks, stride: Int

    public init(expansion: Int, channels: Int, blocks: Int, stride: Int) {
      (self.expansion, self.channels, self.blocks, self.stride) = (expansion, channels, blocks, stride)
    }
  }

  /// Table 2 of the paper.
  public static let stages = [
    Stage(expansion: 1, channels: 16, blocks: 1, stride: 1), Stage(expansion: 6, channels: 24, blocks: 2, stride: 2),
    Stage(expansion: 6, channels: 32, blocks: 3, stride: 2), Stage(expansion: 6, channels: 64, blocks: 4, stride: 2),
    Stage(expansion: 6, channels: 96, blocks: 3, stride: 1), Stage(expansion: 6, channels: 160, blocks: 3, stride: 2),
    Stage(expansion: 6, channels: 320, blocks: 1, stride: 1),
  ]

  /// - Parameter width: scales all numbers of channels; that of the last feature map only upwards.
  public init(
    width: Double = 1, stages: [Stage] = MobileNetV2.stages, channels: Int = 3, classes: Int = 1000,
    dropout: Double = 0.2
  ) {
    var inside = scaledChannels(32, by: width)
    var layers: [any Layer] = [
      Sequential.convNorm(in: channels, out: inside, kernel: 3, stride: 2, activation: .relu6)
    ]
    for stage in stages {
      let out = scaledChannels(stage.channels, by: width)
      for block in 0..<stage.blocks {
        layers.append(
          Self.block(in: inside, out: out, stride: block == 0 ? stage.stride : 1, expansion: stage.expansion))
        inside = out
      }
    }
    let last = scaledChannels(1280, by: max(1, width))
    layers.append(Sequential.convNorm(in: inside, out: last, kernel: 1, activation: .relu6))
    features = Sequential(layers)
    classifier = Sequential(
      Dropout(rate: dropout), Linear(in: last, out: classes, initializer: .normal(deviation: 0.01)))
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { classifier(GlobalAveragePool()(features(x))) }

  private static func block(in inChannels: Int, out: Int, stride: Int, expansion: Int) -> any Layer {
    let hidden = inChannels * expansion
    var layers: [any Layer] = []
    if expansion != 1 {
      layers.append(Sequential.convNorm(in: inChannels, out: hidden, kernel: 1, activation: .relu6))
    }
    layers += [
      Sequential.convNorm(in: hidden, out: hidden, kernel: 3, stride: stride, groups: hidden, activation: .relu6),
      Conv2D.resNet(in: hidden, out: out, kernel: 1), BatchNorm(out),
    ]
    let branch = Sequential(named: [("conv", Sequential(layers))])
    return stride == 1 && inChannels == out ? Residual(branch: branch) : branch
  }

  static let architectures = [
    Architecture(
      "mobilenet_v2", "inverted residuals, for phones", year: 2018, paper: "Sandler et al., 2018",
      minimumImageSize: 32
    ) { MobileNetV2(channels: $0.channels, classes: $0.classes) }
  ]
}

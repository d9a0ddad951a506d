public import Layers

/// EfficientNets without squeeze-and-excitation and with ReLU6, so that they quantise well; with timm's names.
///
/// Tan and Le, "EfficientNet: rethinking model scaling", 2019, and Google's TPU repository for the Lite form: TensorFlow's
/// SAME padding, batch norm with an epsilon of 1e-3, and a stem, a head and numbers of blocks in the first and last stage
/// that do not scale.
public struct EfficientNetLite: Layer {
  var stem: Conv2D
  var stemNorm: BatchNorm
  /// Stages of blocks.
  var blocks: Sequential
  var head: Conv2D
  var headNorm: BatchNorm
  var classifier: Linear
  let dropout: Double

  public static var fields: [Field<Self>] {
    [
      .init("conv_stem", \.stem), .init("bn1", \.stemNorm), .init("blocks", \.blocks), .init("conv_head", \.head),
      .init("bn2", \.headNorm), .init("classifier", \.classifier),
    ]
  }

  /// - Parameters:
  ///   - width: scales numbers of channels.
  ///   - depth: scales numbers of blocks, rounded up.
  public init(width: Double, depth: Double, channels: Int = 3, classes: Int = 1000, dropout: Double = 0.2) {
    let table: [(expansion: Int, channels: Int, blocks: Int, kernel: Int, stride: Int)] = [
      (1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2), (6, 112, 3, 5, 1), (6, 192, 4, 5, 2),
      (6, 320, 1, 3, 1),
    ]
    var inside = 32
    stem = Self.conv(in: channels, out: inside, kernel: 3, stride: 2)
    stemNorm = Self.norm(inside)
    blocks = Sequential(
      table.enumerated().map { index, stage in
        let isScaled = index > 0 && index < table.count - 1
        let count = isScaled ? Int((Double(stage.blocks) * depth).rounded(.up)) : stage.blocks
        return Sequential(
          (0..<count).map { block -> any Layer in
            let out = scaledChannels(stage.channels, by: width)
            defer { inside = out }
            return Self.block(
              in: inside, out: out, kernel: stage.kernel, stride: block == 0 ? stage.stride : 1,
              expansion: stage.expansion)
          })
      })
    head = Self.conv(in: inside, out: 1280, kernel: 1)
    headNorm = Self.norm(1280)
    classifier = Linear(in: 1280, out: classes)
    self.dropout = dropout
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let features = relu6(headNorm(head(blocks(relu6(stemNorm(stem(x)))))))
    return classifier(Dropout(rate: dropout)(GlobalAveragePool()(features)))
  }

  private static func conv(in inChannels: Int, out: Int, kernel: Int, stride: Int = 1, groups: Int = 1) -> Conv2D {
    Conv2D(
      in: inChannels, out: out, kernel: Extents(kernel), stride: Extents(stride), padding: .sameUpper, groups: groups,
      bias: false, initializer: .normalFanOut)
  }

  private static func norm(_ channels: Int) -> BatchNorm { BatchNorm(channels, epsilon: 1e-3) }

  private static func block(in inChannels: Int, out: Int, kernel: Int, stride: Int, expansion: Int) -> any Layer {
    let hidden = inChannels * expansion
    let depthwise = conv(in: hidden, out: hidden, kernel: kernel, stride: stride, groups: hidden)
    let project = conv(in: hidden, out: out, kernel: 1)
    let layers: NamedLayers =
      if expansion == 1 {
        [
          ("conv_dw", depthwise), ("bn1", norm(hidden)), ("act1", Activation(.relu6)), ("conv_pw", project),
          ("bn2", norm(out)),
        ]
      } else {
        [
          ("conv_pw", conv(in: inChannels, out: hidden, kernel: 1)), ("bn1", norm(hidden)),
          ("act1", Activation(.relu6)), ("conv_dw", depthwise), ("bn2", norm(hidden)), ("act2", Activation(.relu6)),
          ("conv_pwl", project), ("bn3", norm(out)),
        ]
      }
    let branch = Sequential(named: layers)
    return stride == 1 && inChannels == out ? Residual(branch: branch) : branch
  }

  private static let levels: [(width: Double, depth: Double, side: Int, dropout: Double)] = [
    (1.0, 1.0, 224, 0.2), (1.0, 1.1, 240, 0.2), (1.1, 1.2, 260, 0.3), (1.2, 1.4, 280, 0.3), (1.4, 1.8, 300, 0.3),
  ]

  static let architectures = levels.enumerated().map { level, scale in
    Architecture(
      "efficientnet_lite\(level)", "EfficientNet for integers, level \(level)", year: 2020,
      paper: "Tan and Le, 2019", imageSize: [scale.side, scale.side], minimumImageSize: 32
    ) {
      EfficientNetLite(
        width: scale.width, depth: scale.depth, channels: $0.channels, classes: $0.classes, dropout: scale.dropout)
    }
  }
}

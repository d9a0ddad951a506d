public import Layers

/// A residual network for time series `[N, channels, length]` of any length.
///
/// Wang, Yan and Oates, "Time series classification from scratch with deep neural networks: a strong baseline", 2017:
/// three blocks of convolutions with kernels of 8, 5 and 3, and the mean over time.
public struct TimeSeriesResNet: Layer {
  var blocks: [Block]
  var classifier: Linear

  public static var fields: [Field<Self>] { [.init("blocks", \.blocks), .init("fc", \.classifier)] }

  /// - Parameter width: channels of the first block; the others have twice as many.
  public init(width: Int = 64, channels: Int = 1, classes: Int = 2) {
    let widths = [channels, width, 2 * width, 2 * width]
    blocks = (0..<3).map { Block(in: widths[$0], out: widths[$0 + 1]) }
    classifier = Linear(in: 2 * width, out: classes)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    classifier(GlobalAveragePool()(blocks.reduce(x) { $1($0) }))
  }

  static let architectures = [
    Architecture(
      "resnet_1d", "residual network for time series", year: 2016, paper: "Wang et al., 2017", channels: 1,
      classes: 2, imageSize: [150], minimumImageSize: 1
    ) { TimeSeriesResNet(channels: $0.channels, classes: $0.classes) }
  ]

  struct Block: Layer {
    var conv1: Conv1D
    var norm1: BatchNorm
    var conv2: Conv1D
    var norm2: BatchNorm
    var conv3: Conv1D
    var norm3: BatchNorm
    /// Batch norm, of a 1x1 convolution where the numbers of channels differ.
    var shortcut: Sequential

    static var fields: [Field<Self>] {
      [
        .init("conv1", \.conv1), .init("bn1", \.norm1), .init("conv2", \.conv2), .init("bn2", \.norm2),
        .init("conv3", \.conv3), .init("bn3", \.norm3), .init("shortcut", \.shortcut),
      ]
    }

    init(in inChannels: Int, out: Int) {
      func conv(_ inside: Int, _ kernel: Int) -> Conv1D {
        Conv1D(in: inside, out: out, kernel: Extents(kernel), padding: .same, initializer: .normalFanIn)
      }
      (conv1, conv2, conv3) = (conv(inChannels, 8), conv(out, 5), conv(out, 3))
      (norm1, norm2, norm3) = (BatchNorm(out), BatchNorm(out), BatchNorm(out))
      shortcut = inChannels == out ? Sequential(BatchNorm(out)) : Sequential(conv(inChannels, 1), BatchNorm(out))
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      relu(norm3(conv3(relu(norm2(conv2(relu(norm1(conv1(x)))))))) + shortcut(x))
    }
  }
}

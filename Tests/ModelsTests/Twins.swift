import Data
import Layers
import Models
import Testing

/// A scaled-down member of a family of classifiers, and how the embedded pictures become its inputs.
struct Twin: CustomTestStringConvertible {
  /// The architecture that it is a twin of.
  var name: String
  var form: Form
  /// Passes over the 6,000 embedded pictures after which it should know them.
  var epochs = 8
  var make: @Sendable () -> any Layer

  /// What a 28x28 picture becomes.
  enum Form: Sendable {
    case picture
    /// With a black border, up to so many pixels a side.
    case bordered(Int)
    /// Twice as large, with a border.
    case doubled(Int)
    /// 28 channels, one for each row, along the columns.
    case series
    /// Of half the size, wandering to the right, in so many frames of 16x16.
    case clip(frames: Int)
  }

  var testDescription: String { name }

  static let all: [Twin] = [
    .init(name: "perceptron", form: .picture) { Perceptron(hidden: 128, classes: 10, imageSize: [28, 28]) },
    .init(name: "lenet_1998", form: .bordered(32), epochs: 16) { LeNet1998(.radialBasis) },
    .init(name: "lenet_1998_linear", form: .bordered(32), epochs: 16) { LeNet1998(.linear) },
    .init(name: "lenet", form: .bordered(32), epochs: 16) { LeNet() },
    .init(name: "alexnet", form: .doubled(68), epochs: 16) {
      AlexNet(.oneColumn, width: 0.25, channels: 1, classes: 10, dropout: 0.2)
    },
    .init(name: "alexnet_grouped", form: .doubled(68), epochs: 16) {
      AlexNet(.grouped, width: 0.25, channels: 1, classes: 10, dropout: 0.2)
    },
    .init(name: "zfnet", form: .doubled(68), epochs: 16) { ZFNet(width: 0.25, channels: 1, classes: 10, dropout: 0.2) },
    .init(name: "vgg_small", form: .picture) { VGGSmall() },
    .init(name: "vgg11", form: .bordered(32), epochs: 24) {
      VGG(blocks: [1, 1, 2, 2, 2], width: 16, hidden: 128, channels: 1, classes: 10, dropout: 0.2)
    },
    .init(name: "vgg11_bn", form: .bordered(32)) {
      VGG(
        blocks: [1, 1, 2, 2, 2], isNormalized: true, width: 16, hidden: 128, channels: 1, classes: 10, dropout: 0.2)
    },
    .init(name: "googlenet_aux", form: .doubled(64)) {
      GoogLeNet(.torchvision, hasAuxiliaryHeads: true, width: 0.25, channels: 1, classes: 10)
    },
    .init(name: "googlenet_paper_aux", form: .doubled(64), epochs: 24) {
      GoogLeNet(.paper, hasAuxiliaryHeads: true, width: 0.25, channels: 1, classes: 10)
    },
    .init(name: "resnet18", form: .bordered(32)) {
      ResNet(blocks: [1, 1, 1, 1], width: 32, stageWidth: 16, channels: 1, classes: 10)
    },
    .init(name: "resnet50", form: .bordered(32)) {
      ResNet(blocks: [1, 1, 1, 1], of: .bottleneck, width: 32, stageWidth: 16, channels: 1, classes: 10)
    },
    .init(name: "plain18", form: .bordered(32)) {
      ResNet(blocks: [1, 1, 1, 1], width: 32, stageWidth: 16, hasShortcuts: false, channels: 1, classes: 10)
    },
    .init(name: "resnet20", form: .picture) { CIFARResNet(depth: 8, channels: 1) },
    .init(name: "plain20", form: .picture) { CIFARResNet(depth: 8, hasShortcuts: false, channels: 1) },
    .init(name: "preact_resnet50", form: .bordered(32)) {
      PreActivationResNet(blocks: [1, 1, 1], width: 16, channels: 1, classes: 10)
    },
    .init(name: "preact_resnet164", form: .picture) { CIFARPreActivationResNet(depth: 11, channels: 1) },
    .init(name: "densenet121", form: .bordered(32)) {
      DenseNet(blocks: [2, 3, 3], growth: 16, width: 32, channels: 1, classes: 10)
    },
    .init(name: "mobilenet_v2", form: .bordered(32)) {
      let stages: [MobileNetV2.Stage] = [
        .init(expansion: 1, channels: 16, blocks: 1, stride: 1),
        .init(expansion: 6, channels: 24, blocks: 2, stride: 2),
        .init(expansion: 6, channels: 32, blocks: 2, stride: 2),
      ]
      return MobileNetV2(width: 0.5, stages: stages, channels: 1, classes: 10)
    },
    .init(name: "efficientnet_lite0", form: .doubled(64)) {
      EfficientNetLite(width: 0.25, depth: 0.5, channels: 1, classes: 10)
    },
    .init(name: "convnext_tiny", form: .bordered(32)) {
      ConvNeXt(widths: [32, 64, 128], blocks: [1, 1, 2], channels: 1, classes: 10)
    },
    .init(name: "resnet_1d", form: .series) { TimeSeriesResNet(width: 32, channels: 28, classes: 10) },
    .init(name: "c3d", form: .clip(frames: 16), epochs: 24) {
      C3D(width: 16, hidden: 128, channels: 1, classes: 10, clipSize: [16, 16, 16], dropout: 0.2)
    },
    .init(name: "r3d_18", form: .clip(frames: 8)) {
      VideoResNet(blocks: [1, 1, 1, 1], width: 16, stageWidth: 8, channels: 1, classes: 10)
    },
  ]

  /// A batch of pictures, standardised.
  func input(_ dataset: IDXDataset, _ indices: [Int]) -> Tensor {
    let pixels = indices.flatMap { dataset.pixels(at: $0).map { (Float($0) / 255 - 0.286) / 0.353 } }
    let pictures = Tensor(pixels, shape: [indices.count, 1, 28, 28])
    switch form {
    case .picture: return pictures
    case .bordered(let side): return Self.bordered(pictures, to: side)
    case .doubled(let side):
      return Self.bordered(Resize(by: 2)(pictures), to: side)
    case .series: return pictures.reshaped(to: [indices.count, 28, 28])
    case .clip(let frames):
      let small = AveragePool2D(kernel: 2)(pictures)
      let moments = (0..<frames).map { frame in
        let left = 2 * frame / frames
        return Self.bordered(small, top: 1, left: left, to: 16).reshaped(to: [indices.count, 1, 1, 16, 16])
      }
      return concatenate(moments, along: 2)
    }
  }

  private static func bordered(_ pictures: Tensor, top: Int? = nil, left: Int? = nil, to side: Int) -> Tensor {
    let border = side - pictures.shape[2]
    let (top, left) = (top ?? border / 2, left ?? border / 2)
    // Black, as standardised.
    return (pictures + 0.286 / 0.353).padded(before: [0, 0, top, left], after: [0, 0, border - top, border - left])
      - 0.286 / 0.353
  }
}

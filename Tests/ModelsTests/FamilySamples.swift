import Layers
import Models
import Testing

/// A small member of a family, as `Fixtures/make_families.py` builds it with PyTorch.
struct FamilySample: CustomTestStringConvertible {
  var name: String
  var input: Shape
  /// Without dropout, so that PyTorch's numbers can be repeated.
  var make: @Sendable () -> any Layer

  var testDescription: String { name }

  var isClassifier: Bool {
    ModelRegistry.architectures.contains { $0.name == name && $0.task == .classification }
  }

  static let classes = 5

  static let all: [FamilySample] = [
    .init(name: "perceptron", input: [3, 1, 6, 5]) { Perceptron(classes: classes, imageSize: [6, 5]) },
    .init(name: "lenet_1998", input: [2, 1, 32, 32]) { LeNet1998(.radialBasis, classes: classes) },
    .init(name: "lenet_1998_linear", input: [2, 1, 32, 32]) { LeNet1998(.linear, classes: classes) },
    .init(name: "alexnet", input: [2, 3, 67, 67]) { AlexNet(.oneColumn, width: 0.125, classes: classes, dropout: 0) },
    .init(name: "alexnet_grouped", input: [2, 3, 67, 67]) {
      AlexNet(.grouped, width: 0.125, classes: classes, dropout: 0)
    },
    .init(name: "zfnet", input: [2, 3, 67, 67]) { ZFNet(width: 0.125, classes: classes, dropout: 0) },
    .init(name: "vgg11_bn", input: [3, 3, 32, 32]) {
      VGG(blocks: [1, 1, 2, 2, 2], isNormalized: true, width: 8, hidden: 32, classes: classes, dropout: 0)
    },
    .init(name: "googlenet_aux", input: [4, 3, 64, 64]) {
      GoogLeNet(
        .torchvision, hasAuxiliaryHeads: true, width: 0.125, classes: classes, dropout: 0, auxiliaryDropout: 0)
    },
    .init(name: "googlenet_paper_aux", input: [2, 3, 64, 64]) {
      GoogLeNet(
        .paper, hasAuxiliaryHeads: true, width: 0.125, classes: classes, dropout: 0, auxiliaryDropout: 0)
    },
    .init(name: "resnet50", input: [3, 3, 64, 64]) {
      ResNet(blocks: [1, 2, 1, 1], of: .bottleneck, stageWidth: 8, classes: classes)
    },
    .init(name: "plain18", input: [3, 3, 64, 64]) {
      ResNet(blocks: [1, 1, 1, 1], stageWidth: 8, hasShortcuts: false, classes: classes)
    },
    .init(name: "plain20", input: [3, 3, 16, 16]) { CIFARResNet(depth: 8, hasShortcuts: false, classes: classes) },
    .init(name: "preact_resnet50", input: [3, 3, 64, 64]) {
      PreActivationResNet(blocks: [1, 2, 1], width: 8, classes: classes)
    },
    .init(name: "preact_resnet164", input: [3, 3, 16, 16]) { CIFARPreActivationResNet(depth: 20, classes: classes) },
    .init(name: "densenet121", input: [3, 3, 64, 64]) {
      DenseNet(blocks: [2, 3, 2], growth: 8, width: 16, classes: classes)
    },
    .init(name: "mobilenet_v2", input: [3, 3, 32, 32]) {
      let stages: [MobileNetV2.Stage] = [
        .init(expansion: 1, channels: 16, blocks: 1, stride: 1),
        .init(expansion: 6, channels: 24, blocks: 2, stride: 2),
        .init(expansion: 6, channels: 32, blocks: 2, stride: 2),
      ]
      return MobileNetV2(width: 0.25, stages: stages, classes: classes, dropout: 0)
    },
    .init(name: "efficientnet_lite0", input: [3, 3, 45, 43]) {
      EfficientNetLite(width: 0.25, depth: 0.5, classes: classes, dropout: 0)
    },
    .init(name: "convnext_tiny", input: [3, 3, 40, 40]) {
      ConvNeXt(widths: [8, 16, 24], blocks: [1, 2, 1], classes: classes, stochasticDepth: 0)
    },
    .init(name: "unet", input: [2, 1, 64, 60]) { UNet(.valid, depth: 2, width: 4) },
    .init(name: "unet_same", input: [2, 3, 19, 22]) {
      UNet(.same, depth: 2, width: 4, isNormalized: true, channels: 3)
    },
    .init(name: "autoencoder", input: [2, 1, 12, 8]) { Autoencoder(code: 8, width: 4, imageSize: [12, 8]) },
    .init(name: "vae", input: [2, 1, 12, 8]) { VariationalAutoencoder(code: 8, width: 4, imageSize: [12, 8]) },
    .init(name: "dcgan_generator", input: [3, 6, 1, 1]) { DCGANGenerator(latent: 6, width: 4) },
    .init(name: "dcgan_discriminator", input: [3, 3, 64, 64]) { DCGANDiscriminator(width: 4) },
    .init(name: "patchgan", input: [2, 3, 40, 40]) { PatchGAN(width: 4) },
    .init(name: "cyclegan_generator", input: [2, 3, 16, 16]) { CycleGANGenerator(blocks: 2, width: 4) },
    .init(name: "resnet_1d", input: [3, 2, 21]) { TimeSeriesResNet(width: 4, channels: 2, classes: classes) },
    .init(name: "c3d", input: [2, 3, 16, 18, 20]) {
      C3D(width: 4, hidden: 16, classes: classes, clipSize: [16, 18, 20], dropout: 0)
    },
    .init(name: "r3d_18", input: [3, 3, 8, 32, 32]) {
      VideoResNet(blocks: [1, 1, 1, 1], stageWidth: 8, classes: classes)
    },
  ]

  /// With the numbers of `make_families.py`.
  func filledModel() throws -> AnyLayer {
    let model = AnyLayer(withoutNumbers(make))
    let order = Dictionary(
      uniqueKeysWithValues: model.parameters.map(\.path).sorted().enumerated().map { ($0.element, $0.offset) })
    return try model.mapParameters { path, _, tensor in
      let fan = tensor.shape.dimensions.dropFirst().reduce(1, *)
      let range: Range<Float>
      if path.hasSuffix("running_var") || (path.hasSuffix("weight") && fan == 1) {
        range = 0.5..<1.5
      } else if path.hasSuffix("weight") {
        let bound = Float((6 / Double(fan)).squareRoot())
        range = -bound..<bound
      } else {
        range = -0.1..<0.1
      }
      return uniform(tensor.shape, stream: order[path]!, range)
    }
  }

  private static let lossStream = 2_000_003

  /// The loss of `make_families.py`: cross-entropy of classes, a fixed product with other outputs, or the model's own.
  func loss(_ model: AnyLayer, _ x: Tensor, _ labels: Tensor) -> Tensor {
    func fixed(_ shape: Shape) -> Tensor { uniform(shape, stream: Self.lossStream).cast(to: x.dtype) }
    if let model = model.base as? VariationalAutoencoder {
      return model.loss(of: (x + 1) / 2, noise: fixed([x.shape[0], 8]))
    }
    return model.trainingLoss(x, labels) { output, labels in
      output.rank > 2 ? (output * fixed(output.shape)).mean() : crossEntropy(output, labels)
    }
  }

  var labels: Tensor { Tensor((0..<input[0]).map { Int32($0 % Self.classes) }) }
}

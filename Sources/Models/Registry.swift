import Formats
public import Layers

/// The architectures of the library; names follow torchvision's where it has the model.
public enum ModelRegistry {
  /// By family: classifiers of images by year, then what makes pictures of pictures, then sequences and video.
  public static let architectures: [Architecture] = [
    Perceptron.architectures, LeNet1998.architectures, LeNet.architectures, AlexNet.architectures,
    ZFNet.architectures, VGGSmall.architectures, VGG.architectures, GoogLeNet.architectures, ResNet.architectures,
    CIFARResNet.architectures, PreActivationResNet.architectures, CIFARPreActivationResNet.architectures,
    DenseNet.architectures, MobileNetV2.architectures, EfficientNetLite.architectures, ConvNeXt.architectures,
    UNet.architectures, Autoencoder.architectures, VariationalAutoencoder.architectures,
    DCGANGenerator.architectures, DCGANDiscriminator.architectures, PatchGAN.architectures,
    CycleGANGenerator.architectures, TimeSeriesResNet.architectures, C3D.architectures, VideoResNet.architectures,
  ].flatMap(\.self)

  public static func architecture(named name: String) throws(ModelError) -> Architecture {
    if let found = architectures.first(where: { $0.name == name }) { return found }
    let names = architectures.map(\.name)
    let near = nearestNames(to: name, among: names)
    let advice =
      near.isEmpty
      ? "`convnet models` lists all \(names.count)"
      : "did you mean \(near.joined(separator: " or "))? `convnet models` lists all"
    throw ModelError(description: "there is no model named \"\(name)\"; \(advice)")
  }

  /// Builds a model with parameters drawn from a seed.
  public static func make(_ configuration: ModelConfiguration, seed: UInt64 = 0) throws(ModelError) -> any Layer {
    let architecture = try checkedArchitecture(configuration)
    return withSeed(seed) { architecture.make(configuration) }
  }

  /// Builds a model whose weights have shapes but no numbers: what a summary needs, in no time and memory.
  public static func makeStructure(_ configuration: ModelConfiguration) throws(ModelError) -> any Layer {
    let architecture = try checkedArchitecture(configuration)
    return withoutNumbers { architecture.make(configuration) }
  }

  /// Generous limits, so that numbers of elements cannot overflow whatever a file says.
  private static let largestCount = 1 << 20
  private static let largestSide = 1 << 14

  private static func checkedArchitecture(_ configuration: ModelConfiguration) throws(ModelError) -> Architecture {
    let architecture = try architecture(named: configuration.name)
    let (name, size) = (configuration.name, configuration.imageSize)
    guard (1...largestCount).contains(configuration.classes), (1...largestCount).contains(configuration.channels) else {
      throw ModelError(
        description: "\(name): \(configuration.classes) classes and \(configuration.channels) channels;"
          + " both must be at least 1 and at most \(largestCount)")
    }
    func text(_ size: [Int]) -> String { size.map(String.init).joined(separator: "x") }
    let rank = architecture.standard.imageSize.count
    guard size.count == rank else {
      throw ModelError(
        description: "\(name) takes channels and \(rank) extents, such as \(architecture.standard.channels)x"
          + "\(text(architecture.standard.imageSize)), but got \(configuration.channels)x\(text(size))")
    }
    let minimum = architecture.minimumImageSize
    guard size.allSatisfy({ $0 >= minimum }) else {
      let least = text(.init(repeating: minimum, count: rank))
      throw ModelError(
        description: "\(name) needs images of at least \(least), but they are \(text(size));"
          + " use larger images or choose a shallower model")
    }
    guard size.allSatisfy({ $0 <= largestSide }) else {
      throw ModelError(description: "\(name): images of \(text(size)); the most is \(largestSide) a side")
    }
    let step = architecture.imageSizeStep
    guard size.allSatisfy({ $0.isMultiple(of: step) }) else {
      throw ModelError(
        description: "\(name) needs images whose sides are multiples of \(step), but they are \(text(size))")
    }
    return architecture
  }
}

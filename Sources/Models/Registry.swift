public import Layers

/// One architecture that can be asked for by name.
public struct Architecture: Sendable {
  public var name: String
  /// What it is, in one line.
  public var summary: String
  public var year: Int
  public var paper: String
  /// Channels, classes and image size where a user gives none.
  public var standard: ModelConfiguration
  /// The smallest image side that leaves at least one element everywhere.
  public var minimumImageSize: Int
  let make: @Sendable (ModelConfiguration) -> any Layer

  init(
    _ name: String, _ summary: String, year: Int, paper: String, channels: Int, classes: Int, imageSize: Int,
    minimumImageSize: Int, make: @escaping @Sendable (ModelConfiguration) -> any Layer
  ) {
    self.name = name
    self.summary = summary
    self.year = year
    self.paper = paper
    standard = ModelConfiguration(name: name, channels: channels, classes: classes, imageSize: [imageSize, imageSize])
    self.minimumImageSize = minimumImageSize
    self.make = make
  }
}

/// The architectures of the library; names follow torchvision's where it has the model.
public enum ModelRegistry {
  public static let architectures: [Architecture] =
    [LeNet.architecture, VGGSmall.architecture]
    + ResNet.architectures + CIFARResNet.architectures

  public static func architecture(named name: String) throws(ModelError) -> Architecture {
    if let found = architectures.first(where: { $0.name == name }) { return found }
    let names = architectures.map(\.name).joined(separator: ", ")
    throw ModelError(description: "there is no model named \"\(name)\"; the models are: \(names)")
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
    let minimum = architecture.minimumImageSize
    guard (1...largestCount).contains(configuration.classes), (1...largestCount).contains(configuration.channels) else {
      throw ModelError(
        description: "\(configuration.name): \(configuration.classes) classes and \(configuration.channels) channels;"
          + " both must be at least 1 and at most \(largestCount)")
    }
    guard configuration.imageSize.count == 2, configuration.imageSize.allSatisfy({ $0 >= minimum }) else {
      let size = configuration.imageSize.map(String.init).joined(separator: "x")
      throw ModelError(
        description: "\(configuration.name) needs images of at least \(minimum)x\(minimum), but they are \(size);"
          + " use larger images or choose a shallower model")
    }
    guard configuration.imageSize.allSatisfy({ $0 <= largestSide }) else {
      let size = configuration.imageSize.map(String.init).joined(separator: "x")
      throw ModelError(description: "\(configuration.name): images of \(size); the most is \(largestSide) a side")
    }
    return architecture
  }
}

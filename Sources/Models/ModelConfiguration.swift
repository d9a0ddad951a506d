public import Layers

/// What makes a registered architecture concrete; written into model files.
public struct ModelConfiguration: Codable, Hashable, Sendable {
  /// The registry's name.
  public var name: String
  public var channels: Int
  public var classes: Int
  /// `[height, width]` of the images that the model is made for. Fully convolutional models take others too.
  public var imageSize: [Int]

  public init(name: String, channels: Int, classes: Int, imageSize: [Int]) {
    self.name = name
    self.channels = channels
    self.classes = classes
    self.imageSize = imageSize
  }

  enum CodingKeys: String, CodingKey {
    case name, channels, classes
    case imageSize = "image_size"
  }

  /// The shape of a batch of inputs.
  public func inputShape(batch: Int = 1) -> Shape { Shape([batch, channels] + imageSize) }
}

/// A model that cannot be built as asked.
public struct ModelError: Error, CustomStringConvertible {
  public var description: String
}

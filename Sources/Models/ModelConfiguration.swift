public import Layers

/// What makes a registered architecture concrete; written into model files.
public struct ModelConfiguration: Codable, Hashable, Sendable {
  /// The registry's name.
  public var name: String
  public var channels: Int
  /// The channels of the output: classes, or colours where the output is a picture.
  public var classes: Int
  /// Spatial extents of the inputs that the model is made for: `[height, width]` of images, `[length]` of sequences,
  /// `[frames, height, width]` of video. Fully convolutional models take others too.
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

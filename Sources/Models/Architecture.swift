import Layers

/// One architecture that can be asked for by name.
public struct Architecture: Sendable {
  /// What a model makes of its input `[N, channels, ...]`; `classes` of its configuration are the channels of that.
  public enum Task: String, Sendable, CaseIterable {
    /// One number for each class: `[N, classes]`.
    case classification
    /// One number for each class and pixel: `[N, classes, H, W]`.
    case segmentation
    /// A picture in another style: `[N, classes, H, W]`.
    case translation
    /// A picture out of a vector of random numbers: `[N, classes, H, W]`.
    case generation
    /// Whether pictures, or patches of them, are real: logits `[N, classes, ...]`.
    case discrimination
    /// The input itself, through a narrow code; there are as many output as input channels, whatever `classes` says.
    case reconstruction
  }

  public var name: String
  /// What it is, in one line.
  public var summary: String
  public var year: Int
  public var paper: String
  public var task: Task
  /// The error in per cent that the course's table of ImageNet winners prints for the family, 5 guesses an image.
  public var printedTopFiveError: Double?
  /// Channels, classes and image size where a user gives none. The number of extents of the image size is the model's:
  /// 1 for sequences, 2 for pictures, 3 for video.
  public var standard: ModelConfiguration
  /// The smallest image side that leaves at least one element everywhere.
  public var minimumImageSize: Int
  /// What every image side must be a multiple of.
  public var imageSizeStep: Int
  /// What learning rates that suit most networks are multiplied by for this one, when it starts from random weights:
  /// below 1 where no normalisation bears large steps.
  public var learningRateFactor: Double
  let make: @Sendable (ModelConfiguration) -> any Layer

  /// - Parameter imageSize: one extent for each spatial axis.
  init(
    _ name: String, _ summary: String, year: Int, paper: String, task: Task = .classification,
    topFiveError: Double? = nil, channels: Int = 3, classes: Int = 1000, imageSize: [Int] = [224, 224],
    minimumImageSize: Int, imageSizeStep: Int = 1, learningRateFactor: Double = 1,
    make: @escaping @Sendable (ModelConfiguration) -> any Layer
  ) {
    self.name = name
    self.summary = summary
    self.year = year
    self.paper = paper
    self.task = task
    printedTopFiveError = topFiveError
    standard = ModelConfiguration(name: name, channels: channels, classes: classes, imageSize: imageSize)
    self.minimumImageSize = minimumImageSize
    self.imageSizeStep = imageSizeStep
    self.learningRateFactor = learningRateFactor
    self.make = make
  }

  /// Whether it classifies pictures: what a folder of labelled images can train.
  public var classifiesImages: Bool { task == .classification && standard.imageSize.count == 2 }
}

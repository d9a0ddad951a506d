public import Inspect
public import Training
public import Vision

/// What a training came to, as values: everything that its page shows. It is filled by whoever ran the training; making
/// a page of it computes nothing.
public struct RunReport: Sendable {
  /// A picture that the page shows, once or many times.
  public struct Picture: Sendable {
    /// The file, or what stands for it.
    public var name: String
    /// Small: a thumbnail.
    public var image: Image
    public var label: Int
    /// What the network took it for; `nil` for pictures that it was trained on.
    public var answer: ConfidentAnswer?

    public init(name: String, image: Image, label: Int, answer: ConfidentAnswer? = nil) {
      (self.name, self.image, self.label, self.answer) = (name, image, label, answer)
    }
  }

  /// Where the network looked.
  public struct Explanation: Sendable {
    /// In ``RunReport/pictures``.
    public var picture: Int
    /// As the network sees it.
    public var original: Image
    public var overlay: Image
    public var layer: String
    public var check: RandomizationCheck

    public init(picture: Int, original: Image, overlay: Image, layer: String, check: RandomizationCheck) {
      (self.picture, self.original, self.overlay, self.layer, self.check) = (picture, original, overlay, layer, check)
    }
  }

  /// The pictures of the training set that are most like one of the validation set, to the network.
  public struct Neighborhood: Sendable {
    /// In ``RunReport/pictures``.
    public var picture: Int
    /// In ``RunReport/pictures``, nearest first, with the cosine of the angle between the features.
    public var neighbors: [(picture: Int, similarity: Double)]

    public init(picture: Int, neighbors: [(picture: Int, similarity: Double)]) {
      (self.picture, self.neighbors) = (picture, neighbors)
    }
  }

  /// A validation picture on the map of the features.
  public struct MapPoint: Sendable {
    public var x: Double
    public var y: Double
    public var label: Int
    public var predicted: Int
    public var name: String

    public init(x: Double, y: Double, label: Int, predicted: Int, name: String) {
      (self.x, self.y, self.label, self.predicted, self.name) = (x, y, label, predicted, name)
    }
  }

  /// The same picture in a training and in a validation file.
  public struct Duplicate: Sendable {
    public var training: String
    public var validation: String
    public init(training: String, validation: String) { (self.training, self.validation) = (training, validation) }
  }

  /// `lenet on fashion-mnist-mini`.
  public var title: String
  /// What was trained on what, and how: a name and a value each.
  public var facts: [(name: String, value: String)] = []
  public var epochs: [EpochMetrics] = []
  public var bestEpoch: Int?
  public var classification: ClassificationReport
  public var calibration: CalibrationReport
  /// Training images of each class.
  public var trainingCounts: [Int]
  /// How many duplicates there are, and some of them.
  public var duplicateCount = 0
  public var duplicates: [Duplicate] = []
  public var pictures: [Picture] = []
  public var explanations: [Explanation] = []
  /// The kernels of the first layer.
  public var filters: Image?
  /// Of one validation picture, by layer.
  public var featureMaps: (picture: Int, maps: [(layer: String, image: Image)])?
  public var neighborhoods: [Neighborhood] = []
  /// How many training images were searched for neighbours.
  public var searchedTrainingImages = 0
  public var map: [MapPoint] = []
  /// The shares of the features' variance that the map's axes show.
  public var mapShares: (x: Double, y: Double) = (0, 0)
  /// Training pictures: each as it is, then as training saw it.
  public var augmentation: [[Image]] = []

  public init(
    title: String, classification: ClassificationReport, calibration: CalibrationReport, trainingCounts: [Int]
  ) {
    self.title = title
    self.classification = classification
    self.calibration = calibration
    self.trainingCounts = trainingCounts
  }

  public var classNames: [String] { classification.classes.map(\.name) }

  /// Validation pictures that were taken for something else, the surest first.
  var mistakes: [Int] {
    pictures.indices.filter { pictures[$0].answer?.isRight == false }.sorted {
      (-pictures[$0].answer!.confidence, $0) < (-pictures[$1].answer!.confidence, $1)
    }
  }
}

import Formats
import Foundation
import Models
public import Vision

/// The library's version, as the command prints it and model files record it.
public let libraryVersion = "0.1.0"

/// How to train a classifier: what a person asked for, with the rest left to defaults. `run.json` holds it.
public struct ClassifierJob: Codable, Hashable, Sendable {
  /// A folder; the embedded pictures if `nil`.
  public var data: String?
  public var modelName = "lenet"
  /// In place of a name: the architecture that the weights fit.
  public static let modelOfWeights = "auto"
  /// Side of the square input; the architecture's own unless given.
  public var imageSize: Int?
  public var optimizer: Optimizer.Settings
  public var training: TrainingOptions
  /// Fitting for the data unless given; a run's record has what was taken.
  public var augmentation: Augmentation?
  /// Blends images and their classes with each other: see ``BatchMixing``.
  public var mixUp: Double?
  public var cutMix: Double?
  public var validation: ValidationPart?
  /// Initial weights: for fine-tuning of any task and format, else those of the same model.
  public var weightsPath: String?
  /// Differences between the weights' file and the network that are meant.
  public var allowances: WeightAllowances = []
  /// How to go on from weights of another task; all is trained alike if `nil`.
  public var fineTuning: FineTuning?
  /// What is done about classes with few images.
  public var balance: ClassBalance.Remedy?
  public var skipsBadImages = false
  public var labelSmoothing = 0.0
  /// The folder for TensorBoard's event files; none are written if `nil`.
  public var tensorBoardFolder: String?

  /// What to validate on, instead of the data set's own part.
  public enum ValidationPart: Codable, Hashable, Sendable {
    case fraction(Double)
    case folder(String)
  }

  /// The highest learning rate for an architecture that starts from random weights, unless a person gives one.
  public static func standardLearningRate(of rule: Optimizer.Rule, for modelName: String) throws -> Double {
    let factor = try ModelRegistry.architecture(named: modelName).learningRateFactor
    let usual =
      switch rule {
      case .sgd: 0.05
      case .adam: 0.003
      }
    // A rate that people read: 0.0003, not the product's 0.00030000000000000003.
    return (usual * factor * 1e6).rounded() / 1e6
  }

  /// A job with the command's own learning rule unless another is given.
  public init(
    data: String? = nil, optimizer: Optimizer = .adamW(learningRate: 0.003), training: TrainingOptions = .init()
  ) {
    self.init(data: data, optimizer: optimizer.settings, training: training)
  }

  public init(data: String? = nil, optimizer: Optimizer.Settings, training: TrainingOptions = .init()) {
    self.data = data
    self.optimizer = optimizer
    self.training = training
  }

  /// Refuses numbers that no training can use, whether they come from a person or from a run's file.
  func check() throws {
    func require(_ isGood: Bool, _ option: String, _ value: some Any, _ expected: String) throws {
      if !isGood { throw TaskError("--\(option) \(value): it must be \(expected)") }
    }
    try require(training.epochs >= 1, "epochs", training.epochs, "at least 1")
    try require((1...1 << 20).contains(training.batchSize), "batch-size", training.batchSize, "from 1 to \(1 << 20)")
    let parts = training.accumulation
    try require((1...1 << 16).contains(parts), "accumulate", parts, "from 1 to \(1 << 16)")
    try require((0...1024).contains(training.loaderThreads), "loader-threads", training.loaderThreads, "from 0 to 1024")
    for (option, value) in [
      ("steps", training.maximumSteps), ("patience", training.earlyStoppingPatience), ("log-every", training.logEvery),
    ] {
      if let value { try require(value >= 1, option, value, "at least 1") }
    }
    let warmUp = training.schedule.warmUpSteps
    try require(warmUp >= 0, "warm-up", warmUp, "at least 0")
    let rate = optimizer.learningRate
    try require(rate > 0 && rate.isFinite, "learning-rate", rate, "positive")
    let decay = optimizer.weightDecay
    try require(decay >= 0 && decay.isFinite, "weight-decay", decay, "at least 0")
    if let norm = optimizer.maximumGradientNorm { try require(norm > 0, "clip-norm", norm, "positive") }
    try require((0..<1).contains(labelSmoothing), "label-smoothing", labelSmoothing, "at least 0 and below 1")
    for (option, alpha) in [("mix-up", mixUp), ("cut-mix", cutMix)] {
      if let alpha { try require(BatchMixing.parameters.contains(alpha), option, alpha, "from 0.05 to 100") }
    }
    if let fineTuning {
      try require(fineTuning.headEpochs >= 1, "head-epochs", fineTuning.headEpochs, "at least 1")
      let rate = fineTuning.headLearningRate
      try require(rate > 0 && rate.isFinite, "head-learning-rate", rate, "positive")
      try require((1...1000).contains(fineTuning.versions), "versions", fineTuning.versions, "from 1 to 1000")
      let decay = fineTuning.rateDecay
      try require((1...1000).contains(decay), "rate-decay", decay, "from 1 to 1000")
    }
    if let decay = training.averagingDecay {
      try require((0..<1).contains(decay), "average", decay, "at least 0 and below 1")
    }
    if case .fraction(let share) = validation {
      try require(share > 0 && share < 1, "validation", share, "above 0 and below 1, or a folder")
    }
  }
}

/// What `run.json` holds: the job, and what became of it.
public struct RunRecord: Codable, Sendable {
  public var version = libraryVersion
  public var job: ClassifierJob
  public var model: ImageClassifier.Description
  public var parameters: Int
  public var trainingImages: Int
  public var validationImages: Int
  /// Files that could not be read and were left out.
  public var badImages: [String]
  /// The split, if one was drawn; by content, so that moving the files does not change it.
  public var split: Split?
  /// The share of the time of all training steps that they waited for data, once the run is finished.
  public var waitingShare: Double?

  enum CodingKeys: String, CodingKey {
    case version, job, model, parameters, split
    case waitingShare = "waiting_share"
    case trainingImages = "training_images"
    case validationImages = "validation_images"
    case badImages = "bad_images"
  }

  init(
    job: ClassifierJob, model: ImageClassifier.Description, parameters: Int, trainingImages: Int,
    validationImages: Int, badImages: [String], split: Split?
  ) {
    self.job = job
    self.model = model
    self.parameters = parameters
    self.trainingImages = trainingImages
    self.validationImages = validationImages
    self.badImages = badImages
    self.split = split
  }

  /// Reads a run's record.
  public init(of run: RunFolder) throws {
    guard let data = FileManager.default.contents(atPath: run.recordPath) else {
      throw TaskError("\(run.path): there is no run here (no run.json); give the folder that a training wrote")
    }
    do {
      self = try JSONDecoder().decode(RunRecord.self, from: data)
    } catch {
      throw TaskError("\(run.recordPath): the run's record cannot be read; it may come from another version")
    }
  }

  func write(to run: RunFolder) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(String(decoding: try encoder.encode(self), as: UTF8.self) + "\n", to: run.recordPath)
  }
}

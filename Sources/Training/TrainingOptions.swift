import Formats

/// How long, in what portions and how carefully to train.
public struct TrainingOptions: Codable, Hashable, Sendable {
  public var epochs: Int
  /// Ends the training after this many steps, if that is earlier.
  public var maximumSteps: Int?
  public var batchSize: Int
  /// How many batches make a step, along the mean gradient over all their examples: as one batch of so many times the
  /// size, in the memory of one. Batch norms see each batch by itself. The last step of an epoch takes what is left.
  public var accumulation: Int
  /// Whether each epoch takes the examples in a new order drawn from the seed, or always in the data set's.
  public var shuffles: Bool
  public var schedule: LearningRateSchedule
  /// Keys shuffling, augmentation and dropout.
  public var seed: UInt64
  /// Ends the training after this many epochs without improvement on the validation set.
  public var earlyStoppingPatience: Int?
  /// Writes a metrics line after every so many steps; none if `nil`.
  public var logEvery: Int?
  /// Threads that load and augment.
  public var loaderThreads: Int
  /// Seconds between checkpoints within an epoch; one is written after every epoch anyway, but not more than once a
  /// second.
  public var checkpointInterval: Double
  /// Whether convolutions may use Winograd's algorithm: see ``Plan/Options``.
  public var allowsWinograd: Bool
  /// If given, what is validated and kept is the exponential average of the models of all steps with this decay, for
  /// example 0.99 (Polyak and Juditsky, 1992).
  public var averagingDecay: Double?
  /// Whether what frozen layers make of the data is kept in the run's folder; results do not depend on it.
  public var cachesFeatures: Bool
  /// Blends the examples of each training batch; the loss must take probabilities, as `crossEntropy` does.
  public var mixing: BatchMixing?

  public init(
    epochs: Int = 10, maximumSteps: Int? = nil, batchSize: Int = 64, shuffles: Bool = true,
    schedule: LearningRateSchedule = .init(.oneCycle), seed: UInt64 = 0, earlyStoppingPatience: Int? = nil,
    logEvery: Int? = nil, loaderThreads: Int = 2, checkpointInterval: Double = 60, allowsWinograd: Bool = true,
    averagingDecay: Double? = nil, cachesFeatures: Bool = true, accumulation: Int = 1
  ) {
    self.epochs = epochs
    self.maximumSteps = maximumSteps
    self.batchSize = batchSize
    self.shuffles = shuffles
    self.schedule = schedule
    self.seed = seed
    self.earlyStoppingPatience = earlyStoppingPatience
    self.logEvery = logEvery
    self.loaderThreads = loaderThreads
    self.checkpointInterval = checkpointInterval
    self.allowsWinograd = allowsWinograd
    self.averagingDecay = averagingDecay
    self.cachesFeatures = cachesFeatures
    self.accumulation = accumulation
  }

  enum CodingKeys: String, CodingKey {
    case epochs, accumulation, shuffles, schedule, seed, mixing
    case maximumSteps = "maximum_steps"
    case batchSize = "batch_size"
    case earlyStoppingPatience = "early_stopping_patience"
    case logEvery = "log_every"
    case loaderThreads = "loader_threads"
    case checkpointInterval = "checkpoint_interval"
    case allowsWinograd = "allows_winograd"
    case averagingDecay = "averaging_decay"
    case cachesFeatures = "caches_features"
  }

  public init(from decoder: any Decoder) throws {
    self.init()
    let fields = try JSONFields(decoder, keyedBy: CodingKeys.self)
    try fields.read(.epochs, into: &epochs)
    try fields.read(.maximumSteps, into: &maximumSteps)
    try fields.read(.batchSize, into: &batchSize)
    try fields.read(.accumulation, into: &accumulation)
    try fields.read(.shuffles, into: &shuffles)
    try fields.read(.schedule, into: &schedule)
    try fields.read(.seed, into: &seed)
    try fields.read(.earlyStoppingPatience, into: &earlyStoppingPatience)
    try fields.read(.logEvery, into: &logEvery)
    try fields.read(.loaderThreads, into: &loaderThreads)
    try fields.read(.checkpointInterval, into: &checkpointInterval)
    try fields.read(.allowsWinograd, into: &allowsWinograd)
    try fields.read(.averagingDecay, into: &averagingDecay)
    try fields.read(.cachesFeatures, into: &cachesFeatures)
    try fields.read(.mixing, into: &mixing)
  }
}

/// What ends a training early.
public enum TrainingError: Error, Hashable, Sendable, CustomStringConvertible {
  case notFinite(step: Int, place: String, learningRate: Double)
  case diverged(step: Int, loss: Float, firstLoss: Float)
  case noExamples
  case nothingToLearn
  case featuresLost(path: String)
  case checkpointDoesNotFit(path: String, reason: String)
  case noPredictions(run: String)
  case damagedPredictions(path: String, line: Int)

  public var description: String {
    switch self {
    case .notFinite(let step, let place, let learningRate):
      "training stopped at step \(step): the first number that is not finite arose in \(place); the parameters of the "
        + "step before are kept; try a learning rate below \(learningRate), gradient clipping, or look at the data"
    case .diverged(let step, let loss, let firstLoss):
      "training stopped at step \(step): the loss grew from \(firstLoss) to \(loss); try a smaller learning rate"
    case .noExamples: "there is nothing to train on: the data set is empty"
    case .nothingToLearn: "there is nothing to train: the model has no parameters"
    case .featuresLost(let path): "\(path): cannot be read back; something else changes the run's folder"
    case .checkpointDoesNotFit(let path, let reason): "\(path): cannot resume from this checkpoint: \(reason)"
    case .noPredictions(let run):
      "\(run): there is no predictions.jsonl, which a run writes at its end; let it finish, or give another run"
    case .damagedPredictions(let path, let line): "\(path): line \(line) is not a prediction; train again"
    }
  }
}

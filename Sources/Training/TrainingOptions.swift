/// How long, in what portions and how carefully to train.
public struct TrainingOptions: Codable, Hashable, Sendable {
  public var epochs: Int
  /// Ends the training after this many steps, if that is earlier.
  public var maximumSteps: Int?
  public var batchSize: Int
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
  /// Seconds between checkpoints within an epoch; one is written after every epoch anyway.
  public var checkpointInterval: Double
  /// Whether convolutions may use Winograd's algorithm: see ``Plan/Options``.
  public var allowsWinograd: Bool
  /// Blends the examples of each training batch; the loss must take probabilities, as `crossEntropy` does.
  public var mixing: BatchMixing?

  public init(
    epochs: Int = 10, maximumSteps: Int? = nil, batchSize: Int = 64, shuffles: Bool = true,
    schedule: LearningRateSchedule = .init(.oneCycle), seed: UInt64 = 0, earlyStoppingPatience: Int? = nil,
    logEvery: Int? = nil, loaderThreads: Int = 2, checkpointInterval: Double = 60, allowsWinograd: Bool = true
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
  }
}

/// What ends a training early.
public enum TrainingError: Error, Hashable, Sendable, CustomStringConvertible {
  case notFinite(step: Int, place: String, learningRate: Double)
  case diverged(step: Int, loss: Float, firstLoss: Float)
  case noExamples
  case checkpointDoesNotFit(path: String, reason: String)

  public var description: String {
    switch self {
    case .notFinite(let step, let place, let learningRate):
      "training stopped at step \(step): the first number that is not finite arose in \(place); the parameters of the "
        + "step before are kept; try a learning rate below \(learningRate), gradient clipping, or look at the data"
    case .diverged(let step, let loss, let firstLoss):
      "training stopped at step \(step): the loss grew from \(firstLoss) to \(loss); try a smaller learning rate"
    case .noExamples: "there is nothing to train on: the data set is empty"
    case .checkpointDoesNotFit(let path, let reason): "\(path): cannot resume from this checkpoint: \(reason)"
    }
  }
}

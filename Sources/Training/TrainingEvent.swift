/// What a trainer reports while it runs.
public enum TrainingEvent: Sendable {
  /// A stage begins, or goes on.
  case stage(StageReport)
  /// The frozen part of the model is applied to the data, before an epoch that needs it.
  case extracting(done: Int, of: Int)
  case step(StepReport)
  case epoch(EpochMetrics, isBest: Bool)
  case validating(done: Int, of: Int)

  public struct StageReport: Sendable {
    public var stage: TrainingStage
    /// Counted from 0.
    public var index: Int
    public var stageCount: Int
    /// Trained and frozen numbers.
    public var trainedParameters: Int
    public var frozenParameters: Int
    /// Of one example, if a frozen part of the model is applied to each example once only.
    public var featureShape: Shape?
  }

  public struct StepReport: Sendable {
    /// Counted from 1.
    public var step: Int
    public var totalSteps: Int
    public var epoch: Int
    public var loss: Float
    /// The mean over the epoch so far.
    public var meanLoss: Double
    public var learningRate: Double
    public var gradientNorm: Float
    public var examplesPerSecond: Double
    public var secondsLeft: Double
    /// The share of time that training waited for data.
    public var waitingShare: Double
  }
}

/// How a training ended.
public struct TrainingOutcome<Model: Layer> {
  /// The model of the best epoch on the validation set; the last one if there is no validation set.
  public var model: Model
  public var bestEpoch: Int?
  /// Of all epochs; of a resumed run, those before it was stopped too.
  public var metrics: [EpochMetrics]
  public var steps: Int
  /// Whether it was stopped from outside before its end; it can be resumed.
  public var wasInterrupted: Bool
  /// Whether it ended before its last epoch because of a deadline.
  public var ranOutOfTime: Bool
  public var arenaByteCount: Int
}

/// Rate and time left of a run.
struct RunClock {
  private let start = ContinuousClock.now
  private let stepsAtStart: Int
  private let totalSteps: Int
  private var steps: Int
  private var examples = 0

  init(stepsDone: Int, totalSteps: Int) {
    stepsAtStart = stepsDone
    steps = stepsDone
    self.totalSteps = totalSteps
  }

  /// Seconds since the start.
  var now: Double { (ContinuousClock.now - start) / .seconds(1) }

  mutating func advance(examples count: Int) {
    steps += 1
    examples += count
  }

  var examplesPerSecond: Double { Double(examples) / max(1e-9, now) }
  var secondsLeft: Double { now / Double(max(1, steps - stepsAtStart)) * Double(totalSteps - steps) }
}

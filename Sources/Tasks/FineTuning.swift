import Models

/// How to go on from weights that somebody trained on other pictures.
public struct FineTuning: Codable, Hashable, Sendable {
  /// Which layers learn, and when.
  public enum Strategy: String, Codable, CaseIterable, Sendable {
    /// Only a new last layer, on the features of all others, which stay as they are.
    case head
    /// All layers at once, early ones more slowly.
    case full
    /// First the head, so that its first wild steps do not spoil the others, then all.
    case staged
  }

  public var strategy: Strategy
  /// Epochs of the head alone; they cost little, since what the other layers make of the images is computed once.
  public var headEpochs: Int
  public var headLearningRate: Double
  /// Augmented versions of each image while only the head learns.
  public var versions: Int
  /// By how much the learning rate falls from each group of layers to the one before it, while all learn.
  public var rateDecay: Double
  /// Whether batch norms learn, and follow the images' statistics, while all layers learn. A few hundred images tell too
  /// little for that.
  public var trainsNorms: Bool

  public init(
    _ strategy: Strategy = .staged, headEpochs: Int = 30, headLearningRate: Double = 0.003, versions: Int = 4,
    rateDecay: Double = 2.6, trainsNorms: Bool = false
  ) {
    self.strategy = strategy
    self.headEpochs = headEpochs
    self.headLearningRate = headLearningRate
    self.versions = versions
    self.rateDecay = rateDecay
    self.trainsNorms = trainsNorms
  }

  enum CodingKeys: String, CodingKey {
    case strategy, versions
    case headEpochs = "head_epochs"
    case headLearningRate = "head_learning_rate"
    case rateDecay = "rate_decay"
    case trainsNorms = "trains_norms"
  }

  /// AdamW, which learns a linear layer from features of any scale; other layers learn by the job's optimizer.
  private static func headOptimizer(_ settings: Optimizer.Settings) -> Optimizer.Settings {
    guard case .sgd = settings.rule else { return settings }
    return Optimizer.Settings(
      rule: .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8), learningRate: settings.learningRate, weightDecay: 0.05,
      isDecoupled: true, decaysVectors: false, maximumGradientNorm: settings.maximumGradientNorm)
  }

  /// The stages of a training; epochs and rate of the stage in which all learn are the job's.
  func stages(_ job: ClassifierJob, groups: LayerGroups, isAugmented: Bool) -> [TrainingStage] {
    let head = TrainingStage(
      "head", epochs: headEpochs, learningRate: headLearningRate, schedule: job.training.schedule,
      groups: groups.headOnly, versions: isAugmented ? versions : 1, optimizer: Self.headOptimizer(job.optimizer))
    let full = TrainingStage(
      "full", epochs: job.training.epochs, learningRate: job.optimizer.learningRate, schedule: job.training.schedule,
      groups: groups.discriminative(by: rateDecay, freezesNorms: !trainsNorms))
    return switch strategy {
    case .head: [head]
    case .full: [full]
    case .staged: [head, full]
    }
  }
}

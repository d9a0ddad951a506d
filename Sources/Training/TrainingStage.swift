/// Tensors of a model that learn at one rate.
public struct ParameterGroup: Codable, Hashable, Sendable {
  /// What a log calls it: the first and the last layer.
  public var name: String
  /// Of its parameters and running statistics.
  public var paths: [String]
  /// What its learning rate is of the common one; at 0 it is frozen: its parameters stay as they are bit by bit, its
  /// batch norms use and keep their running statistics, and nothing is dropped at random.
  public var rateFactor: Double

  public init(_ name: String, paths: [String], rateFactor: Double) {
    self.name = name
    self.paths = paths
    self.rateFactor = rateFactor
  }

  public var isFrozen: Bool { rateFactor == 0 }

  enum CodingKeys: String, CodingKey {
    case name, paths
    case rateFactor = "rate_factor"
  }
}

/// A part of a training with a rate, a schedule and frozen tensors of its own. Each stage starts from the best model of
/// those before it, with a fresh optimizer.
public struct TrainingStage: Codable, Hashable, Sendable {
  public var name: String
  public var epochs: Int
  /// The base of the schedule.
  public var learningRate: Double
  public var schedule: LearningRateSchedule
  /// In the order in which data passes them; tensors in no group learn at the full rate.
  public var groups: [ParameterGroup]
  /// If given, augmentation makes so many versions of each example, which the epochs take in turn, so that what a frozen
  /// part of the model makes of them is computed once. Otherwise every epoch sees new ones.
  public var versions: Int?
  /// The trainer's unless given. Its learning rate is the stage's.
  public var optimizer: Optimizer.Settings?

  public init(
    _ name: String, epochs: Int, learningRate: Double, schedule: LearningRateSchedule = .init(.oneCycle),
    groups: [ParameterGroup] = [], versions: Int? = nil, optimizer: Optimizer.Settings? = nil
  ) {
    self.name = name
    self.epochs = epochs
    self.learningRate = learningRate
    self.schedule = schedule
    self.groups = groups
    self.versions = versions
    self.optimizer = optimizer
  }

  enum CodingKeys: String, CodingKey {
    case name, epochs, schedule, groups, versions, optimizer
    case learningRate = "learning_rate"
  }

  /// The factors of the learning rate that differ from 1, by path.
  public var rateFactors: [String: Double] {
    var factors: [String: Double] = [:]
    for group in groups where group.rateFactor != 1 { for path in group.paths { factors[path] = group.rateFactor } }
    return factors
  }

  /// The rate of each group by name, where they differ from the common one.
  func rates(at rate: Double) -> [String: Double]? {
    if groups.allSatisfy({ $0.rateFactor == 1 }) { return nil }
    return Dictionary(groups.map { ($0.name, $0.rateFactor * rate) }, uniquingKeysWith: { first, _ in first })
  }
}

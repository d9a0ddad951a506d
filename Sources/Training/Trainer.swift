/// Trains a model on a data set: stages, epochs, schedule, validation, best weights, checkpoints.
///
/// ```swift
/// let trainer = Trainer(LeNet(), optimizer: .adamW(), options: .init(epochs: 5))
/// let outcome = try trainer.fit(train, validation: test, onEvent: { print($0) })
/// ```
public final class Trainer<Model: Layer> {
  public typealias Loss = @Sendable (_ output: Tensor, _ target: Tensor) throws -> Tensor

  let initialModel: Model
  let optimizer: Optimizer
  public let options: TrainingOptions
  public let stages: [TrainingStage]
  let loss: Loss
  let validationLoss: Loss

  /// - Parameters:
  ///   - stages: one after another; a single one with all of the model, as options and optimizer say, unless given.
  ///   - loss: of the model's output and the target; cross-entropy unless given.
  ///   - validationLoss: the same as `loss` unless given; label smoothing, for example, belongs to training only.
  public init(
    _ model: Model, optimizer: Optimizer = .adamW(), options: TrainingOptions = .init(),
    stages: [TrainingStage] = [], loss: @escaping Loss = { crossEntropy($0, $1) }, validationLoss: Loss? = nil
  ) {
    initialModel = model
    self.optimizer = optimizer
    self.options = options
    let single = TrainingStage(
      "training", epochs: options.epochs, learningRate: optimizer.settings.learningRate, schedule: options.schedule)
    self.stages = stages.isEmpty ? [single] : stages
    self.loss = loss
    self.validationLoss = validationLoss ?? loss
  }

  /// Trains, or goes on training.
  ///
  /// - Parameters:
  ///   - validation: decides which epoch was best, by accuracy if targets are labels, else by loss.
  ///   - run: where models, checkpoints and metrics go, and what frozen parts make of the data; nothing is written
  ///     without one.
  ///   - dataKey: changes with the data and what is done to them; keys what frozen parts make of them.
  ///   - modelMetadata: written into model files.
  ///   - resumes: whether to go on from the run's checkpoint.
  ///   - deadline: when training must have ended: an epoch that would take longer does not begin, and one that turns out
  ///     to is cut short and judged.
  ///   - onEvent: called after each step and epoch.
  ///   - shouldStop: asked after each batch; if it says so, a checkpoint is written and training ends.
  public func fit(
    _ training: any Dataset, validation: (any Dataset)? = nil, run: RunFolder? = nil, dataKey: String = "",
    modelMetadata: [String: String] = [:], resumes: Bool = false,
    deadline: ContinuousClock.Instant? = nil, onEvent: (TrainingEvent) throws -> Void = { _ in },
    shouldStop: () -> Bool = { false }
  ) throws -> TrainingOutcome<Model> {
    guard training.count > 0 else { throw TrainingError.noExamples }
    return try withoutActuallyEscaping(onEvent) { onEvent in
      try withoutActuallyEscaping(shouldStop) { shouldStop in
        try TrainingRun(
          self, training: training, validation: validation, folder: run, dataKey: dataKey,
          modelMetadata: modelMetadata, resumes: resumes, deadline: deadline, onEvent: onEvent, shouldStop: shouldStop
        ).finish()
      }
    }
  }
}

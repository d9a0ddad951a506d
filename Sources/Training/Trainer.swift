import Formats
import Foundation

/// What a trainer reports while it runs.
public enum TrainingEvent: Sendable {
  case step(StepReport)
  case epoch(EpochMetrics, isBest: Bool)
  case validating(done: Int, of: Int)

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
  public var arenaByteCount: Int
}

/// Trains a model on a data set: epochs, schedule, validation, best weights, checkpoints.
///
/// ```swift
/// let trainer = Trainer(LeNet(), optimizer: .adamW(), options: .init(epochs: 5))
/// let outcome = try trainer.fit(train, validation: test, onEvent: { print($0) })
/// ```
public final class Trainer<Model: Layer> {
  public typealias Loss = @Sendable (_ output: Tensor, _ target: Tensor) throws -> Tensor

  private let initialModel: Model
  private let optimizer: Optimizer
  public let options: TrainingOptions
  private let isFrozen: @Sendable (String) -> Bool
  private let loss: Loss
  private let validationLoss: Loss

  /// - Parameters:
  ///   - loss: of the model's output and the target; cross-entropy unless given.
  ///   - validationLoss: the same as `loss` unless given; label smoothing, for example, belongs to training only.
  ///   - isFrozen: by path, which parameters stay as they are.
  public init(
    _ model: Model, optimizer: Optimizer = .adamW(), options: TrainingOptions = .init(),
    loss: @escaping Loss = { crossEntropy($0, $1) }, validationLoss: Loss? = nil,
    isFrozen: @escaping @Sendable (String) -> Bool = { _ in false }
  ) {
    initialModel = model
    self.optimizer = optimizer
    self.options = options
    self.isFrozen = isFrozen
    self.loss = loss
    self.validationLoss = validationLoss ?? loss
  }

  /// Trains, or goes on training.
  ///
  /// - Parameters:
  ///   - validation: decides which epoch was best, by accuracy if targets are labels, else by loss.
  ///   - run: where models, checkpoints and metrics go; nothing is written without one.
  ///   - modelMetadata: written into model files.
  ///   - resumes: whether to go on from the run's checkpoint.
  ///   - onEvent: called after each step and epoch.
  ///   - shouldStop: asked after each step; if it says so, a checkpoint is written and training ends.
  public func fit(
    _ training: any Dataset, validation: (any Dataset)? = nil, run: RunFolder? = nil,
    modelMetadata: [String: String] = [:], resumes: Bool = false,
    onEvent: (TrainingEvent) throws -> Void = { _ in }, shouldStop: () -> Bool = { false }
  ) throws -> TrainingOutcome<Model> {
    guard training.count > 0 else { throw TrainingError.noExamples }
    let loss = loss
    let stepPlan = TrainingStep(
      initialModel, optimizer: optimizer, seed: options.seed, isFrozen: isFrozen,
      allowsWinograd: options.allowsWinograd
    ) { model, input, target in try loss(model(input), target) }
    let evaluator = Evaluator<Model>(allowsWinograd: options.allowsWinograd, loss: validationLoss)
    let loader = DataLoader(
      training, batchSize: options.batchSize, shuffle: options.shuffles, seed: options.seed,
      threads: options.loaderThreads, mixing: options.mixing)
    let totalSteps = min(options.maximumSteps ?? .max, options.epochs * loader.batchCount)
    var position = Checkpoint.Position()
    var best = tensors(of: initialModel)
    // A run that was killed before its first checkpoint has done nothing yet.
    let resumes = resumes && run.map { $0.hasFile(at: $0.checkpointPath) || $0.hasFile(at: $0.metricsPath) } ?? false
    if resumes, let run {
      let checkpoint = try Checkpoint(contentsOf: run.checkpointPath)
      try check(checkpoint, run.checkpointPath, against: stepPlan)
      stepPlan.restore(checkpoint.tensors)
      position = checkpoint.position
      best = checkpoint.bestModel
    }
    try run?.create()

    func save() throws {
      guard let run else { return }
      var checkpoint = Checkpoint(
        options: options, tensors: tensors(of: try stepPlan.model).merging(stepPlan.optimizerState) { a, _ in a },
        bestModel: best)
      checkpoint.position = position
      try checkpoint.write(to: run.checkpointPath)
    }
    func outcome(interrupted: Bool) throws -> TrainingOutcome<Model> {
      let model = try initialModel.mapParameters { path, _, tensor in best[path] ?? tensor }
      return TrainingOutcome(
        model: model, bestEpoch: position.bestEpoch, metrics: metrics, steps: position.step,
        wasInterrupted: interrupted, arenaByteCount: stepPlan.arenaByteCount)
    }

    if !resumes { try save() }
    let log = try run.map { run in
      try MetricsLog(run.metricsPath, continuingAfterStep: position.step, epoch: position.epoch)
    }
    var metrics = log?.epochs ?? []
    var clock = RunClock(stepsDone: position.step, totalSteps: totalSteps)
    var lastSave = clock.now
    while !position.isFinished {
      let epochStart = clock.now - position.seconds
      // Of the last step; a run may resume behind it with only the epoch's end left to do.
      var rate = options.schedule.rate(
        atStep: max(0, position.step - 1), of: totalSteps, base: optimizer.settings.learningRate)
      let batches = loader.batches(epoch: position.epoch, from: position.batch)
      while position.step < totalSteps, let batch = try batches.next() {
        rate = options.schedule.rate(atStep: position.step, of: totalSteps, base: optimizer.settings.learningRate)
        let result = try stepPlan.run(batch, step: position.step + 1, learningRate: rate)
        try checkFinite(result, batch, stepPlan, position, rate)
        position.firstLoss = position.firstLoss ?? result.loss
        position.step += 1
        position.batch += 1
        position.lossSum += Double(result.loss) * Double(batch.indices.count)
        position.exampleCount += batch.indices.count
        position.seconds = clock.now - epochStart
        clock.advance(examples: batch.indices.count)
        if let every = options.logEvery, position.step % every == 0 {
          try log?.append(StepMetrics(step: position.step, loss: result.loss))
        }
        try onEvent(
          .step(
            .init(
              step: position.step, totalSteps: totalSteps, epoch: position.epoch + 1, loss: result.loss,
              meanLoss: position.lossSum / Double(position.exampleCount), learningRate: rate,
              gradientNorm: result.gradientNorm, examplesPerSecond: clock.examplesPerSecond,
              secondsLeft: clock.secondsLeft, waitingShare: batches.waitedSeconds / max(1e-9, position.seconds))))
        if shouldStop() {
          try save()
          return try outcome(interrupted: true)
        }
        if clock.now - lastSave > options.checkpointInterval {
          try save()
          lastSave = clock.now
        }
      }

      // The epoch is over.
      let model = try stepPlan.model
      let evaluation = try validation.map { dataset in
        try evaluator.evaluate(
          model, on: dataset, batchSize: max(options.batchSize, 64), loaderThreads: options.loaderThreads
        ) { try onEvent(.validating(done: $0, of: dataset.count)) }
      }
      if let evaluation, !evaluation.loss.isFinite {
        throw TrainingError.notFinite(step: position.step, place: "the validation loss", learningRate: rate)
      }
      let score = evaluation.map { $0.labels.isEmpty ? -$0.loss : $0.accuracy }
      let isBest =
        score.map { score in
          guard let bestScore = position.bestScore, let bestLoss = position.bestLoss else { return true }
          return score > bestScore || (score == bestScore && evaluation!.loss < bestLoss)
        } ?? true
      if isBest {
        best = tensors(of: model)
        position.bestEpoch = position.epoch + 1
        position.bestScore = score
        position.bestLoss = evaluation?.loss
      }
      let line = EpochMetrics(
        epoch: position.epoch + 1, step: position.step,
        trainLoss: position.lossSum / Double(max(1, position.exampleCount)), validationLoss: evaluation?.loss,
        validationAccuracy: evaluation.flatMap { $0.labels.isEmpty ? nil : $0.accuracy }, learningRate: rate,
        seconds: clock.now - epochStart)
      metrics.append(line)
      try log?.append(line)
      if let run {
        try Safetensors.write(tensors(of: model), metadata: modelMetadata, to: run.lastModelPath)
        if isBest { try Safetensors.write(best, metadata: modelMetadata, to: run.modelPath) }
      }
      position.epoch += 1
      (position.batch, position.lossSum, position.exampleCount, position.seconds) = (0, 0, 0, 0)
      let isOutOfPatience = options.earlyStoppingPatience.map { position.epoch - position.bestEpoch! >= $0 } ?? false
      position.isFinished = position.step >= totalSteps || position.epoch >= options.epochs || isOutOfPatience
      try save()
      lastSave = clock.now
      try onEvent(.epoch(line, isBest: isBest))
      if shouldStop() && !position.isFinished { return try outcome(interrupted: true) }
    }
    return try outcome(interrupted: false)
  }

  private func tensors(of model: Model) -> [String: Tensor] {
    Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor) })
  }

  private func check(_ checkpoint: Checkpoint, _ path: String, against step: TrainingStep<Model>) throws {
    let expected = tensors(of: initialModel).merging(step.optimizerState) { a, _ in a }
    for (name, tensor) in expected where checkpoint.tensors[name]?.shape != tensor.shape {
      let found = checkpoint.tensors[name].map { "has shape \($0.shape)" } ?? "is missing"
      throw TrainingError.checkpointDoesNotFit(
        path: path, reason: "\(name) \(found), but the model needs \(tensor.shape)")
    }
  }

  private func checkFinite(
    _ result: TrainingStep<Model>.Result, _ batch: Batch, _ step: TrainingStep<Model>, _ position: Checkpoint.Position,
    _ rate: Double
  ) throws {
    if !result.isFinite {
      let place = try step.findNonFinite(batch, step: position.step + 1, learningRate: rate)
      throw TrainingError.notFinite(step: position.step + 1, place: place, learningRate: rate)
    }
    if let first = position.firstLoss, result.loss > 1000 * (first + 1) {
      throw TrainingError.diverged(step: position.step + 1, loss: result.loss, firstLoss: first)
    }
  }
}

/// Rate and time left of a run.
private struct RunClock {
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

import Formats

/// One run of a trainer: where it stands, and how it gets on, step by step and epoch by epoch.
///
/// All that a step changes lies in `position`, the stage's training step and the best model so far, which are what a
/// checkpoint holds.
final class TrainingRun<Model: Layer> {
  private let trainer: Trainer<Model>
  private let data: StageData
  private let folder: RunFolder?
  private let modelMetadata: [String: String]
  private let onEvent: (TrainingEvent) throws -> Void
  private let shouldStop: () -> Bool

  private var position = Checkpoint.Position()
  private var stage: StageRun<Model>
  private var best: [String: Tensor]
  private var metrics: [EpochMetrics] = []
  private var log: MetricsLog?
  private var clock: RunClock
  private var lastSave: Double
  private let totalSteps: Int
  private let deadline: ContinuousClock.Instant?
  /// Of the latest epoch with its validation, and of the validation, in this stage and process.
  private var latestSeconds: (epoch: Double, validation: Double)?
  private var isOutOfTime = false
  private var epochWaitingShare = 0.0

  private var options: TrainingOptions { trainer.options }

  /// Thrown through work that a person broke off.
  private struct Interruption: Error {}

  init(
    _ trainer: Trainer<Model>, training: any Dataset, validation: (any Dataset)?, folder: RunFolder?, dataKey: String,
    modelMetadata: [String: String], resumes: Bool, deadline: ContinuousClock.Instant?,
    onEvent: @escaping (TrainingEvent) throws -> Void,
    shouldStop: @escaping () -> Bool
  ) throws {
    self.trainer = trainer
    self.folder = folder
    self.modelMetadata = modelMetadata
    self.deadline = deadline
    self.onEvent = onEvent
    self.shouldStop = shouldStop
    data = StageData(training, validation, trainer.options, folder, key: dataKey)
    best = trainer.initialModel.tensors
    var model = trainer.initialModel
    // A run that was killed before its first checkpoint has done nothing yet.
    let hasBegun = folder.map { $0.hasFile(at: $0.checkpointPath) || $0.hasFile(at: $0.metricsPath) } ?? false
    if resumes, hasBegun, let folder {
      let checkpoint = try Checkpoint(contentsOf: folder.checkpointPath)
      position = checkpoint.position
      guard trainer.stages.indices.contains(position.stage) else {
        throw TrainingError.checkpointDoesNotFit(
          path: folder.checkpointPath, reason: "it stands in stage \(position.stage + 1) of \(trainer.stages.count)")
      }
      best = checkpoint.bestModel
      try checkpoint.requireTensors(of: model.tensors, folder.checkpointPath)
      model = try model.mapParameters { path, _, tensor in checkpoint.tensors[path] ?? tensor }
      stage = try StageRun(trainer, index: position.stage, model: model, data: data)
      try checkpoint.requireTensors(of: stage.step.optimizerState, folder.checkpointPath)
      stage.step.restore(checkpoint.tensors)
    } else {
      stage = try StageRun(trainer, index: 0, model: model, data: data)
    }
    let epochs = trainer.stages.reduce(0) { $0 + $1.epochs }
    totalSteps = min(trainer.options.maximumSteps ?? .max, epochs * data.stepCount)
    clock = RunClock(stepsDone: position.step, totalSteps: totalSteps)
    lastSave = clock.now
    try folder?.create()
    if !resumes || !hasBegun { try save() }
    log = try folder.map { folder in
      try MetricsLog(folder.metricsPath, continuingAfterStep: position.step, epoch: position.epoch)
    }
    metrics = log?.epochs ?? []
  }

  /// The whole run, or what is left of it.
  func finish() throws -> TrainingOutcome<Model> {
    if !position.isFinished { try reportStage() }
    while !position.isFinished {
      do {
        try runEpoch()
        try endEpoch()
      } catch is Interruption {
        try save()
        return try outcome(wasInterrupted: true)
      }
      if shouldStop() && !position.isFinished {
        try save()
        return try outcome(wasInterrupted: true)
      }
    }
    return try outcome(wasInterrupted: false)
  }

  private func outcome(wasInterrupted: Bool) throws -> TrainingOutcome<Model> {
    let model = try trainer.initialModel.mapParameters { path, _, tensor in best[path] ?? tensor }
    return TrainingOutcome(
      model: model, bestEpoch: position.bestEpoch, metrics: metrics, steps: position.step,
      wasInterrupted: wasInterrupted, ranOutOfTime: isOutOfTime, arenaByteCount: stage.step.arenaByteCount)
  }

  // MARK: An epoch

  /// The rate of the latest step, or of the first one to come.
  private func rate(atStep step: Int) -> Double {
    let local = max(0, step - position.stageStartStep)
    let total = min(stage.plan.epochs * data.stepCount, (options.maximumSteps ?? .max) - position.stageStartStep)
    return stage.plan.schedule.rate(atStep: local, of: total, base: stage.plan.learningRate)
  }

  private func runEpoch() throws {
    let epochStart = clock.now - position.seconds
    let batches = try stage.batches(at: position) { done, total in
      try onEvent(.extracting(done: done, of: total))
      if shouldStop() { throw Interruption() }
    }
    // Of the part of the epoch that this process runs.
    let stepsStart = clock.now
    func waitingShare() -> Double { batches.waitedSeconds / max(1e-9, clock.now - stepsStart) }
    while position.step < totalSteps, !isOutOfTime {
      let rate = rate(atStep: position.step)
      // Steps of a stage count from 1, as its optimizer's moments do.
      let number = position.step - position.stageStartStep + 1
      let step = try stage.takeStep(number, learningRate: rate, from: batches) {
        if shouldStop() { throw Interruption() }
      }
      guard let step else { break }
      try checkFinite(step, number, rate)
      position.firstLoss = position.firstLoss ?? step.result.loss
      position.step += 1
      position.batch += step.batchCount
      position.lossSum += Double(step.result.loss) * Double(step.exampleCount)
      position.exampleCount += step.exampleCount
      position.seconds = clock.now - epochStart
      clock.advance(examples: step.exampleCount)
      if let every = options.logEvery, position.step % every == 0 {
        try log?.append(StepMetrics(step: position.step, loss: step.result.loss))
      }
      try onEvent(
        .step(
          .init(
            step: position.step, totalSteps: totalSteps, epoch: position.epoch + 1, loss: step.result.loss,
            meanLoss: position.lossSum / Double(position.exampleCount), learningRate: rate,
            gradientNorm: step.result.gradientNorm, examplesPerSecond: clock.examplesPerSecond,
            secondsLeft: clock.secondsLeft, waitingShare: waitingShare())))
      if shouldStop() { throw Interruption() }
      isOutOfTime = !hasTime(for: validationSeconds)
      if clock.now - lastSave > options.checkpointInterval { try save() }
    }
    position.seconds = clock.now - epochStart
    epochWaitingShare = waitingShare()
  }

  private func hasTime(for seconds: Double) -> Bool {
    deadline.map { ContinuousClock.now.advanced(by: .seconds(seconds)) < $0 } ?? true
  }

  /// What the validation at this epoch's end should take: as long as the latest one. The first one is judged by the
  /// steps, of which a pass forward is about a third.
  private var validationSeconds: Double {
    let perExample = position.seconds / Double(max(1, position.exampleCount))
    return latestSeconds?.validation ?? perExample / 3 * Double(data.validation?.count ?? 0)
  }

  /// Validates, keeps the model if it is the best so far, and moves on to the next epoch or stage.
  private func endEpoch() throws {
    let start = clock.now
    let model = try stage.step.averagedModel
    let evaluation = try stage.evaluate(model) { done, total in
      try onEvent(.validating(done: done, of: total))
    } extracting: { done, total in
      try onEvent(.extracting(done: done, of: total))
      if shouldStop() { throw Interruption() }
    }
    let rate = rate(atStep: position.step - 1)
    if let evaluation, !evaluation.loss.isFinite {
      throw TrainingError.notFinite(step: position.step, place: "the validation loss", learningRate: rate)
    }
    let isBest = keepIfBest(model, evaluation)
    let stageName = trainer.stages.count > 1 ? stage.plan.name : nil
    let trainLoss = position.lossSum / Double(max(1, position.exampleCount))
    let accuracy = evaluation.flatMap { $0.labels.isEmpty ? nil : $0.accuracy }
    let line = EpochMetrics(
      epoch: position.epoch + 1, stage: stageName, step: position.step, trainLoss: trainLoss,
      validationLoss: evaluation?.loss, validationAccuracy: accuracy, learningRate: rate,
      learningRates: stage.plan.rates(at: rate), seconds: position.seconds + clock.now - start,
      waitingShare: (epochWaitingShare * 1000).rounded() / 1000)
    metrics.append(line)
    try log?.append(line)
    position.epoch += 1
    latestSeconds = (line.seconds, clock.now - start)
    isOutOfTime = isOutOfTime || !hasTime(for: line.seconds)
    (position.batch, position.lossSum, position.exampleCount, position.seconds) = (0, 0, 0, 0)
    let startedStage = try moveOnIfStageIsOver()
    // Writing takes longer than an epoch on cached features.
    if position.isFinished || startedStage || clock.now - lastSave >= min(1, options.checkpointInterval) {
      try writeModels(last: model)
      try save()
    }
    try onEvent(.epoch(line, isBest: isBest))
    if startedStage { try reportStage() }
  }

  private func keepIfBest(_ model: Model, _ evaluation: Evaluator<Model>.Evaluation?) -> Bool {
    let score = evaluation.map { $0.labels.isEmpty ? -$0.loss : $0.accuracy }
    if let score, let evaluation, let bestScore = position.bestScore, let bestLoss = position.bestLoss,
      score < bestScore || (score == bestScore && evaluation.loss >= bestLoss)
    {
      return false
    }
    best = model.tensors
    position.bestEpoch = position.epoch + 1
    position.bestScore = score
    position.bestLoss = evaluation?.loss
    return true
  }

  /// - Returns: whether a next stage has begun.
  private func moveOnIfStageIsOver() throws -> Bool {
    let epochs = position.epoch - position.stageStartEpoch
    let sinceBest = position.epoch - max(position.bestEpoch ?? 0, position.stageStartEpoch)
    let isOutOfPatience = options.earlyStoppingPatience.map { sinceBest >= $0 } ?? false
    let isOutOfSteps = position.step >= (options.maximumSteps ?? .max)
    let isOver = epochs >= stage.plan.epochs || isOutOfPatience || isOutOfSteps
    guard isOver || isOutOfTime else { return false }
    let isLastStage = position.stage + 1 == trainer.stages.count
    guard !isLastStage, !isOutOfSteps, !isOutOfTime else {
      isOutOfTime = isOutOfTime && !(isOver && isLastStage)
      position.isFinished = true
      return false
    }
    position.stage += 1
    latestSeconds = nil
    (position.stageStartEpoch, position.stageStartStep) = (position.epoch, position.step)
    let model = try trainer.initialModel.mapParameters { path, _, tensor in best[path] ?? tensor }
    stage = try StageRun(trainer, index: position.stage, model: model, data: data)
    return true
  }

  private func reportStage() throws {
    let parameters = trainer.initialModel.parameters.filter(\.kind.isTrained)
    let factors = stage.plan.rateFactors
    let frozen = parameters.reduce(0) { $0 + (factors[$1.path] == 0 ? $1.tensor.elementCount : 0) }
    let all = parameters.reduce(0) { $0 + $1.tensor.elementCount }
    try onEvent(
      .stage(
        .init(
          stage: stage.plan, index: position.stage, stageCount: trainer.stages.count, trainedParameters: all - frozen,
          frozenParameters: frozen, featureShape: stage.cachesFeatures ? stage.prefix?.featureShape : nil)))
  }

  private func checkFinite(_ step: StageRun<Model>.Step, _ number: Int, _ rate: Double) throws {
    let result = step.result
    if !result.isFinite {
      let place = try stage.step.findNonFinite(step.lastBatch, step: number, learningRate: rate)
      throw TrainingError.notFinite(step: position.step + 1, place: place, learningRate: rate)
    }
    if let first = position.firstLoss, result.loss > 1000 * (first + 1) {
      throw TrainingError.diverged(step: position.step + 1, loss: result.loss, firstLoss: first)
    }
  }

  // MARK: Files

  private func writeModels(last model: Model) throws {
    guard let folder else { return }
    try Safetensors.write(model.tensors, metadata: modelMetadata, to: folder.lastModelPath)
    try Safetensors.write(best, metadata: modelMetadata, to: folder.modelPath)
  }

  private func save() throws {
    lastSave = clock.now
    guard let folder else { return }
    var checkpoint = Checkpoint(
      tensors: try stage.step.model.tensors.merging(stage.step.optimizerState) { a, _ in a },
      bestModel: best)
    checkpoint.position = position
    try checkpoint.write(to: folder.checkpointPath)
    // Only the stage that runs needs what its frozen part made of the data.
    if position.isFinished || (!stage.cachesFeatures && position.stage > 0) { data.removeFeatures() }
  }
}

extension Module {
  /// All tensors, by path.
  var tensors: [String: Tensor] { Dictionary(uniqueKeysWithValues: parameters.map { ($0.path, $0.tensor) }) }
}

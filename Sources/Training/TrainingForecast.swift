/// What a training will take, from a few timed steps of it.
public struct TrainingForecast: Codable, Hashable, Sendable {
  public struct Stage: Codable, Hashable, Sendable {
    public var name: String
    public var epochs: Int
    /// Numbers that learn, and that stay as they are.
    public var trainedParameters: Int
    public var frozenParameters: Int
    /// Seconds before its epochs, for what frozen layers make of the data.
    public var preparation: Double
    public var secondsPerEpoch: Double

    public var seconds: Double { preparation + Double(epochs) * secondsPerEpoch }

    enum CodingKeys: String, CodingKey {
      case name, epochs, preparation
      case trainedParameters = "trained_parameters"
      case frozenParameters = "frozen_parameters"
      case secondsPerEpoch = "seconds_per_epoch"
    }
  }

  public var stages: [Stage]
  /// Seconds to judge a picture in: the pass forward through all layers, and loading.
  public var judging: Double
  /// Of the model, the optimizer's tensors, copies of both, and the intermediates of a step.
  public var memoryByteCount: Int
  /// Of that, the arena of a step's intermediates.
  public var arenaByteCount: Int
  /// Without early stopping.
  public var seconds: Double { stages.reduce(0) { $0 + $1.seconds } }

  /// Seconds left once some epochs are done.
  ///
  /// - Parameter epochs: of all stages together; what a stage does before its epochs counts to the first of them.
  public func seconds(after epochs: Double) -> Double {
    var (left, done) = (0.0, epochs)
    for stage in stages {
      let rest = max(0, Double(stage.epochs) - max(0, done))
      left += rest * stage.secondsPerEpoch + (done <= 0 ? stage.preparation : 0)
      done -= Double(stage.epochs)
    }
    return left
  }

  enum CodingKeys: String, CodingKey {
    case stages, judging
    case memoryByteCount = "memory_bytes"
    case arenaByteCount = "arena_bytes"
  }
}

extension Trainer {
  /// Times a few steps of each stage on copies of the model.
  ///
  /// - Parameter run: where the training will write; without a folder nothing is kept between epochs.
  public func forecast(
    _ training: any Dataset, validation: (any Dataset)? = nil, run: RunFolder? = nil
  ) throws -> TrainingForecast {
    guard training.count > 0 else { throw TrainingError.noExamples }
    let data = StageData(training, validation, options, run, key: "")
    let (batch, loading) = try Self.timedBatch(data)
    let numbers = initialModel.parameters.filter(\.kind.isTrained)
    var forecast = TrainingForecast(stages: [], judging: 0, memoryByteCount: 0, arenaByteCount: 0)
    for (index, plan) in stages.enumerated() {
      let stage = try StageRun(self, index: index, model: initialModel, data: data)
      let factors = plan.rateFactors
      let frozen = numbers.reduce(0) { $0 + (factors[$1.path] == 0 ? $1.tensor.elementCount : 0) }
      let all = numbers.reduce(0) { $0 + $1.tensor.elementCount }
      let cost = try stage.cost(of: batch, loadingExample: loading)
      forecast.stages.append(
        .init(
          name: plan.name, epochs: plan.epochs, trainedParameters: all - frozen, frozenParameters: frozen,
          preparation: cost.preparation, secondsPerEpoch: cost.epoch))
      forecast.judging = max(forecast.judging, cost.judging)
      forecast.arenaByteCount = max(forecast.arenaByteCount, stage.step.arenaByteCount)
      let copies = 3 * all + (all - frozen) * (stage.optimizer.slots.count + (options.accumulation > 1 ? 1 : 0))
      forecast.memoryByteCount = max(forecast.memoryByteCount, 4 * copies + stage.step.arenaByteCount)
    }
    return forecast
  }

  /// A batch, and the seconds that loading an example takes with nothing else going on.
  private static func timedBatch(_ data: StageData) throws -> (batch: Batch, secondsPerExample: Double) {
    let start = ContinuousClock.now
    let batches = data.batches(of: data.training, epoch: 0, from: 0, examplesOf: nil)
    guard let first = try batches.next() else { throw TrainingError.noExamples }
    var count = first.indices.count
    for _ in 0..<2 { count += try batches.next()?.indices.count ?? 0 }
    return (first, (ContinuousClock.now - start) / .seconds(1) / Double(count))
  }
}

extension StageRun {
  /// Seconds that the stage takes before its epochs, and for each of them. Loading shares the processors with
  /// computing, so that their times add up.
  func cost(
    of batch: Batch, loadingExample: Double
  ) throws -> (preparation: Double, epoch: Double, judging: Double) {
    var batch = batch
    let count = Double(batch.indices.count)
    var extraction = 0.0
    if let prefix {
      let input = batch.input
      _ = try prefix.features(of: input)
      extraction = try Self.seconds { batch.input = try prefix.features(of: input) } / count
    }
    let stepping = try seconds(perStepWith: batch) / count
    let (training, validation) = (Double(data.training.count), Double(data.validation?.count ?? 0))
    let each = loadingExample + extraction
    // Judging an image costs about a third of learning from it: the pass forward without the one backward.
    let judging = each + stepping / 3
    if cachesFeatures, let versions = plan.versions {
      let versions = min(versions, plan.epochs)
      return (each * (training * Double(versions) + validation), stepping * training, judging)
    }
    return (0, (stepping + each) * training + judging * validation, judging)
  }

  /// Seconds of a step, or of a batch's share in one, at a rate that changes nothing.
  private func seconds(perStepWith batch: Batch) throws -> Double {
    guard options.accumulation > 1 else {
      _ = try step.run(batch, step: 1, learningRate: 0)
      return try Self.seconds { _ = try step.run(batch, step: 2, learningRate: 0) }
    }
    _ = try step.accumulate(batch, draw: 1)
    let part = try Self.seconds { _ = try step.accumulate(batch, draw: 2) }
    _ = try step.update(step: 1, learningRate: 0)
    _ = try step.accumulate(batch, draw: 3)
    return part + (try Self.seconds { _ = try step.update(step: 2, learningRate: 0) }) / Double(options.accumulation)
  }

  private static func seconds(_ work: () throws -> Void) rethrows -> Double {
    let start = ContinuousClock.now
    try work()
    return (ContinuousClock.now - start) / .seconds(1)
  }
}

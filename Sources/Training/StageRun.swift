import Foundation
import Graph

/// The data of a run, and the files with what frozen parts of the model make of them.
struct StageData {
  let training: any Dataset
  let validation: (any Dataset)?
  let options: TrainingOptions
  private let folder: RunFolder?
  private let key: String

  /// Features that take more than this are computed anew in each epoch.
  private static var byteLimit: Int { 4 << 30 }

  init(
    _ training: any Dataset, _ validation: (any Dataset)?, _ options: TrainingOptions, _ folder: RunFolder?, key: String
  ) {
    (self.training, self.validation, self.options, self.folder, self.key) = (training, validation, options, folder, key)
  }

  private func loader(_ dataset: any Dataset) -> DataLoader {
    DataLoader(
      dataset, batchSize: options.batchSize, shuffle: options.shuffles, seed: options.seed,
      threads: options.loaderThreads, mixing: options.mixing)
  }

  /// Steps in an epoch.
  var stepCount: Int {
    let batches = loader(training).batchCount
    return (batches + options.accumulation - 1) / options.accumulation
  }

  func batches(of dataset: any Dataset, epoch: Int, from batch: Int, examplesOf exampleEpoch: Int?) -> BatchIterator {
    loader(dataset).batches(epoch: epoch, from: batch, examplesOf: exampleEpoch)
  }

  // MARK: Features

  func hasRoom(for prefix: FrozenPrefix, versions: Int) -> Bool {
    // Blending happens to pictures, before the frozen part.
    guard folder != nil, options.cachesFeatures, options.mixing == nil else { return false }
    let count = Double(training.count * versions + (validation?.count ?? 0))
    return count * Double(prefix.featureShape.elementCount * 4) <= Double(Self.byteLimit)
  }

  /// What a prefix makes of a data set under the random changes of an epoch; read if it has been computed before.
  func features(
    of dataset: any Dataset, name: String, epoch: Int, prefix: FrozenPrefix, progress: (Int, Int) throws -> Void
  ) throws -> FeatureFile {
    guard let folder else { fail("features are kept in a run's folder") }
    let key = String(
      XXHash64.hash("\(key) \(name) \(dataset.count) \(options.seed) \(epoch)", seed: prefix.fingerprint), radix: 16)
    let path = "\(folder.featuresPath)/\(name)-\(key)"
    if let known = FeatureFile(path, key: key), known.count == dataset.count { return known }
    try FileManager.default.createDirectory(atPath: folder.featuresPath, withIntermediateDirectories: true)
    let loader = DataLoader(
      dataset, batchSize: FrozenPrefix.batchSize, seed: options.seed, mergesLoneExample: false,
      threads: options.loaderThreads)
    try FeatureFile.write(
      to: path, key: key, count: dataset.count, prefix: prefix, batches: loader.batches(epoch: epoch)
    ) { try progress($0, dataset.count) }
    guard let written = FeatureFile(path, key: key) else {
      throw TrainingError.featuresLost(path: path)
    }
    return written
  }

  func removeFeatures() {
    if let folder { try? FileManager.default.removeItem(atPath: folder.featuresPath) }
  }
}

/// What one stage of a run computes with: its compiled steps, and the frozen part that comes before them.
final class StageRun<Model: Layer> {
  let plan: TrainingStage
  let step: TrainingStep<Model>
  /// The frozen part that is computed apart, if the model begins with one.
  let prefix: FrozenPrefix?
  /// Whether each example passes the frozen part once only.
  let cachesFeatures: Bool
  let optimizer: Optimizer
  private let evaluator: Evaluator<Model>
  private let validatesOnFeatures: Bool
  let data: StageData
  let options: TrainingOptions
  private var epochFeatures: (epoch: Int, file: FeatureFile)?
  private var validationFeatures: FeatureFile?

  init(_ trainer: Trainer<Model>, index: Int, model: Model, data: StageData) throws {
    plan = trainer.stages[index]
    optimizer = plan.optimizer.map { Optimizer($0) } ?? trainer.optimizer
    options = trainer.options
    self.data = data
    let factors = plan.rateFactors
    let isFrozen: @Sendable (String) -> Bool = { factors[$0] == 0 }
    let allowsWinograd = trainer.options.allowsWinograd
    var prefix: FrozenPrefix?
    if factors.values.contains(0) {
      let example = try data.training.example(at: 0, random: RandomStream(seed: 0)).input.shape
      prefix = try FrozenPrefix(
        of: model, exampleShape: example, allowsWinograd: allowsWinograd, isFrozen: isFrozen)
    }
    self.prefix = prefix
    if let prefix, let versions = plan.versions {
      cachesFeatures = data.hasRoom(for: prefix, versions: versions)
    } else {
      cachesFeatures = false
    }
    let loss = trainer.loss
    // Dropout of different stages is drawn from different streams.
    step = TrainingStep(
      model, optimizer: optimizer, seed: trainer.options.seed &+ UInt64(index), rateFactors: factors,
      averagingDecay: trainer.options.averagingDecay, prefix: prefix, allowsWinograd: allowsWinograd
    ) { model, input, target in try model.trainingLoss(input, target, by: loss) }
    validatesOnFeatures = try cachesFeatures && prefix?.isPartOfInference(of: model, isFrozen: isFrozen) ?? false
    evaluator = Evaluator(
      allowsWinograd: allowsWinograd, prefix: validatesOnFeatures ? prefix : nil, isFrozen: isFrozen,
      loss: trainer.validationLoss)
  }

  /// The batches of an epoch from a position on, as the training step takes them.
  ///
  /// - Parameter extracting: called while features are computed.
  func batches(at position: Checkpoint.Position, extracting: (Int, Int) throws -> Void) throws -> StageBatches {
    let version = plan.versions.map { versions in
      position.stageStartEpoch + (position.epoch - position.stageStartEpoch) % max(1, versions)
    }
    guard cachesFeatures, let prefix, let version else {
      return StageBatches(
        data.batches(of: data.training, epoch: position.epoch, from: position.batch, examplesOf: version),
        prefix: prefix)
    }
    if epochFeatures?.epoch != version {
      let file = try data.features(
        of: data.training, name: "training", epoch: version, prefix: prefix, progress: extracting)
      epochFeatures = (version, file)
    }
    let file = epochFeatures!.file
    return StageBatches(
      data.batches(of: file, epoch: position.epoch, from: position.batch, examplesOf: nil), prefix: nil)
  }

  /// One step, and what it took.
  struct Step {
    var result: TrainingStep<Model>.Result
    var batchCount = 0
    var exampleCount = 0
    /// The one that broke off the step, if it is not finite.
    var lastBatch: Batch
  }

  /// Takes the next step along the gradient of a batch, or of several that follow each other.
  ///
  /// - Parameters:
  ///   - number: of the step; counts from 1.
  ///   - betweenBatches: called between the batches of a step; if it throws, the step has not happened.
  /// - Returns: `nil` after the last batch.
  func takeStep(
    _ number: Int, learningRate: Double, from batches: StageBatches, betweenBatches: () throws -> Void = {}
  ) throws -> Step? {
    guard let first = try batches.next() else { return nil }
    let parts = options.accumulation
    guard parts > 1 else {
      let result = try step.run(first, step: number, learningRate: learningRate)
      return Step(result: result, batchCount: 1, exampleCount: first.indices.count, lastBatch: first)
    }
    var taken = Step(result: .init(loss: 0, gradientNorm: 0), lastBatch: first)
    var next: Batch? = first
    while let batch = next {
      taken.lastBatch = batch
      taken.result = try step.accumulate(batch, draw: (number - 1) * parts + taken.batchCount + 1)
      guard taken.result.isFinite else { return taken }
      taken.batchCount += 1
      taken.exampleCount += batch.indices.count
      guard taken.batchCount < parts else { break }
      do {
        try betweenBatches()
      } catch {
        step.discardAccumulated()
        throw error
      }
      next = try batches.next()
    }
    taken.result = try step.update(step: number, learningRate: learningRate)
    return taken
  }

  func evaluate(
    _ model: Model, validating: (Int, Int) throws -> Void, extracting: (Int, Int) throws -> Void
  ) throws -> Evaluator<Model>.Evaluation? {
    guard var dataset = data.validation else { return nil }
    if validatesOnFeatures, let prefix {
      if validationFeatures == nil {
        validationFeatures = try data.features(
          of: dataset, name: "validation", epoch: 0, prefix: prefix, progress: extracting)
      }
      dataset = validationFeatures ?? dataset
    }
    let count = dataset.count
    return try evaluator.evaluate(
      model, on: dataset, batchSize: max(options.batchSize, 64), loaderThreads: options.loaderThreads
    ) { try validating($0, count) }
  }
}

/// Batches for a training step: as they are loaded, or what a frozen prefix makes of them.
struct StageBatches {
  private let batches: BatchIterator
  private let prefix: FrozenPrefix?

  init(_ batches: BatchIterator, prefix: FrozenPrefix?) {
    self.batches = batches
    self.prefix = prefix
  }

  func next() throws -> Batch? {
    guard var batch = try batches.next() else { return nil }
    if let prefix { batch.input = try prefix.features(of: batch.input) }
    return batch
  }

  var waitedSeconds: Double { batches.waitedSeconds }
}

import Formats
import Foundation
import Models

/// A classifier's training, ready to run: data opened and checked, split drawn, model built.
///
/// Everything that can be wrong with the data is found here, before the first step.
public struct ClassifierTraining: Sendable {
  public private(set) var record: RunRecord
  /// What a person should know before it starts.
  public let notes: [String]
  public let model: AnyLayer
  /// Images of each class to train and to validate on.
  public let classCounts: [(name: String, training: Int, validation: Int)]
  /// What is trained when; empty for a single stage with all of the model.
  public private(set) var stages: [TrainingStage]
  private let training: any LabeledDataset
  private let validation: any LabeledDataset
  private let classWeights: [Float]?
  public let isResumed: Bool

  /// Opens and checks the data of a job.
  ///
  /// - Parameter progress: called while files are opened.
  /// - Throws: ``UnreadableImages`` that lists every file that cannot be read, unless the job skips them.
  public init(_ job: ClassifierJob, progress: (@Sendable (_ done: Int, _ total: Int) -> Void)? = nil) throws {
    try self.init(job, resuming: nil, progress: progress)
  }

  /// Goes on with a run.
  public init(resuming run: RunFolder, progress: (@Sendable (_ done: Int, _ total: Int) -> Void)? = nil) throws {
    let record = try RunRecord(of: run)
    try self.init(record.job, resuming: (record, run), progress: progress)
  }

  private init(
    _ job: ClassifierJob, resuming known: (record: RunRecord, folder: RunFolder)?,
    progress: (@Sendable (_ done: Int, _ total: Int) -> Void)?
  ) throws {
    let old = known?.record
    try job.check()
    var images = try LabeledImages.open(job.data)
    var notes = images.notes
    if case .folder(let path) = job.validation {
      images.validation = try LabeledImages.openForEvaluation(path, classNames: images.training.classNames)
    } else if case .fraction = job.validation {
      images.validation = nil
    }
    let bad = try images.removeUnreadable(skips: job.skipsBadImages, progress: progress)
    if !bad.isEmpty { notes.append("\(bad.count) unreadable file\(bad.count == 1 ? "" : "s") left out") }

    let classNames = images.training.classNames
    if let old, old.model.classNames != classNames {
      throw TaskError("\(job.data ?? "data"): the classes are not those that the run began with; it cannot go on")
    }
    let start =
      try known.map { try StartingModel(resuming: $0.record, in: $0.folder) } ?? StartingModel(job, images.training)
    notes += start.notes
    let (model, configuration, preprocessing) = (start.model, start.configuration, start.preprocessing)

    let augmentation = job.augmentation ?? Self.augmentation(for: images.training, preprocessing)
    var job = job
    job.augmentation = augmentation
    job.modelName = configuration.name
    if let fineTuning = job.fineTuning {
      let groups = try LayerGroups(
        of: model, input: configuration.inputShape(), classifier: start.classifierPaths)
      stages = fineTuning.stages(job, groups: groups, isAugmented: augmentation != .none)
    } else {
      stages = []
    }
    var split: Split?
    let base: any LabeledDataset
    if let given = images.validation {
      base = images.training.view(nil, preprocessing, augmentation)
      validation = given.view(nil, preprocessing, .none)
    } else {
      let fraction = if case .fraction(let share) = job.validation { share } else { 0.2 }
      let drawn = try old?.split ?? Split(of: images.training, holdingOut: fraction, seed: job.training.seed)
      let parts = try drawn.indices(in: images.training)
      guard parts.unknown.isEmpty else {
        let count = parts.unknown.count
        throw TaskError(
          "\(job.data ?? "data"): \(count) image\(count == 1 ? " is" : "s are") new since the run began; "
            + "it cannot go on with \(count == 1 ? "it" : "them")")
      }
      guard !parts.training.isEmpty, !parts.validation.isEmpty else {
        throw TaskError(
          "\(job.data ?? "data"): too few images to hold some out for validation; add images or give --validation FOLDER"
        )
      }
      base = images.training.view(parts.training, preprocessing, augmentation)
      validation = images.training.view(parts.validation, preprocessing, .none)
      split = drawn
    }
    let trainingImages = base.count
    if let old, (trainingImages, validation.count) != (old.trainingImages, old.validationImages) {
      throw TaskError(
        "\(job.data ?? "data"): the run began with \(old.trainingImages) images and \(old.validationImages) to validate "
          + "on, but now there are \(trainingImages) and \(validation.count); it cannot go on")
    }
    let balance = ClassBalance(of: base)
    if job.balance == nil, let advice = balance.advice { notes.append(advice) }
    training = job.balance == .sampling ? Self.subset(base, balance.evenIndices) : base
    classWeights = job.balance == .weights ? balance.weights : nil
    let validationCounts = ClassBalance(of: validation).counts
    classCounts = classNames.indices.map { (classNames[$0], balance.counts[$0], validationCounts[$0]) }
    let unjudged = classCounts.filter { $0.validation == 0 }.map(\.name)
    if !unjudged.isEmpty {
      let names = unjudged.prefix(5).joined(separator: ", ") + (unjudged.count > 5 ? ", ..." : "")
      notes.append("no image to validate on is of \(names), so the accuracy says nothing about that; add images")
    }
    self.model = model
    self.notes = notes
    isResumed = old != nil
    func origin() throws -> ImageClassifier.Description.WeightsOrigin? {
      // The file may be gone when a run goes on.
      if let old { return old.model.provenance.weights }
      return try job.weightsPath.map { try .init(path: $0) }
    }
    record = RunRecord(
      job: job,
      model: .init(
        architecture: configuration, classNames: classNames, preprocessing: preprocessing,
        provenance: .init(
          library: "convnet \(libraryVersion)", data: job.data ?? LabeledImages.embeddedName,
          trainingImages: trainingImages, seed: job.training.seed,
          weights: try origin()),
        pretrained: old.map(\.model.pretrained) ?? start.record),
      parameters: model.parameterCount, trainingImages: trainingImages, validationImages: validation.count,
      badImages: bad, split: split)
  }

  /// Trains, and writes the run's folder.
  ///
  /// - Parameters:
  ///   - writesReport: whether to end with ``RunReporter``, which also calibrates the model.
  ///   - deadline: when the training, but not its report, must have ended: see ``Trainer``.
  ///   - shouldStop: asked after each batch; ends the run so that it can be resumed.
  ///   - onReport: called with what the report's making is about.
  public func run(
    in folder: RunFolder, writesReport: Bool = true, deadline: ContinuousClock.Instant? = nil,
    onEvent: (TrainingEvent) throws -> Void = { _ in },
    shouldStop: () -> Bool = { false }, onReport: (String) -> Void = { _ in }
  ) throws -> TrainingOutcome<AnyLayer> {
    try folder.create()
    if !isResumed { try record.write(to: folder) }
    let trainer = trainer()
    let board = try record.job.tensorBoardFolder.map { try TensorBoardLog(folder: $0) }
    try board?.begin(model, record.model.preprocessing, training, trainer.options, showsPictures: !isResumed)
    let outcome = try trainer.fit(
      training, validation: validation, run: folder, dataKey: dataKey(),
      modelMetadata: ImageClassifier.metadata(of: model, record.model, try sketch()),
      resumes: isResumed, deadline: deadline,
      onEvent: {
        try board?.record($0)
        try onEvent($0)
      }, shouldStop: shouldStop)
    if !outcome.wasInterrupted {
      try board?.end(outcome.model, step: outcome.steps)
      var finished = record
      finished.waitingShare = outcome.metrics.waitingShare.map { ($0 * 1000).rounded() / 1000 }
      try finished.write(to: folder)
      // A report judges the model too, and writes what it says.
      if writesReport {
        try writeReport(in: folder, progress: onReport)
      } else {
        try writePredictions(of: outcome.model, in: folder)
      }
    }
    return outcome
  }

  /// What the run will take, from a few timed steps.
  public func forecast(in folder: RunFolder) throws -> TrainingForecast {
    try trainer().forecast(training, validation: validation, run: folder)
  }

  /// Looks for a learning rate on a copy of the model, takes it, and draws the curve into the run's folder.
  public mutating func findLearningRate(in folder: RunFolder) throws -> LearningRateFinder {
    let finder = try LearningRateFinder(trainer(), on: training)
    try folder.create()
    try AtomicFile.write(finder.chart.standaloneSVG.text + "\n", to: folder.learningRatePath)
    guard let rate = finder.suggestion else { return finder }
    if record.job.fineTuning?.strategy == .head {
      record.job.fineTuning?.headLearningRate = rate
    } else {
      record.job.optimizer.learningRate = rate
    }
    if !stages.isEmpty { stages[stages.count - 1].learningRate = rate }
    return finder
  }

  /// What tells whether pictures that the model is judged on are among those that it learned from.
  private func sketch() throws -> ContentSketch {
    ContentSketch(try (0..<training.count).map { try training.contentHash(at: $0) })
  }

  private func trainer() -> Trainer<AnyLayer> {
    let job = record.job
    var options = job.training
    if job.mixUp != nil || job.cutMix != nil {
      options.mixing = BatchMixing(mixUp: job.mixUp, cutMix: job.cutMix, classCount: record.model.classNames.count)
    }
    let (smoothing, classWeights) = (job.labelSmoothing, classWeights.map { Tensor($0) })
    return Trainer(
      model, optimizer: Optimizer(job.optimizer), options: options, stages: stages,
      loss: { crossEntropy($0, $1, classWeights: classWeights, labelSmoothing: smoothing) },
      validationLoss: { crossEntropy($0, $1) })
  }

  /// Changes with the images and with what is done to them before the network.
  private func dataKey() throws -> String {
    guard stages.contains(where: { $0.versions != nil }) else { return "" }
    struct Rules: Encodable {
      var preprocessing: ImagePreprocessing
      var augmentation: Augmentation?
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let rules = try encoder.encode(
      Rules(preprocessing: record.model.preprocessing, augmentation: record.job.augmentation))
    var hash = XXHash64.hash([UInt8](rules))
    for part in [training, validation] {
      for index in 0..<part.count { hash = XXHash64.hash(try part.contentHash(at: index), seed: hash) }
    }
    return String(hash, radix: 16)
  }

  private func writeReport(in folder: RunFolder, progress: (String) -> Void) throws {
    do {
      var reporter = try RunReporter(folder)
      try reporter.write(progress: progress)
    } catch {
      throw TaskError(
        "the training is done and the model is \(folder.modelPath), but there is no report: \(error); "
          + "then try `convnet report \(folder.path)`")
    }
  }

  /// What the model says of each validation image, for reports and comparisons.
  private func writePredictions(of model: AnyLayer, in folder: RunFolder) throws {
    let evaluation = try Evaluator<AnyLayer>(allowsWinograd: record.job.training.allowsWinograd) {
      crossEntropy($0, $1)
    }
    .evaluate(model, on: validation, loaderThreads: record.job.training.loaderThreads)
    let names = (0..<validation.count).map { validation.exampleName(at: $0) }
    try ExamplePrediction.write(
      ExamplePrediction.rows(logits: evaluation.outputs, labels: evaluation.labels, names: names), to: folder)
  }

  private static func subset(_ dataset: some LabeledDataset, _ indices: [Int]) -> any LabeledDataset {
    Subset(dataset, indices: indices)
  }
}

import Formats
import Foundation
import Models

/// A classifier's training, ready to run: data opened and checked, split drawn, model built.
///
/// Everything that can be wrong with the data is found here, before the first step.
public struct ClassifierTraining: Sendable {
  public let record: RunRecord
  /// What a person should know before it starts.
  public let notes: [String]
  public let model: AnyLayer
  private let training: any LabeledDataset
  private let validation: any LabeledDataset
  private let isResumed: Bool

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
    try self.init(record.job, resuming: record, progress: progress)
  }

  private init(
    _ job: ClassifierJob, resuming old: RunRecord?, progress: (@Sendable (_ done: Int, _ total: Int) -> Void)?
  ) throws {
    try job.check()
    var images = try LabeledImages.open(job.data)
    var notes = images.notes
    if case .folder(let path) = job.validation {
      images.validation = try LabeledImages.openForEvaluation(path, classNames: images.training.classNames)
    } else if case .fraction = job.validation {
      images.validation = nil
    }
    let bad = try Self.removeUnreadable(from: &images, skips: job.skipsBadImages, progress: progress)
    if !bad.isEmpty { notes.append("\(bad.count) unreadable file\(bad.count == 1 ? "" : "s") left out") }

    let architecture = try ModelRegistry.architecture(named: job.modelName)
    let preprocessing = try old?.model.preprocessing ?? Self.preprocessing(for: job, architecture, images.training)
    let classNames = images.training.classNames
    if let old, old.model.classNames != classNames {
      throw TaskError("\(job.data ?? "data"): the classes are not those that the run began with; it cannot go on")
    }
    let configuration = ModelConfiguration(
      name: job.modelName, channels: preprocessing.channels, classes: classNames.count,
      imageSize: [preprocessing.height, preprocessing.width])
    var model = AnyLayer(try ModelRegistry.make(configuration, seed: job.training.seed))
    // A resumed run has its weights from the checkpoint.
    if old == nil, let weights = job.weightsPath {
      model = try model.loading(Safetensors.read(weights).tensors, from: weights)
    }

    let augmentation = job.augmentation ?? Self.augmentation(for: images.training, preprocessing)
    var job = job
    job.augmentation = augmentation
    var split: Split?
    if let given = images.validation {
      training = images.training.view(nil, preprocessing, augmentation)
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
      training = images.training.view(parts.training, preprocessing, augmentation)
      validation = images.training.view(parts.validation, preprocessing, .none)
      split = drawn
    }
    if let old, (training.count, validation.count) != (old.trainingImages, old.validationImages) {
      throw TaskError(
        "\(job.data ?? "data"): the run began with \(old.trainingImages) images and \(old.validationImages) to validate "
          + "on, but now there are \(training.count) and \(validation.count); it cannot go on")
    }
    self.model = model
    self.notes = notes
    isResumed = old != nil
    record = RunRecord(
      job: job,
      model: .init(
        architecture: configuration, classNames: classNames, preprocessing: preprocessing,
        provenance: .init(
          library: "convnet \(libraryVersion)", data: job.data ?? LabeledImages.embeddedName,
          trainingImages: training.count, seed: job.training.seed)),
      parameters: model.parameterCount, trainingImages: training.count, validationImages: validation.count,
      badImages: bad, split: split)
  }

  /// Trains, and writes the run's folder.
  ///
  /// - Parameter shouldStop: asked after each step; ends the run so that it can be resumed.
  public func run(
    in folder: RunFolder, onEvent: (TrainingEvent) throws -> Void = { _ in }, shouldStop: () -> Bool = { false }
  ) throws -> TrainingOutcome<AnyLayer> {
    try folder.create()
    if !isResumed { try record.write(to: folder) }
    let smoothing = record.job.labelSmoothing
    var options = record.job.training
    if record.job.mixUp != nil || record.job.cutMix != nil {
      options.mixing = BatchMixing(
        mixUp: record.job.mixUp, cutMix: record.job.cutMix, classCount: record.model.classNames.count)
    }
    let board = try record.job.tensorBoardFolder.map { try TensorBoardLog(folder: $0) }
    try board?.begin(model, record.model.preprocessing, training, options, showsPictures: !isResumed)
    let trainer = Trainer(
      model, optimizer: Optimizer(record.job.optimizer), options: options,
      loss: { crossEntropy($0, $1, labelSmoothing: smoothing) }, validationLoss: { crossEntropy($0, $1) })
    return try trainer.fit(
      training, validation: validation, run: folder, modelMetadata: ImageClassifier.metadata(of: model, record.model),
      resumes: isResumed,
      onEvent: {
        try board?.record($0)
        try onEvent($0)
      }, shouldStop: shouldStop)
  }

  // MARK: Defaults

  /// The rule for a data set and an architecture: the architecture's size, grey if all pictures are, statistics of
  /// the training pictures. IDX pictures keep their size and get a black border, as LeCun et al. did for LeNet.
  static func preprocessing(for job: ClassifierJob, _ architecture: Architecture, _ images: any ImageDataset)
    throws -> ImagePreprocessing
  {
    let side = job.imageSize ?? architecture.standard.imageSize[0]
    guard (1...16384).contains(side) else {
      throw TaskError("--image-size \(side): images must have at least 1 and at most 16384 pixels a side")
    }
    let channels = try images.looksGrey() ? 1 : 3
    var resize = ImagePreprocessing.Resize.stretch
    var background = RGBColor.white
    if let idx = images as? IDXImages {
      background = .black
      let own = min(idx.base.imageHeight, idx.base.imageWidth)
      if own <= side && side <= own + 8 { resize = .shortestSide(own) }
    } else if side >= 64 {
      resize = .shortestSide(side * 8 / 7)
    }
    let rule = ImagePreprocessing(
      channels: channels, height: side, width: side, resize: resize, background: background)
    let statistics = try images.channelStatistics(rule)
    return ImagePreprocessing(
      channels: channels, height: side, width: side, resize: resize, background: background, mean: statistics.mean,
      std: statistics.deviation)
  }

  /// IDX files hold centred pictures that are best left alone; other small pictures get small changes, photographs
  /// larger ones.
  static func augmentation(for images: any ImageDataset, _ rule: ImagePreprocessing) -> Augmentation {
    images is IDXImages ? .none : min(rule.height, rule.width) <= 40 ? .light : .standard
  }

  private static func removeUnreadable(
    from images: inout LabeledImages, skips: Bool, progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> [String] {
    let parts = [images.training, images.validation].compactMap { $0 }
    let bad = parts.map { $0.verified(progress: progress) }
    let all = bad.flatMap { $0 }
    if all.isEmpty { return [] }
    if !skips { throw UnreadableImages(files: all.map(\.description)) }
    if let folder = images.training as? ImageFolder { images.training = try folder.removing(bad[0]) }
    if let folder = images.validation as? ImageFolder { images.validation = try folder.removing(bad[1]) }
    return all.map(\.path)
  }
}

/// Every file of a data set that cannot be read, with the reason.
public struct UnreadableImages: Error, CustomStringConvertible {
  public var files: [String]

  public var description: String { (files + [advice]).joined(separator: "\n") }

  /// What to do about them.
  public var advice: String {
    "\(files.count) file\(files.count == 1 ? "" : "s") cannot be read; "
      + "repair or remove \(files.count == 1 ? "it" : "them"), or leave them out with --skip-bad-images"
  }
}

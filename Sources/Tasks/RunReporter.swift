import Formats
import Foundation
import Inspect
import Report

/// Makes the report of a finished run: judges its best model once more, writes `predictions.jsonl`, fits the
/// calibration, stores it in the model's file, and writes `report.html`.
///
/// The work is bounded whatever the size of the data: some hundred pictures are shown, and of the training pictures as
/// many are searched for neighbours as a fixed amount of computing allows.
public struct RunReporter {
  public let run: RunFolder
  let record: RunRecord
  let images: RunImages
  let epochs: [EpochMetrics]
  private(set) var classifier: ImageClassifier

  /// - Throws: ``TaskError`` if there is no finished run, or its data is gone.
  public init(_ run: RunFolder) throws {
    self.run = run
    record = try RunRecord(of: run)
    images = try RunImages(record)
    guard FileManager.default.fileExists(atPath: run.modelPath) else {
      throw TaskError("\(run.path): the run has no model yet; let it finish its first epoch")
    }
    classifier = try ImageClassifier(contentsOf: run.modelPath)
    epochs = try EpochMetrics.read(from: run)
  }

  /// Writes the report, and the calibration into the model's file.
  ///
  /// - Parameter progress: called with what is being done.
  /// - Returns: the classifier with its calibration.
  @discardableResult
  public mutating func write(progress: (String) -> Void = { _ in }) throws -> ImageClassifier {
    let report = try report(progress: progress)
    try AtomicFile.write(try report.html(), to: run.reportPath)
    return classifier
  }

  /// Seconds that a training's report should take: every validation image is judged, a part of the training images is
  /// searched, and each heat map costs a pass backward and some more of randomized networks.
  static func seconds(for training: ClassifierTraining, _ forecast: TrainingForecast) throws -> Double {
    let record = training.record
    let searched = min(
      record.trainingImages,
      try ReportGathering.searchLimit(
        for: training.model, record.model.preprocessing, name: record.model.architecture.name))
    let maps = ReportGathering.heatMapCount * Explainer.passesPerCheckedMap
    return 1 + forecast.judging * Double(record.validationImages + searched + maps)
  }

  /// Fills the report; stores the calibration.
  mutating func report(progress: (String) -> Void) throws -> RunReport {
    let rule = classifier.description.preprocessing
    let extractor = FeatureExtractor(classifier.model, input: rule.shape)
    progress("judging \(images.validation.count) validation images")
    let rows = try extractor.rows(of: images.validation.view(rule))
    let names = (0..<images.validation.count).map(images.validation.name)
    try ExamplePrediction.write(
      ExamplePrediction.rows(logits: rows.logits, labels: rows.labels, names: names), to: run)
    let classification = ClassificationReport(
      logits: rows.logits, labels: rows.labels, classNames: record.model.classNames,
      loss: Calibration.crossEntropy(rows.logits, rows.labels, temperature: 1))
    let calibration = CalibrationReport(fitting: rows.logits, labels: rows.labels)
    var description = classifier.description
    description.calibration = calibration.calibration
    classifier = ImageClassifier(classifier.model, description, trainedOn: classifier.trainedOn)
    try classifier.write(to: run.modelPath)

    var trainingCounts = [Int](repeating: 0, count: record.model.classNames.count)
    for position in 0..<images.training.count { trainingCounts[images.training.label(at: position)] += 1 }
    var report = RunReport(
      title: "\(record.model.architecture.name) on \(Self.shortName(record.job.data))", classification: classification,
      calibration: calibration, trainingCounts: trainingCounts)
    report.epochs = epochs
    report.bestEpoch = Self.bestEpoch(epochs)
    report.facts = facts
    progress("looking for duplicates")
    let duplicates = try images.duplicates()
    report.duplicateCount = duplicates.count
    report.duplicates = duplicates.prefix(10).map {
      RunReport.Duplicate(
        training: fileName(images.training.name(at: $0.training)),
        validation: fileName(images.validation.name(at: $0.validation)))
    }
    let answers = ConfidentAnswer.all(
      logits: rows.logits, labels: rows.labels, temperature: calibration.calibration.temperature)
    var gathering = ReportGathering(self, report, rows, answers)
    try gathering.addPictures()
    progress("drawing heat maps")
    try gathering.addExplanations()
    try gathering.addLayers()
    progress("searching the training images")
    try gathering.addNeighbors(extractor)
    gathering.addMap()
    try gathering.addAugmentation()
    return gathering.report
  }

  /// A file's path from the data's folder on.
  func fileName(_ path: String) -> String {
    guard let data = record.job.data, path.hasPrefix(data + "/") else { return path }
    return String(path.dropFirst(data.count + 1))
  }

  /// The last part of a path.
  static func shortName(_ data: String?) -> String {
    guard let data else { return LabeledImages.embeddedName }
    return data.split(separator: "/").last.map(String.init) ?? data
  }

  /// The first of the epochs with the highest accuracy and, of those, the lowest loss: the one whose model was kept.
  static func bestEpoch(_ epochs: [EpochMetrics]) -> Int? {
    epochs.max {
      ($0.validationAccuracy ?? 0, -($0.validationLoss ?? 0), -$0.epoch)
        < ($1.validationAccuracy ?? 0, -($1.validationLoss ?? 0), -$1.epoch)
    }?.epoch
  }

  private var strategy: String {
    guard let fineTuning = record.job.fineTuning else { return "all layers trained alike" }
    let head = "\(fineTuning.headEpochs) epochs of a new last layer on frozen features"
    let full = "all layers, early ones more slowly"
    return switch fineTuning.strategy {
    case .head: "fine-tuned: \(head)"
    case .full: "fine-tuned: \(full)"
    case .staged: "fine-tuned: at most \(head), then \(full)"
    }
  }

  private var facts: [(name: String, value: String)] {
    let (job, rule) = (record.job, record.model.preprocessing)
    let resize =
      switch rule.resize {
      case .stretch: "stretched to the square"
      case .shortestSide(let side): "shorter side to \(side), then the middle"
      case .fit: "fitted in with a border"
      }
    let optimizer =
      switch job.optimizer.rule {
      case .sgd(let momentum, _): "SGD with momentum \(momentum)"
      case .adam: job.optimizer.isDecoupled ? "AdamW" : "Adam"
      }
    let validation =
      switch job.validation {
      case .folder(let path): "the images in \(path)"
      case .fraction(let share): "\(share.percent) of each class, chosen by content from seed \(job.training.seed)"
      case nil: record.split == nil ? "the data's own part" : "20 % of each class, chosen by content"
      }
    let seconds = epochs.reduce(0) { $0 + $1.seconds }
    let shuffle = job.training.shuffles ? "" : ", in the data's own order"
    let parts = job.training.accumulation
    let accumulation = parts > 1 ? ", \(parts) of which make a step" : ""
    let waiting = epochs.waitingShare.map { ", of which \($0.percent) waiting for data" } ?? ""
    let badImages = record.badImages.count
    return [
      ("Model", "\(record.model.architecture.name), \(record.parameters.grouped) parameters"),
      ("Strategy", strategy), ("Initial weights", job.weightsPath ?? "random, from seed \(job.training.seed)"),
      (
        "Data",
        job.data.map { "\($0); files below are named from there on" }
          ?? "\(LabeledImages.embeddedName), embedded in the program"
      ),
      (
        "Images",
        "\(record.trainingImages.grouped) to train on, \(record.validationImages.grouped) to validate on"
          + (badImages > 0 ? "; \(badImages) unreadable left out" : "")
      ),
      ("Validation", validation), ("Classes", record.model.classNames.joined(separator: ", ")),
      ("Input", "\(rule.channels == 1 ? "grey" : "RGB"), \(rule.width)x\(rule.height) pixels, \(resize)"),
      (
        "Optimizer",
        "\(optimizer), learning rate \(job.optimizer.learningRate), weight decay \(job.optimizer.weightDecay)"
      ),
      (
        "Training",
        "\(epochs.count) epochs in batches of \(job.training.batchSize)\(accumulation)\(shuffle), "
          + "\(seconds.rounded(digits: 1)) s\(waiting)"
      ),
      ("Made by", "convnet \(record.version), seed \(job.training.seed)"), ("Run", run.path),
    ]
  }
}

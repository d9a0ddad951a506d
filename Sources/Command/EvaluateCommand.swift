import ArgumentParser
import ConvNet
import Foundation

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Judge a model on labelled images.",
    discussion: """
      DATA is a folder as for `train`; of one with parts, val/ or test/ is taken. Classes are matched by name. Without \
      DATA, the embedded test pictures are used.
      """)

  @Argument(help: "A model file, or published weights: their file or the name of their architecture.") var model: String
  @Argument(help: "The folder with the images.") var data: String?
  @Flag(help: "Leave out images that cannot be read.") var skipBadImages = false
  @Flag(
    help: "Judge each image together with its mirror image (test-time augmentation): slower, often a little better.")
  var tta = false
  @Flag(help: "Print the result as JSON.") var json = false
  @OptionGroup var threads: ThreadOptions

  func run() throws {
    threads.apply()
    let classifier = try ImageClassifier(named: model)
    let (dataset, bad) = try LabeledImages.openForEvaluation(
      data, classNames: classifier.description.classNames, skipsBadImages: skipBadImages,
      progress: ProgressBar.opening)
    if !bad.isEmpty {
      writeToStandardError("note: \(bad.count) unreadable file\(bad.count == 1 ? "" : "s") left out\n")
    }
    if let known = try classifier.trainedCount(in: dataset), known > 0 {
      writeToStandardError(
        "note: the model learned from \(known.grouped) of these \(dataset.count.grouped) images, so this says little about "
          + "new ones; its run's report.html judges it on the images that were held out\n")
    }
    var progress = ProgressBar("evaluating", total: dataset.count, unit: "images")
    let report = try classifier.evaluate(dataset, mirrors: tta) { progress.update(to: $0) }
    progress.finish()
    if json { return try printJSON(report) }
    print(report.text)
  }
}

extension ClassificationReport {
  /// The report as a person reads it.
  var text: String {
    func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
    var table = TextTable([
      ("class", .left), ("images", .right), ("precision", .right), ("recall", .right), ("f1", .right),
      ("mostly taken for", .left),
    ])
    for (index, row) in classes.enumerated() {
      var wrong = confusion[index]
      wrong[index] = 0
      let most = wrong.indices.max { (wrong[$0], $1) < (wrong[$1], $0) }!
      table.append([
        row.name, "\(row.support)", percent(row.precision), percent(row.recall), percent(row.f1),
        wrong[most] == 0 ? "" : "\(classes[most].name) (\(wrong[most]))",
      ])
    }
    let top = classes.count > 5 ? "   among the first five \(percent(top5))" : ""
    let interval = accuracyInterval
    var text =
      table.text + "\n\n\(images) images   accuracy \(percent(accuracy))\(top)   loss "
      + String(format: "%.4f", loss)
    text += "\nwith 95 % confidence the accuracy is from \(percent(interval.lower)) to \(percent(interval.upper))"
    if let calibration {
      text += "\ncalibration error \(percent(calibration.after.expectedError)) with the model's temperature "
      text += String(format: "%.2f, ", calibration.calibration.temperature)
      text += "\(percent(calibration.before.expectedError)) without"
      if let threshold = calibration.calibration.threshold, threshold > 0 {
        text += "\nanswers of at least \(percent(threshold)): \(percent(calibration.coverage)) of the images, "
        text += "\(percent(calibration.answeredAccuracy)) of them right"
      }
    }
    return text
  }
}

import ArgumentParser
import ConvNet
import Foundation

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict", abstract: "Name what images show.",
    discussion: """
      Published weights are looked for in the folder that CONVNET_WEIGHTS names, or else in ~/.cache/convnet.
      """)

  @Argument(help: "A model file, or published weights: their file or the name of their architecture.")
  var model: String
  @OptionGroup var images: ImageFiles
  @Option(help: "How many classes to show for each image.") var top = 1
  @Flag(help: "Answer \"unknown\" below the model's own threshold.") var abstain = false
  @Option(help: "Answer \"unknown\" below this probability instead.") var threshold: Float?
  @Flag(help: "Print the result as JSON.") var json = false
  @OptionGroup var threads: ThreadOptions

  private struct Row: Codable {
    var file: String
    /// The most probable class, or "unknown".
    var answer: String
    /// Tells "unknown" from a class of that name.
    var isUnknown: Bool
    var predictions: [ImageClassifier.Prediction]

    enum CodingKeys: String, CodingKey {
      case file, answer, predictions
      case isUnknown = "is_unknown"
    }
  }

  func validate() throws {
    if top < 1 { throw ValidationError("--top must be at least 1, not \(top)") }
    if let threshold, !(0...1).contains(threshold) {
      throw ValidationError("--threshold must be from 0 to 1, not \(threshold)")
    }
  }

  func run() throws {
    threads.apply()
    let classifier = try ImageClassifier(named: model)
    let limit = try threshold ?? (abstain ? classifier.abstentionThreshold(from: model) : 0)
    let predictor = try ImagePredictor(consume classifier)
    var rows: [Row] = []
    try images.forEach { path in
      let predictions = try predictor.predict(contentsOf: path, top: top)
      let isUnknown = predictions[0].probability < limit
      let row = Row(
        file: path, answer: isUnknown ? "unknown" : predictions[0].className, isUnknown: isUnknown,
        predictions: predictions)
      if json { rows.append(row) } else { show(row) }
    } finally: {
      if json { try printJSON(rows) }
    }
  }

  private func show(_ row: Row) {
    let names = row.predictions.map { String(format: "%@ %.1f %%", $0.className, $0.probability * 100) }
    let list = names.joined(separator: ", ")
    print(row.isUnknown ? "\(row.file): unknown (\(list))" : "\(row.file): \(list)")
  }
}

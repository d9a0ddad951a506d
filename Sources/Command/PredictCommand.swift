import ArgumentParser
import ConvNet
import Foundation

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict", abstract: "Name what images show.",
    discussion: """
      Published weights are looked for in the folder that CONVNET_WEIGHTS names, or else in ~/.cache/convnet.
      """)

  @Argument(
    help:
      "A model file, or published weights: their file, or the name of their architecture to find it in the folder of weights."
  )
  var model: String
  @Argument(help: "JPEG, PNG or WebP files.") var images: [String]
  @Option(help: "How many classes to show for each image.") var top = 1
  @Flag(help: "Print the result as JSON.") var json = false
  @OptionGroup var threads: ThreadOptions

  private struct Row: Codable {
    var file: String
    var predictions: [ImageClassifier.Prediction]
  }

  func validate() throws {
    if top < 1 { throw ValidationError("--top must be at least 1, not \(top)") }
    if images.isEmpty { throw ValidationError("give at least one image") }
  }

  func run() throws {
    threads.apply()
    let classifier = try ImageClassifier(named: model)
    var rows: [Row] = []
    var failures = 0
    for path in images {
      do {
        let row = Row(file: path, predictions: try classifier.predict(contentsOf: path, top: top))
        if json { rows.append(row) } else { show(row) }
      } catch let error as ImageError {
        // One bad picture does not cost the others.
        failures += 1
        writeToStandardError("convnet: \(error)\n")
      }
    }
    if json { try printJSON(rows) }
    if failures > 0 { throw ExitCode(1) }
  }

  private func show(_ row: Row) {
    let names = row.predictions.map { String(format: "%@ %.1f %%", $0.className, $0.probability * 100) }
    print("\(row.file): \(names.joined(separator: ", "))")
  }
}

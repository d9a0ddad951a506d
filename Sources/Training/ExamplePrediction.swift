import Formats
import Foundation

/// What a classifier says of one labelled example: a line of a run's `predictions.jsonl`.
///
/// ```json
/// {"file":"/photos/val/cat/7.jpg","label":0,"predicted":1,"probabilities":[0.31,0.69]}
/// ```
public struct ExamplePrediction: Codable, Hashable, Sendable {
  /// The picture's path, or its place in a data set without files.
  public var file: String
  /// The true class; an index into the model's class names, like `predicted`.
  public var label: Int
  /// The most probable class; the first of equals.
  public var predicted: Int
  /// Of all classes.
  public var probabilities: [Float]

  public var isCorrect: Bool { label == predicted }

  /// A row for each example of an evaluation.
  ///
  /// - Parameters:
  ///   - logits: `[examples, classes]`, row by row.
  ///   - labels: the true classes.
  ///   - names: what to find each example by.
  public static func rows(logits: [Float], labels: [Int], names: [String]) -> [ExamplePrediction] {
    guard !labels.isEmpty else { return [] }
    let classes = logits.count / labels.count
    let scores = Tensor(logits, shape: [labels.count, classes])
    let (probabilities, predicted) = (softmax(scores).scalars(as: Float.self), scores.argmax())
    return labels.indices.map { row in
      ExamplePrediction(
        file: names[row], label: labels[row], predicted: predicted[row],
        probabilities: Array(probabilities[row * classes..<(row + 1) * classes]))
    }
  }

  /// Writes a run's predictions, a line for each.
  package static func write(_ rows: [ExamplePrediction], to run: RunFolder) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let lines = try rows.map { String(decoding: try encoder.encode($0), as: UTF8.self) + "\n" }
    try AtomicFile.write(lines.joined(), to: run.predictionsPath)
  }

  /// Reads a run's predictions.
  ///
  /// - Throws: ``TrainingError`` if the run has none, or they cannot be read.
  public static func read(from run: RunFolder) throws -> [ExamplePrediction] {
    guard let data = FileManager.default.contents(atPath: run.predictionsPath) else {
      throw TrainingError.noPredictions(run: run.path)
    }
    return try data.split(separator: UInt8(ascii: "\n")).enumerated().map { number, line in
      guard let row = try? JSONDecoder().decode(ExamplePrediction.self, from: Data(line)),
        row.probabilities.indices.contains(row.label), row.probabilities.indices.contains(row.predicted)
      else { throw TrainingError.damagedPredictions(path: run.predictionsPath, line: number + 1) }
      return row
    }
  }
}

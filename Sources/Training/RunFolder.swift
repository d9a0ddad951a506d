import Formats
import Foundation

/// The folder of one training run.
///
/// | file | holds |
/// |---|---|
/// | `model.safetensors` | the best model so far |
/// | `last.safetensors` | the model after the latest epoch |
/// | `checkpoint.safetensors` | everything that a resumed run needs |
/// | `metrics.jsonl` | a line for each epoch, and for steps if asked |
/// | `predictions.jsonl` | what the best model says of each validation example |
/// | `features/` | while it trains, what frozen layers make of the data |
/// | `report.html` | what the run came to, for people |
/// | `learning-rate.svg` | the curve of a search for the learning rate, if there was one |
/// | `run.json` | what was trained on what, and how |
public struct RunFolder: Sendable {
  public let path: String

  public init(_ path: String) { self.path = path }

  func hasFile(at path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  public var modelPath: String { path + "/model.safetensors" }
  public var lastModelPath: String { path + "/last.safetensors" }
  public var checkpointPath: String { path + "/checkpoint.safetensors" }
  public var metricsPath: String { path + "/metrics.jsonl" }
  public var predictionsPath: String { path + "/predictions.jsonl" }
  var featuresPath: String { path + "/features" }
  public var learningRatePath: String { path + "/learning-rate.svg" }
  public var recordPath: String { path + "/run.json" }
  public var reportPath: String { path + "/report.html" }

  /// Makes the folder unless it is there, and removes what a killed run left half-written in it.
  public func create() throws {
    let files = FileManager.default
    try files.createDirectory(atPath: path, withIntermediateDirectories: true)
    let own = [modelPath, lastModelPath, checkpointPath, metricsPath, predictionsPath, recordPath, reportPath].map {
      "." + $0.dropFirst(path.count + 1)
    }
    for name in try files.contentsOfDirectory(atPath: path) where name.hasSuffix(".partial") {
      if own.contains(where: { name.hasPrefix($0 + ".") }) { try? files.removeItem(atPath: "\(path)/\(name)") }
    }
  }
}

/// One line of `metrics.jsonl` after an epoch.
public struct EpochMetrics: Codable, Hashable, Sendable {
  /// Counted from 1.
  public var epoch: Int
  /// Of a training in several stages.
  public var stage: String?
  public var step: Int
  public var trainLoss: Double
  public var validationLoss: Double?
  public var validationAccuracy: Double?
  public var learningRate: Double
  /// Of each group of layers, by name, where they differ.
  public var learningRates: [String: Double]?
  /// Wall-clock time of the epoch with its validation.
  public var seconds: Double
  /// The share of the time of its steps that training waited for data.
  public var waitingShare: Double?

  public init(
    epoch: Int, stage: String? = nil, step: Int, trainLoss: Double, validationLoss: Double? = nil,
    validationAccuracy: Double? = nil, learningRate: Double, learningRates: [String: Double]? = nil, seconds: Double,
    waitingShare: Double? = nil
  ) {
    self.epoch = epoch
    self.stage = stage
    self.step = step
    self.trainLoss = trainLoss
    self.validationLoss = validationLoss
    self.validationAccuracy = validationAccuracy
    self.learningRate = learningRate
    self.learningRates = learningRates
    self.seconds = seconds
    self.waitingShare = waitingShare
  }

  enum CodingKeys: String, CodingKey {
    case epoch, stage, step, seconds
    case trainLoss = "train_loss"
    case validationLoss = "validation_loss"
    case validationAccuracy = "validation_accuracy"
    case learningRate = "learning_rate"
    case learningRates = "learning_rates"
    case waitingShare = "waiting_share"
  }

  /// The epochs of a run so far; none if it has written none. Lines of another kind are passed over.
  public static func read(from run: RunFolder) throws -> [EpochMetrics] {
    let text = (try? String(contentsOfFile: run.metricsPath, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").compactMap { try? JSONDecoder().decode(Self.self, from: Data($0.utf8)) }
  }
}

extension [EpochMetrics] {
  /// The share of the time that these epochs' steps waited for data, if it was measured.
  public var waitingShare: Double? {
    let measured = compactMap { epoch in epoch.waitingShare.map { (share: $0, seconds: epoch.seconds) } }
    let seconds = measured.reduce(0) { $0 + $1.seconds }
    guard seconds > 0 else { return nil }
    return measured.reduce(0) { $0 + $1.share * $1.seconds } / seconds
  }
}

/// One line of `metrics.jsonl` after a step.
public struct StepMetrics: Codable, Hashable, Sendable {
  public var step: Int
  public var loss: Float
}

/// Appends to `metrics.jsonl`, a whole line at a time.
final class MetricsLog {
  /// The epochs that a run before wrote.
  let epochs: [EpochMetrics]
  private let handle: FileHandle
  private let encoder = JSONEncoder()

  /// - Parameters:
  ///   - step, epoch: where the run goes on; lines that a run before wrote from there on are dropped.
  init(_ path: String, continuingAfterStep step: Int, epoch: Int) throws {
    struct Line: Decodable {
      var step: Int
      var epoch: Int?
    }
    let old = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let kept = old.split(separator: "\n").filter { text in
      guard let line = try? JSONDecoder().decode(Line.self, from: Data(text.utf8)) else { return false }
      return line.epoch.map { $0 <= epoch } ?? (line.step <= step)
    }
    epochs = kept.compactMap { try? JSONDecoder().decode(EpochMetrics.self, from: Data($0.utf8)) }
    try AtomicFile.write(kept.map { $0 + "\n" }.joined(), to: path)
    handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try handle.seekToEnd()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  }

  func append(_ line: some Encodable) throws { try handle.write(contentsOf: encoder.encode(line) + Data("\n".utf8)) }

  deinit { try? handle.close() }
}

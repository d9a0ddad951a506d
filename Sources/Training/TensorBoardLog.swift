import Formats
public import Graph

/// Writes what a training reports to TensorBoard's event files.
///
/// | tag | at each |
/// |---|---|
/// | `train/loss`, `train/learning_rate`, `train/gradient_norm` | step |
/// | `epoch/train_loss`, `epoch/validation_loss`, `epoch/validation_accuracy` | epoch |
///
/// ```swift
/// let log = try TensorBoardLog(folder: "logs/run-1")
/// try trainer.fit(train, validation: test, onEvent: { try log.record($0) })
/// ```
public final class TensorBoardLog {
  private let file: EventFile
  private var hasSteps = false

  /// Begins a new event file in a folder; a resumed run, too, goes on in a file of its own.
  public init(folder: String) throws { file = try EventFile(folder: folder) }

  public func record(_ event: TrainingEvent) throws {
    switch event {
    case .step(let report):
      if !hasSteps, report.step > 1 { try file.restart(atStep: report.step) }
      hasSteps = true
      try file.append(
        [
          .scalar(tag: "train/loss", report.loss), .scalar(tag: "train/learning_rate", Float(report.learningRate)),
          .scalar(tag: "train/gradient_norm", report.gradientNorm),
        ], step: report.step)
    case .epoch(let metrics, _):
      var values = [EventFile.Value.scalar(tag: "epoch/train_loss", Float(metrics.trainLoss))]
      if let loss = metrics.validationLoss { values.append(.scalar(tag: "epoch/validation_loss", Float(loss))) }
      if let accuracy = metrics.validationAccuracy {
        values.append(.scalar(tag: "epoch/validation_accuracy", Float(accuracy)))
      }
      try file.append(values, step: metrics.step)
    case .validating, .stage, .extracting: break
    }
  }

  /// Shows a network.
  public func record(_ graph: Graph) throws { try file.append(graph) }

  /// Shows a picture: the bytes of a PNG file, with its extents and 1, 3 or 4 channels.
  public func record(image tag: String, png: [UInt8], width: Int, height: Int, channels: Int, step: Int) throws {
    try file.append([.image(tag: tag, png: png, width: width, height: height, channels: channels)], step: step)
  }
}

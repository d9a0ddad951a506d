import ConvNet
import Foundation

/// What a person sees of a training: what it will do, how far it is, and how it ended. Everything but the result goes
/// to standard error.
final class TrainingDisplay {
  private var bar: ProgressBar?
  private var extraction: ProgressBar?
  /// What the run should take, and when it began.
  private var forecast: TrainingForecast?
  private var start = ContinuousClock.now
  /// Of the latest epoch.
  private var accuracy: Double?

  /// Says what is about to happen.
  ///
  /// - Parameter forecast: made now if there is none; that takes a few steps.
  func begin(_ training: ClassifierTraining, in folder: RunFolder, forecast: TrainingForecast?) throws {
    let record = training.record
    let rule = record.model.preprocessing
    for note in training.notes { writeToStandardError("note: \(note)\n") }
    let names = record.model.classNames
    let classes =
      training.classCounts.prefix(12).map { "\($0.name) \($0.training) + \($0.validation)" }.joined(separator: ", ")
      + (names.count > 12 ? ", ..." : "")
    writeToStandardError(
      """
      \(record.model.architecture.name): \(record.parameters.grouped) parameters, \
      \(rule.channels == 1 ? "grey" : "RGB") images of \(rule.width)x\(rule.height)
      \(record.trainingImages.grouped) images to train on, \(record.validationImages.grouped) to validate on, \
      \(names.count) classes: \(classes)
      the run's folder is \(folder.path)

      """)
    if !training.isResumed {
      let forecast = try forecast ?? training.forecast(in: folder)
      self.forecast = forecast
      for stage in forecast.stages where forecast.stages.count > 1 { writeToStandardError(Self.line(stage) + "\n") }
      writeToStandardError(
        "it should take \(ProgressBar.clock(forecast.seconds)) and \(forecast.memoryByteCount.formattedByteCount) of memory, "
          + "\(forecast.arenaByteCount.formattedByteCount) of it for what a step computes in between\n")
    }
    start = .now
  }

  private static func line(_ stage: TrainingForecast.Stage) -> String {
    "  \(stage.name): \(stage.epochs) epochs, \(stage.trainedParameters.grouped) parameters learn, "
      + "\(stage.frozenParameters.grouped) are frozen, \(ProgressBar.clock(stage.seconds))"
  }

  /// Shows an event.
  func show(_ event: TrainingEvent) {
    switch event {
    case .step(let report):
      if bar == nil {
        bar = ProgressBar("training", total: report.totalSteps, unit: "steps", initial: report.step - 1)
      }
      bar?.update(
        to: report.step, secondsLeft: secondsLeft(report),
        note: String(
          format: "epoch %d  %.0f images/s  loss %.4f%@%@", report.epoch, report.examplesPerSecond, report.meanLoss,
          accuracy.map { String(format: "  accuracy %.1f %%", $0 * 100) } ?? "",
          report.waitingShare >= 0.005 ? String(format: "  waiting for data %.0f %%", report.waitingShare * 100) : ""))
    case .stage(let report): show(report)
    case .extracting(let done, let total): showExtraction(done, total)
    case .validating: break
    case .epoch(let metrics, let isBest):
      var line = String(format: "epoch %3d  loss %.4f", metrics.epoch, metrics.trainLoss)
      accuracy = metrics.validationAccuracy ?? accuracy
      if let loss = metrics.validationLoss { line += String(format: "  validation loss %.4f", loss) }
      if let accuracy = metrics.validationAccuracy { line += String(format: "  accuracy %.2f %%", accuracy * 100) }
      line += String(format: "  %.1f s", metrics.seconds)
      if let share = metrics.waitingShare, share >= 0.005 {
        line += String(format: "  waited for data %.0f %%", share * 100)
      }
      if isBest { line += "  best so far" }
      if let bar { bar.print(line) } else { writeToStandardError(line + "\n") }
    }
  }

  /// What the forecast still has to come, corrected by how right it was so far: epochs of one stage take far longer than
  /// those of another.
  private func secondsLeft(_ report: TrainingEvent.StepReport) -> Double? {
    guard let forecast, report.totalSteps > 0 else { return nil }
    let epochs = Double(forecast.stages.reduce(0) { $0 + $1.epochs })
    let left = forecast.seconds(after: epochs * Double(report.step) / Double(report.totalSteps))
    let (expected, taken) = (forecast.seconds - left, (ContinuousClock.now - start) / .seconds(1))
    // The first moment says nothing about the rate.
    return taken < 1 || expected <= 0 ? left : left * taken / expected
  }

  private func show(_ report: TrainingEvent.StageReport) {
    guard report.stageCount > 1 || report.frozenParameters > 0 else { return }
    var lines = [
      "stage \(report.index + 1) of \(report.stageCount), \(report.stage.name): "
        + "\(report.trainedParameters.grouped) parameters learn, \(report.frozenParameters.grouped) are frozen"
    ]
    if let shape = report.featureShape {
      lines.append("  the frozen layers see each image once; their features have shape \(shape)")
    }
    for group in report.stage.groups
    where !group.isFrozen && report.stage.groups.contains(where: { $0.rateFactor != 1 }) {
      lines.append(
        String(format: "  learning rate up to %.2g for ", group.rateFactor * report.stage.learningRate) + group.name)
    }
    for line in lines { if let bar { bar.print(line) } else { writeToStandardError(line + "\n") } }
  }

  private func showExtraction(_ done: Int, _ total: Int) {
    if extraction == nil { extraction = ProgressBar("features", total: total, unit: "images") }
    extraction?.update(to: done)
    if done == total { extraction = nil }
  }

  /// Says what a budget led to.
  func chose(_ choice: TimeBudget.Choice) {
    for reason in choice.reasons { writeToStandardError("budget: \(reason)\n") }
  }

  /// Says which rate a search came to.
  func found(_ finder: LearningRateFinder, in folder: RunFolder) {
    let rate = finder.suggestion.map { String(format: "%.2g", $0) }
    writeToStandardError(
      (rate.map { "the loss falls fastest at a learning rate of \($0), which is taken" }
        ?? "the loss falls at no learning rate; the given one stays") + "; the curve is \(folder.learningRatePath)\n")
  }

  /// Says how good the prediction was.
  private func judgePrediction(_ outcome: TrainingOutcome<AnyLayer>) {
    guard let predicted = forecast?.seconds, predicted > 0, !outcome.ranOutOfTime else { return }
    let taken = outcome.metrics.reduce(0) { $0 + $1.seconds }
    // Of moments, shares say nothing.
    guard max(taken, predicted) >= 5 else { return }
    let share = Int((abs(taken / predicted - 1) * 100).rounded())
    writeToStandardError(
      "it took \(ProgressBar.clock(taken)), \(share) % \(taken < predicted ? "less" : "more") than predicted\n")
  }

  /// Says what the report's making is about, where a person waits for it.
  func reporting(_ what: String) {
    if Terminal.errorIsTerminal { writeToStandardError("\r\u{1B}[Kreport: \(what)") }
  }

  /// Clears the bar.
  func end() {
    if Terminal.errorIsTerminal { writeToStandardError("\r\u{1B}[K") }
  }

  /// Prints the result.
  func result(
    _ outcome: TrainingOutcome<AnyLayer>, _ training: ClassifierTraining, in folder: RunFolder, json: Bool
  ) throws {
    judgePrediction(outcome)
    if outcome.ranOutOfTime {
      writeToStandardError("the time ran out after epoch \(outcome.metrics.count); the best model so far is kept\n")
    }
    let best = outcome.metrics.first { $0.epoch == outcome.bestEpoch }
    if json {
      struct Result: Encodable {
        var run: String
        var model: String
        var report: String
        var bestEpoch: Int?
        var validationAccuracy: Double?
        var validationLoss: Double?
        var steps: Int
        var parameters: Int
        var epochs: [EpochMetrics]

        enum CodingKeys: String, CodingKey {
          case run, model, report, steps, parameters, epochs
          case bestEpoch = "best_epoch"
          case validationAccuracy = "validation_accuracy"
          case validationLoss = "validation_loss"
        }
      }
      return try printJSON(
        Result(
          run: folder.path, model: folder.modelPath, report: folder.reportPath, bestEpoch: outcome.bestEpoch,
          validationAccuracy: best?.validationAccuracy, validationLoss: best?.validationLoss, steps: outcome.steps,
          parameters: training.record.parameters, epochs: outcome.metrics))
    }
    if let best, let accuracy = best.validationAccuracy {
      print(String(format: "best epoch %d: validation accuracy %.2f %%", best.epoch, accuracy * 100))
    }
    print("the model is \(folder.modelPath)")
    print("the report is \(folder.reportPath)")
  }
}

import Foundation
import Models

/// The time that a person has for a training, and what must not be changed to keep within it.
public struct TimeBudget: Hashable, Sendable {
  public var seconds: Double
  public var keepsEpochs = false
  public var keepsImageSize = false
  public var keepsStrategy = false

  /// Of the time that is left for training: a forecast from a few steps may be wrong by so much.
  private static let trainingShare = 0.9
  /// Of the time that is kept for the report, whose forecast is rougher.
  private static let reportShare = 0.6
  /// All layers learn in at least so many epochs, or not at all.
  private static let fewestEpochs = 3
  /// Sides of images beside the network's own, where layers beneath the last may learn.
  private static let smallerSides = [160, 128]
  /// The same where only the last layer learns.
  private static let smallestSides = [160, 128, 96]

  public init(seconds: Double) { self.seconds = seconds }

  /// Reads `90s`, `20m` or `1h30m`.
  ///
  /// - Throws: ``TaskError`` if it is not a time, or none to speak of.
  public init(_ text: String) throws {
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600]
    var (total, digits) = (0.0, "")
    for character in text {
      if let unit = units[character], let number = Double(digits) {
        total += number * unit
        digits = ""
      } else {
        digits.append(character)
      }
    }
    guard digits.isEmpty, total.isFinite, total >= 1 else {
      throw TaskError("--budget \(text): give a time such as 90s, 20m or 1h30m")
    }
    self.init(seconds: total)
  }

  /// A training that should end in time.
  public struct Choice: Sendable {
    public var training: ClassifierTraining
    public var forecast: TrainingForecast
    /// When the training must end, so that there is time for the report.
    public var deadline: ContinuousClock.Instant
    /// What was chosen and why, in a sentence each.
    public var reasons: [String]
  }

  /// The first of the ways to do a job, from the best to the quickest, that a few timed steps say fits.
  ///
  /// All layers learn if there is time, at the network's own image size or a smaller one; else a new last layer alone.
  /// The time runs from this call on.
  ///
  /// - Parameters:
  ///   - run: where the training will write.
  ///   - progress: called while files are opened.
  /// - Throws: ``TaskError`` that says how long the quickest way takes, if none fits.
  public func choose(
    _ job: ClassifierJob, in run: RunFolder, progress: (@Sendable (_ done: Int, _ total: Int) -> Void)? = nil
  ) throws -> Choice {
    let start = ContinuousClock.now
    let own = try ClassifierTraining(job, progress: progress)
    let side = own.record.model.preprocessing.height
    var reasons: [String] = []
    var quickest = Double.infinity
    let ways = ways(job, side: side)
    for (index, way) in ways.enumerated() {
      // Trying takes time too: where it takes much, the quickest way alone is left.
      let tried = (ContinuousClock.now - start) / .seconds(1)
      if index > 0, index < ways.count - 1, tried > seconds / 4 { continue }
      let training = way == job ? own : try ClassifierTraining(way)
      let forecast = try training.forecast(in: run)
      let report = try RunReporter.seconds(for: training, forecast) / Self.reportShare
      // What was spent on choosing is gone.
      let spent = (ContinuousClock.now - start) / .seconds(1)
      let needed = spent + forecast.seconds / Self.trainingShare + report
      quickest = min(quickest, needed)
      let left = (seconds - spent - report) * Self.trainingShare
      guard let epochs = fittingEpochs(way, forecast, seconds: left) else {
        reasons.append("\(name(of: training)) would take \(Self.text(needed)), which is too long")
        continue
      }
      var choice = Choice(
        training: training, forecast: forecast, deadline: start.advanced(by: .seconds(min(1e9, seconds - report))),
        reasons: reasons)
      if epochs < way.training.epochs {
        var shorter = way
        shorter.training.epochs = epochs
        choice.training = try ClassifierTraining(shorter)
        choice.forecast.stages[forecast.stages.count - 1].epochs = epochs
      }
      let taken = spent + choice.forecast.seconds / Self.trainingShare + report
      choice.reasons.append(
        "\(name(of: choice.training)) should take \(Self.text(taken)) with the report"
          + (epochs < way.training.epochs ? "; \(way.training.epochs) epochs would take \(Self.text(needed))" : ""))
      return choice
    }
    throw TaskError(
      "there is no way to train within \(Self.text(seconds)): the quickest takes \(Self.text(quickest)); give more time, "
        + "fewer images or a smaller network")
  }

  /// The ways to do a job, from the best to the quickest.
  private func ways(_ job: ClassifierJob, side: Int) -> [ClassifierJob] {
    guard let fineTuning = job.fineTuning else { return [job] }
    let head = fineTuning.strategy == .head
    func sized(_ job: ClassifierJob, _ sides: [Int]) -> [ClassifierJob] {
      // A network in an ONNX file may take images of one size only.
      guard !keepsImageSize, job.weightsPath.map({ ONNXModel.isHeld(by: $0) }) != true else { return [] }
      return sides.filter { $0 < side }.map {
        var copy = job
        copy.imageSize = $0
        return copy
      }
    }
    var ways = [job] + sized(job, head ? Self.smallestSides : Self.smallerSides)
    guard !head, !keepsStrategy else { return ways }
    var quick = job
    quick.fineTuning?.strategy = .head
    ways += [quick] + sized(quick, Self.smallestSides)
    return ways
  }

  /// The epochs of all layers that there is time for; `nil` if they are too few to help.
  private func fittingEpochs(_ job: ClassifierJob, _ forecast: TrainingForecast, seconds allowed: Double) -> Int? {
    if forecast.seconds <= allowed { return job.training.epochs }
    guard !keepsEpochs, job.fineTuning?.strategy != .head, let last = forecast.stages.last else { return nil }
    let before = forecast.seconds - Double(last.epochs) * last.secondsPerEpoch
    let epochs = Int(max(0, min(1e6, (allowed - before) / max(1e-9, last.secondsPerEpoch))))
    let fewest = job.fineTuning == nil ? 1 : min(Self.fewestEpochs, job.training.epochs)
    return epochs >= fewest ? epochs : nil
  }

  private func name(of training: ClassifierTraining) -> String {
    let (job, rule) = (training.record.job, training.record.model.preprocessing)
    let what =
      switch job.fineTuning?.strategy {
      case .head: "a new last layer alone"
      case .staged: "a new last layer, then all layers in \(job.training.epochs) epochs"
      case .full, nil: "all layers in \(job.training.epochs) epochs"
      }
    return "\(what), at \(rule.width)x\(rule.height),"
  }

  /// `1:05`, or with hours.
  private static func text(_ seconds: Double) -> String {
    let whole = Int(min(seconds.rounded(.up), 1e9))
    let minutes = String(format: "%02d", whole % 60)
    return whole < 3600
      ? "\(whole / 60):\(minutes)" : "\(whole / 3600):\(String(format: "%02d", whole / 60 % 60)):\(minutes)"
  }
}

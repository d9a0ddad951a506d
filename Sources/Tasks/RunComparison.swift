import Inspect

/// Several runs side by side: their curves, and whether their models differ by more than chance on the same images.
public struct RunComparison: Codable, Sendable {
  /// One of the runs.
  public struct Row: Codable, Sendable {
    public var run: String
    public var model: String
    /// `head`, `full`, `staged`, or `none` for random weights.
    public var strategy: String
    public var epochs: [EpochMetrics]
    public var bestEpoch: Int?
    public var accuracy: Double?
    public var loss: Double?
    /// Of training and validating.
    public var seconds: Double

    enum CodingKeys: String, CodingKey {
      case run, model, strategy, epochs, accuracy, loss, seconds
      case bestEpoch = "best_epoch"
    }
  }

  /// Two of the runs, judged on the images that both have.
  public struct Pair: Codable, Sendable {
    public var first: String
    public var second: String
    public var test: McNemarTest
  }

  public var rows: [Row]
  public var pairs: [Pair]

  /// Reads what runs have written.
  ///
  /// - Throws: ``TaskError`` if there are fewer than two runs, or one has no metrics yet.
  public init(_ runs: [RunFolder]) throws {
    guard runs.count >= 2 else { throw TaskError("a comparison needs at least two runs") }
    rows = try runs.map(Self.row)
    var predictions: [[String: ExamplePrediction]] = []
    for run in runs {
      let own = try? ExamplePrediction.read(from: run)
      predictions.append(Dictionary((own ?? []).map { ($0.file, $0) }) { first, _ in first })
    }
    pairs = []
    for first in runs.indices {
      for second in runs.indices where second > first {
        let common = predictions[first].keys.filter { predictions[second][$0] != nil }.sorted()
        if common.isEmpty { continue }
        let test = McNemarTest(
          common.map { predictions[first][$0]?.isCorrect ?? false },
          common.map { predictions[second][$0]?.isCorrect ?? false })
        pairs.append(Pair(first: runs[first].path, second: runs[second].path, test: test))
      }
    }
  }

  private static func row(_ run: RunFolder) throws -> Row {
    let record = try RunRecord(of: run)
    let epochs = try EpochMetrics.read(from: run)
    let best = epochs.max {
      ($0.validationAccuracy ?? 0, -($0.validationLoss ?? 0)) < ($1.validationAccuracy ?? 0, -($1.validationLoss ?? 0))
    }
    guard let best else {
      throw TaskError("\(run.path): the run has no finished epoch yet; let it go on with --resume")
    }
    return Row(
      run: run.path, model: record.model.architecture.name,
      strategy: record.job.fineTuning?.strategy.rawValue ?? "none", epochs: epochs, bestEpoch: best.epoch,
      accuracy: best.validationAccuracy, loss: best.validationLoss, seconds: epochs.reduce(0) { $0 + $1.seconds })
  }

  // MARK: Drawing

  /// What a learning curve shows.
  public enum Curve: String, CaseIterable, Sendable {
    /// Of the validation images.
    case accuracy, loss
    /// The loss of the training images.
    case training
  }

  /// The learning curves.
  public var charts: [LineChart] { Curve.allCases.map(chart) }

  /// One figure after each epoch of all runs.
  public func chart(of curve: Curve) -> LineChart {
    func chart(_ title: String, _ value: (EpochMetrics) -> Double?) -> LineChart {
      let series = rows.map { row in
        LineChart.Series(row.run, row.epochs.compactMap { line in value(line).map { (Double(line.epoch), $0) } })
      }
      return LineChart(title: title, xTitle: "epoch", series: series)
    }
    switch curve {
    case .accuracy:
      var accuracy = chart("Validation accuracy", \.validationAccuracy)
      accuracy.isShare = true
      accuracy.range = 0...1
      return accuracy
    case .loss: return chart("Validation loss", \.validationLoss)
    case .training: return chart("Training loss", \.trainLoss)
    }
  }
}

extension RunComparison.Pair {
  /// The test in a sentence.
  public var sentence: String {
    guard test.discordant > 0 else { return "both models are right and wrong on the same of \(test.examples) images" }
    let (more, fewer) =
      test.onlyFirstRight >= test.onlySecondRight
      ? (test.onlyFirstRight, test.onlySecondRight) : (test.onlySecondRight, test.onlyFirstRight)
    let better = test.onlyFirstRight >= test.onlySecondRight ? first : second
    let verdict =
      test.pValue < 0.05
      ? "\(better) is better by more than chance" : "the difference may be chance"
    return "\(verdict): of \(test.examples) images \(test.discordant) are right in one run only, "
      + "\(more) to \(fewer) (McNemar, p \(Self.text(test.pValue)))"
  }

  private static func text(_ probability: Double) -> String {
    probability < 0.0001 ? "below 0.0001" : "= \((probability * 10_000).rounded() / 10_000)"
  }
}

import Foundation

/// Looks for a good learning rate: takes steps at rates that grow from tiny to huge, on a copy of the model, and watches
/// the loss (Smith, "Cyclical learning rates for training neural networks", 2017).
public struct LearningRateFinder: Codable, Hashable, Sendable {
  /// One step.
  public struct Point: Codable, Hashable, Sendable {
    public var rate: Double
    public var loss: Double
    /// An average that follows the losses so far.
    public var smoothed: Double
  }

  public private(set) var points: [Point] = []

  /// Where the smoothed loss falls fastest over the logarithm of the rate; `nil` if it never falls.
  public var suggestion: Double? {
    // The first steps only warm the average up.
    let usable = Array(points.dropFirst(min(5, points.count / 4)))
    guard usable.count > 4, let lowest = usable.indices.min(by: { usable[$0].smoothed < usable[$1].smoothed }) else {
      return nil
    }
    let slopes = (2..<max(3, lowest)).compactMap { index -> (rate: Double, slope: Double)? in
      guard index + 2 < usable.count else { return nil }
      let run = log(usable[index + 2].rate / usable[index - 2].rate)
      return (usable[index].rate, (usable[index + 2].smoothed - usable[index - 2].smoothed) / run)
    }
    guard let steepest = slopes.min(by: { $0.slope < $1.slope }), steepest.slope < 0 else { return nil }
    return steepest.rate
  }

  /// Takes the steps. Neither the trainer nor the model it was made with changes.
  ///
  /// - Parameters:
  ///   - trainer: whose last stage is tried, with the head's rate.
  ///   - rates: the first and the last rate.
  ///   - steps: how many; it ends earlier when the loss has grown fourfold over its lowest.
  public init<Model: Layer>(
    _ trainer: Trainer<Model>, on training: any Dataset, rates: ClosedRange<Double> = 1e-6...1, steps: Int = 80
  ) throws {
    guard training.count > 0 else { throw TrainingError.noExamples }
    let data = StageData(training, nil, trainer.options, nil, key: "")
    let stage = try StageRun(trainer, index: trainer.stages.count - 1, model: trainer.initialModel, data: data)
    let growth = pow(rates.upperBound / rates.lowerBound, 1 / Double(max(1, steps - 1)))
    var (average, lowest) = (0.0, Double.infinity)
    var position = Checkpoint.Position()
    while points.count < steps {
      let batches = try stage.batches(at: position) { _, _ in }
      while points.count < steps {
        let rate = rates.lowerBound * pow(growth, Double(points.count))
        guard let result = try stage.takeStep(points.count + 1, learningRate: rate, from: batches)?.result else {
          break
        }
        guard result.isFinite else { return }
        average = 0.9 * average + 0.1 * Double(result.loss)
        let smoothed = average / (1 - pow(0.9, Double(points.count + 1)))
        points.append(Point(rate: rate, loss: Double(result.loss), smoothed: smoothed))
        lowest = min(lowest, smoothed)
        if smoothed > 4 * lowest { return }
      }
      position.epoch += 1
    }
  }
}

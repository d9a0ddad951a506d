import Foundation

/// What turns a classifier's outputs into probabilities that can be believed, and when it had better not answer.
///
/// The logits are divided by one number, the temperature, which leaves the order of the classes alone (Guo et al., "On
/// calibration of modern neural networks", 2017).
public struct Calibration: Codable, Hashable, Sendable {
  /// What logits are divided by; above 1 where the network is too sure of itself.
  public var temperature: Double
  /// The probability of the best class below which the answer is "unknown"; `nil` if no threshold reaches the target.
  public var threshold: Double?
  /// The share of answers that ought to be right, which the threshold was chosen for.
  public var targetPrecision: Double
  /// On how many examples both were fitted.
  public var examples: Int

  enum CodingKeys: String, CodingKey {
    case temperature, threshold, examples
    case targetPrecision = "target_precision"
  }

  /// The range in which temperatures are sought, and which one from a file must lie in.
  public static let temperatures = 0.05...20.0

  /// Fewer answers than this say too little about a threshold.
  static let fewestAnswers = 10

  /// Fits the temperature that makes the labels most probable (with a prior around 1 for small sets), and then the lowest threshold with the precision asked
  /// for.
  ///
  /// - Parameters:
  ///   - logits: `[examples, classes]`, row by row, of examples that were not trained on.
  ///   - labels: the true classes.
  public init(fitting logits: [Float], labels: [Int], targetPrecision: Double = 0.95) {
    self.targetPrecision = targetPrecision
    examples = labels.count
    temperature = Self.fittedTemperature(logits, labels)
    let answers = ConfidentAnswer.all(logits: logits, labels: labels, temperature: temperature)
    threshold = Self.threshold(answers, precision: targetPrecision)
  }

  /// Why numbers from a file cannot be used, if they cannot.
  public var problem: String? {
    if !Self.temperatures.contains(temperature) {
      return "the temperature is \(temperature), but must be from 0.05 to 20"
    }
    if let threshold, !(0...1).contains(threshold) { return "the threshold is \(threshold), but must be from 0 to 1" }
    return nil
  }

  /// How far, as a logarithm, temperatures usually lie from 1: the deviation of a normal prior. It decides where few
  /// images say little (all of them right would make any small temperature best) and vanishes among many.
  private static let usualDeviation = 0.5

  /// The most probable temperature, sought over its logarithm by golden section.
  static func fittedTemperature(_ logits: [Float], _ labels: [Int]) -> Double {
    guard labels.count > 1 else { return 1 }
    func loss(_ logTemperature: Double) -> Double {
      let surprise = logTemperature / usualDeviation
      return crossEntropy(logits, labels, temperature: Foundation.exp(logTemperature))
        + surprise * surprise / 2 / Double(labels.count)
    }
    let ratio = (5.0.squareRoot() - 1) / 2
    var (low, high) = (Foundation.log(temperatures.lowerBound), Foundation.log(temperatures.upperBound))
    var (left, right) = (high - ratio * (high - low), low + ratio * (high - low))
    var (leftLoss, rightLoss) = (loss(left), loss(right))
    for _ in 0..<40 {
      if leftLoss <= rightLoss {
        (high, right, rightLoss) = (right, left, leftLoss)
        left = high - ratio * (high - low)
        leftLoss = loss(left)
      } else {
        (low, left, leftLoss) = (left, right, rightLoss)
        right = low + ratio * (high - low)
        rightLoss = loss(right)
      }
    }
    let fitted = Foundation.exp((low + high) / 2)
    return min(max(fitted, temperatures.lowerBound), temperatures.upperBound)
  }

  /// The mean cross-entropy of softened logits.
  package static func crossEntropy(_ logits: [Float], _ labels: [Int], temperature: Double) -> Double {
    let classes = logits.count / max(1, labels.count)
    var total = 0.0
    for (row, label) in labels.enumerated() {
      let scores = logits[row * classes..<(row + 1) * classes]
      let largest = Double(scores.max() ?? 0)
      let sum = scores.reduce(0.0) { $0 + Foundation.exp((Double($1) - largest) / temperature) }
      total += Foundation.log(sum) - (Double(scores[scores.startIndex + label]) - largest) / temperature
    }
    return total / Double(max(1, labels.count))
  }

  /// The lowest probability above which at least the share asked for is right.
  private static func threshold(_ answers: [ConfidentAnswer], precision: Double) -> Double? {
    let sorted = answers.sorted { $0.confidence > $1.confidence }
    var (right, best) = (0, Double?.none)
    for (index, answer) in sorted.enumerated() {
      if answer.isRight { right += 1 }
      // Equal confidences are answered together or not at all.
      if index + 1 < sorted.count, sorted[index + 1].confidence == answer.confidence { continue }
      guard index + 1 >= min(fewestAnswers, sorted.count) else { continue }
      if Double(right) >= precision * Double(index + 1) {
        best = index + 1 == sorted.count ? 0 : answer.confidence
      }
    }
    return best
  }
}

/// The probability of the most probable class, and whether that class is the right one.
public struct ConfidentAnswer: Hashable, Sendable {
  public var predicted: Int
  public var confidence: Double
  public var isRight: Bool

  public init(predicted: Int, confidence: Double, isRight: Bool) {
    (self.predicted, self.confidence, self.isRight) = (predicted, confidence, isRight)
  }

  /// One for each row of logits.
  public static func all(logits: [Float], labels: [Int], temperature: Double) -> [ConfidentAnswer] {
    let classes = logits.count / max(1, labels.count)
    return labels.enumerated().map { row, label in
      let scores = Array(logits[row * classes..<(row + 1) * classes])
      // Ties go to the lower class, as in the report.
      let best = scores.indices.max { scores[$0] < scores[$1] || (scores[$0] == scores[$1] && $0 > $1) } ?? 0
      let sum = scores.reduce(0.0) { $0 + Foundation.exp((Double($1) - Double(scores[best])) / temperature) }
      return ConfidentAnswer(predicted: best, confidence: 1 / sum, isRight: best == label)
    }
  }
}

/// How far probabilities can be believed: in groups of like confidence, how many are right?
public struct Reliability: Codable, Hashable, Sendable {
  /// The answers whose confidence lies in one interval.
  public struct Bin: Codable, Hashable, Sendable {
    public var lower: Double
    public var upper: Double
    public var count: Int
    /// The mean confidence; 0 if there are no answers.
    public var confidence: Double
    /// The share that is right; 0 if there are no answers.
    public var accuracy: Double
  }

  public var bins: [Bin]
  /// The expected calibration error: the mean distance between confidence and accuracy over the bins, weighted by their
  /// counts (Naeini et al., 2015).
  public var expectedError: Double

  enum CodingKeys: String, CodingKey {
    case bins
    case expectedError = "expected_calibration_error"
  }

  /// - Parameter binCount: intervals of equal width, open below and closed above.
  public init(_ answers: [ConfidentAnswer], binCount: Int = 15) {
    var sums = [(count: Int, confidence: Double, right: Int)](repeating: (0, 0, 0), count: binCount)
    for answer in answers {
      let bin = min(binCount - 1, max(0, Int((answer.confidence * Double(binCount)).rounded(.up)) - 1))
      sums[bin].count += 1
      sums[bin].confidence += answer.confidence
      if answer.isRight { sums[bin].right += 1 }
    }
    bins = sums.enumerated().map { index, sum in
      let count = Double(max(1, sum.count))
      return Bin(
        lower: Double(index) / Double(binCount), upper: Double(index + 1) / Double(binCount), count: sum.count,
        confidence: sum.confidence / count, accuracy: Double(sum.right) / count)
    }
    expectedError =
      bins.reduce(0) { $0 + abs($1.confidence - $1.accuracy) * Double($1.count) }
      / Double(max(1, answers.count))
  }
}

/// A calibration judged on labelled examples.
public struct CalibrationReport: Codable, Hashable, Sendable {
  public var calibration: Calibration
  public var before: Reliability
  public var after: Reliability
  /// The share of examples that get an answer under the threshold.
  public var coverage: Double
  /// Of those, the share that is right.
  public var answeredAccuracy: Double

  enum CodingKeys: String, CodingKey {
    case calibration, before, after, coverage
    case answeredAccuracy = "answered_accuracy"
  }

  /// Judges a calibration on examples that it was not fitted on.
  public init(_ calibration: Calibration, logits: [Float], labels: [Int]) {
    self.init(
      calibration, labels.count,
      before: ConfidentAnswer.all(logits: logits, labels: labels, temperature: 1),
      after: ConfidentAnswer.all(logits: logits, labels: labels, temperature: calibration.temperature))
  }

  /// Fits a calibration on validation examples and judges it on the same ones without fooling itself: each half of them
  /// is softened by the temperature of the other half.
  public init(fitting logits: [Float], labels: [Int], targetPrecision: Double = 0.95) {
    let calibration = Calibration(fitting: logits, labels: labels, targetPrecision: targetPrecision)
    let classes = logits.count / max(1, labels.count)
    var after = [ConfidentAnswer?](repeating: nil, count: labels.count)
    for half in 0..<2 {
      func part(_ parity: Int) -> (rows: [Int], logits: [Float], labels: [Int]) {
        let rows = labels.indices.filter { $0 % 2 == parity }
        return (rows, rows.flatMap { logits[$0 * classes..<($0 + 1) * classes] }, rows.map { labels[$0] })
      }
      let (own, other) = (part(half), part(1 - half))
      let temperature = Calibration.fittedTemperature(other.logits, other.labels)
      let answers = ConfidentAnswer.all(logits: own.logits, labels: own.labels, temperature: temperature)
      for (row, answer) in zip(own.rows, answers) { after[row] = answer }
    }
    self.init(
      calibration, labels.count, before: ConfidentAnswer.all(logits: logits, labels: labels, temperature: 1),
      after: after.compactMap { $0 })
  }

  private init(_ calibration: Calibration, _ count: Int, before: [ConfidentAnswer], after: [ConfidentAnswer]) {
    self.calibration = calibration
    self.before = Reliability(before)
    self.after = Reliability(after)
    let answered = after.filter { $0.confidence >= calibration.threshold ?? 0 }
    coverage = Double(answered.count) / Double(max(1, count))
    answeredAccuracy = Double(answered.count { $0.isRight }) / Double(max(1, answered.count))
  }
}

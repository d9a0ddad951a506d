import Foundation
import Testing
import Training

@Suite struct CalibrationTests {
  /// Logits whose softmax at a known temperature is the truth: labels are drawn from it.
  private func sample(_ count: Int, temperature: Double, classes: Int = 4) -> (logits: [Float], labels: [Int]) {
    var random = RandomStream(seed: 9)
    var (logits, labels): ([Float], [Int]) = ([], [])
    for _ in 0..<count {
      let row = (0..<classes).map { _ in random.uniform(-6..<6) }
      let weights = row.map { exp(Double($0) / temperature) }
      var point = Double(random.uniform()) * weights.reduce(0, +)
      var label = 0
      while label + 1 < classes, point > weights[label] {
        point -= weights[label]
        label += 1
      }
      logits += row
      labels.append(label)
    }
    return (logits, labels)
  }

  @Test(arguments: [0.5, 1, 3])
  func theTemperatureIsFound(temperature: Double) {
    let (logits, labels) = sample(8_000, temperature: temperature)
    let fitted = Calibration(fitting: logits, labels: labels)
    #expect(abs(fitted.temperature / temperature - 1) < 0.05)
    // It is a minimum: neighbours are worse.
    let loss = Calibration.crossEntropy(logits, labels, temperature: fitted.temperature)
    for factor in [0.97, 1.03] {
      #expect(Calibration.crossEntropy(logits, labels, temperature: fitted.temperature * factor) > loss)
    }
    let report = CalibrationReport(fitting: logits, labels: labels)
    #expect(report.after.expectedError < 0.03)
    if temperature == 3 { #expect(report.before.expectedError > 0.1) }
  }

  /// Guo et al., equation 3, by hand: confidences 0.8 (right), 0.9 (wrong) and 0.55 (right), in ten bins.
  @Test func theExpectedErrorIsThePapers() {
    let answers = [(0.8, true), (0.9, false), (0.55, true)].map {
      ConfidentAnswer(predicted: 0, confidence: $0.0, isRight: $0.1)
    }
    let reliability = Reliability(answers, binCount: 10)
    #expect(abs(reliability.expectedError - (0.2 + 0.9 + 0.45) / 3) < 1e-12)
    // Intervals are closed above: 0.8 lies in (0.7, 0.8].
    #expect(reliability.bins.map(\.count) == [0, 0, 0, 0, 0, 1, 0, 1, 1, 0])
    #expect(reliability.bins[7].accuracy == 1 && reliability.bins[8].accuracy == 0)
  }

  @Test func theThresholdKeepsItsPromise() throws {
    let (logits, labels) = sample(4_000, temperature: 1.5)
    let calibration = Calibration(fitting: logits, labels: labels, targetPrecision: 0.9)
    let threshold = try #require(calibration.threshold)
    let answers = ConfidentAnswer.all(logits: logits, labels: labels, temperature: calibration.temperature)
    func precision(_ limit: Double) -> Double {
      let answered = answers.filter { $0.confidence >= limit }
      return Double(answered.count { $0.isRight }) / Double(answered.count)
    }
    #expect(precision(threshold) >= 0.9 && precision(0) < 0.9 && threshold > 0.5)
    // It is the lowest of its kind.
    let lower = answers.map(\.confidence).filter { $0 < threshold }.max() ?? 0
    #expect(precision(lower) < 0.9)
    let report = CalibrationReport(calibration, logits: logits, labels: labels)
    #expect(abs(report.answeredAccuracy - precision(threshold)) < 1e-12)
    #expect(report.coverage > 0.05 && report.coverage < 1)

    // All right: no answer need be withheld. All wrong: none can be given.
    let right: [Float] = (0..<20).flatMap { _ in [Float(3), 0] }
    #expect(Calibration(fitting: right, labels: .init(repeating: 0, count: 20)).threshold == 0)
    #expect(Calibration(fitting: right, labels: .init(repeating: 1, count: 20)).threshold == nil)
  }

  /// Seventeen right answers would make any small temperature the most probable one, and every answer certain.
  @Test func fewRightAnswersDoNotMakeCertain() {
    let logits = [[Float]](repeating: [2, 0, 0], count: 17).flatMap { $0 }
    let temperature = Calibration(fitting: logits, labels: [Int](repeating: 0, count: 17)).temperature
    #expect(temperature > 0.4 && temperature < 1)
  }

  @Test func fewExamplesMakeNoTrouble() {
    #expect(Calibration(fitting: [], labels: []).temperature == 1)
    #expect(Calibration(fitting: [1, 2], labels: [1]).temperature == 1)
    let report = CalibrationReport(fitting: [1, 2], labels: [0])
    #expect(report.coverage >= 0 && report.after.expectedError.isFinite)
    var broken = Calibration(fitting: [], labels: [])
    #expect(broken.problem == nil)
    broken.temperature = .nan
    #expect(broken.problem != nil)
    broken.temperature = 1
    broken.threshold = 2
    #expect(broken.problem != nil)
  }

  /// Wilson's interval, by SciPy: `binomtest(part, whole).proportion_ci(0.95, "wilson")`.
  @Test(arguments: [
    (8, 10, 0.4901624715366418, 0.9433178485456248), (0, 10, 0, 0.2775327998628892), (10, 10, 0.7224672001371107, 1),
    (500, 1000, 0.4690696003681042, 0.5309303996318958),
  ])
  func intervalsAreWilsons(part: Int, whole: Int, lower: Double, upper: Double) {
    let interval = ProportionInterval(part, of: whole)
    #expect(abs(interval.lower - lower) < 1e-9 && abs(interval.upper - upper) < 1e-9, "\(interval)")
    #expect(ProportionInterval(0, of: 0).width == 1)
  }
}

import Report
import Tasks
import Testing

@Suite struct WarningTests {
  /// A report on a given confusion matrix.
  private func report(_ confusion: [[Int]], training: [Int], sure: Bool = true) -> RunReport {
    var (logits, labels): ([Float], [Int]) = ([], [])
    for (row, counts) in confusion.enumerated() {
      for (column, count) in counts.enumerated() {
        for _ in 0..<count {
          logits += confusion.indices.map { $0 == column ? 4 : 0 }
          labels.append(row)
        }
      }
    }
    let names = confusion.indices.map { "class \($0)" }
    return RunReport(
      title: "test",
      classification: ClassificationReport(logits: logits, labels: labels, classNames: names, loss: 0.5),
      calibration: CalibrationReport(fitting: logits, labels: labels), trainingCounts: training)
  }

  @Test func aGoodRunHasNone() {
    #expect(report([[198, 2], [1, 199]], training: [800, 900]).warnings.isEmpty)
  }

  @Test func faultsAreNamed() throws {
    func kinds(_ report: RunReport) -> Set<RunReport.Warning.Kind> { Set(report.warnings.map(\.kind)) }
    #expect(kinds(report([[9, 0], [0, 400]], training: [100, 100])) == [.fewImages])
    #expect(kinds(report([[198, 2], [1, 199]], training: [300, 100])) == [.imbalance])
    #expect(kinds(report([[200, 0, 0], [0, 200, 0], [0, 21, 0]], training: [9, 9, 9])) == [.ignoredClass])
    // 3 of 30 are not half by chance; 9 of 30 neither, 12 of 30 may be.
    #expect(kinds(report([[2000, 0, 0], [0, 2000, 0], [0, 27, 3]], training: [9, 9, 9])) == [.missedClass])
    #expect(kinds(report([[2000, 0, 0], [0, 2000, 0], [0, 21, 9]], training: [9, 9, 9])) == [.missedClass])
    #expect(kinds(report([[2000, 0, 0], [0, 2000, 0], [0, 18, 12]], training: [9, 9, 9])) == [])
    #expect(kinds(report([[100, 100], [100, 100]], training: [9, 9])).isSuperset(of: [.untrained, .unsure]))
    var duplicated = report([[198, 2], [1, 199]], training: [800, 900])
    duplicated.duplicateCount = 2
    duplicated.duplicates = [.init(training: "a/1.png", validation: "v/1.png")]
    let warning = try #require(duplicated.warnings.first)
    #expect(
      warning.kind == .duplicates && warning.title.hasPrefix("2 ") && warning.advice.contains("v/1.png is a/1.png"))

    var learnedByHeart = report([[198, 2], [1, 199]], training: [800, 900])
    learnedByHeart.epochs = [(1.0, 0.9), (0.4, 0.5), (0.1, 0.8)].enumerated().map { index, losses in
      EpochMetrics(
        epoch: index + 1, step: index, trainLoss: losses.0, validationLoss: losses.1, validationAccuracy: 0.9,
        learningRate: 0.1, seconds: 1)
    }
    #expect(kinds(learnedByHeart) == [.overfitting])
  }

  /// A thousand pictures in detail stay far below ten megabytes: what is shown is stored once.
  @Test func manyPicturesStaySmall() throws {
    var report = report([[450, 50], [50, 450]], training: [800, 900])
    var random = RandomStream(seed: 1)
    for index in 0..<600 {
      // Noise is the worst that a picture can be.
      let pixels = (0..<112 * 112 * 3).map { _ in UInt8(random.next() >> 56) }
      report.pictures.append(
        .init(
          name: "folder/with/a/long/name/\(index).jpg",
          image: Image(width: 112, height: 112, channels: 3, pixels: pixels), label: index % 2,
          answer: .init(predicted: 0, confidence: 0.7, isRight: index % 2 == 0)))
    }
    let html = try report.html()
    #expect(html.utf8.count < 10_000_000)
    #expect(html.matches(of: /data:image/).count == 600)
  }

  @Test func manyClassesGetAListInsteadOfAMatrix() throws {
    let confusion = (0..<50).map { row in (0..<50).map { $0 == row ? 30 : $0 == (row + 1) % 50 ? 2 : 0 } }
    let html = try report(confusion, training: .init(repeating: 100, count: 50)).html()
    #expect(html.contains("The most frequent confusions") && !html.contains("class=\"matrix\""))
  }
}

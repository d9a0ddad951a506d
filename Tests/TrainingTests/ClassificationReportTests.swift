import Testing
import Training

@Suite struct ClassificationReportTests {
  @Test func countsAndShares() {
    // Called: a, b, b, b, c, a; true: a, a, b, b, c, c. No example of d, and none was called so.
    let logits: [Float] = [
      3, 1, 2, 0,
      1, 3, 2, 0,
      1, 3, 2, 0,
      -1, 0, -2, -3,
      0, 1, 9, 2,
      5, 1, 4, 2,
    ]
    let report = ClassificationReport(
      logits: logits, labels: [0, 0, 1, 1, 2, 2], classNames: ["a", "b", "c", "d"], loss: 0.5)
    #expect(report.images == 6 && report.loss == 0.5)
    #expect(report.confusion == [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])
    #expect(report.accuracy == 4.0 / 6)
    #expect(report.top5 == 1)
    #expect(report.classes.map(\.name) == ["a", "b", "c", "d"])
    #expect(report.classes.map(\.support) == [2, 2, 2, 0])
    #expect(report.classes.map(\.precision) == [0.5, 2.0 / 3, 1, 0])
    #expect(report.classes.map(\.recall) == [0.5, 1, 0.5, 0])
    #expect(report.classes[0].f1 == 0.5 && report.classes[3].f1 == 0)
    #expect(abs(report.classes[1].f1 - 0.8) < 1e-15 && abs(report.classes[2].f1 - 2.0 / 3) < 1e-15)
  }

  @Test func topFiveAndTies() {
    // The label is 5th, 6th, tied for 5th with a lower class (so 6th), tied with a higher one (so 5th).
    let rows: [(scores: [Float], label: Int)] = [
      ([7, 6, 5, 4, 3, 2, 1], 4), ([7, 6, 5, 4, 3, 2, 1], 5), ([7, 6, 5, 4, 3, 3, 1], 5), ([7, 6, 5, 4, 3, 3, 1], 4),
    ]
    let report = ClassificationReport(
      logits: rows.flatMap(\.scores), labels: rows.map(\.label), classNames: (0..<7).map(String.init), loss: 0)
    #expect(report.top5 == 0.5)
    // A tie for the first place goes to the lower class.
    let tie = ClassificationReport(logits: [1, 1, 0, 1, 1, 0], labels: [0, 1], classNames: ["a", "b", "c"], loss: 0)
    #expect(tie.confusion == [[1, 0, 0], [1, 0, 0], [0, 0, 0]])
  }

  @Test func nothingToJudge() {
    let report = ClassificationReport(logits: [], labels: [], classNames: ["a", "b"], loss: 0)
    #expect(report.images == 0 && report.accuracy == 0 && report.top5 == 0)
    #expect(report.classes.allSatisfy { $0.precision == 0 && $0.recall == 0 && $0.f1 == 0 })
  }
}

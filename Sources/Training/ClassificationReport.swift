/// How well a classifier does on labelled examples.
public struct ClassificationReport: Codable, Hashable, Sendable {
  public struct ClassRow: Codable, Hashable, Sendable {
    public var name: String
    /// Examples of the class.
    public var support: Int
    /// Of the examples called this class, the share that are; 0 if none was.
    public var precision: Double
    /// Of the examples of this class, the share that were called so; 0 if there are none.
    public var recall: Double
    /// The harmonic mean of the two.
    public var f1: Double
  }

  public var images: Int
  public var accuracy: Double
  /// The share whose class is among the five most probable.
  public var top5: Double
  /// The mean cross-entropy.
  public var loss: Double
  public var classes: [ClassRow]
  /// Rows are true classes, columns predicted ones.
  public var confusion: [[Int]]
  /// How far the probabilities can be believed, of a model that has a calibration.
  public var calibration: CalibrationReport?

  /// - Parameters:
  ///   - logits: `[images, classes]`, row by row.
  ///   - labels: the true classes.
  public init(logits: [Float], labels: [Int], classNames: [String], loss: Double) {
    let count = classNames.count
    var confusion = [[Int]](repeating: .init(repeating: 0, count: count), count: count)
    var inTopFive = 0
    for (row, label) in labels.enumerated() {
      let scores = logits[row * count..<(row + 1) * count]
      let own = scores[scores.startIndex + label]
      // Ties go to the lower class, as in sorting.
      let rank = scores.enumerated().count { $0.element > own || ($0.element == own && $0.offset < label) }
      if rank < 5 { inTopFive += 1 }
      let best = scores.indices.max { scores[$0] < scores[$1] || (scores[$0] == scores[$1] && $0 > $1) }!
      confusion[label][best - scores.startIndex] += 1
    }
    let right = (0..<count).reduce(0) { $0 + confusion[$1][$1] }
    images = labels.count
    accuracy = Self.share(right, of: labels.count)
    top5 = Self.share(inTopFive, of: labels.count)
    self.loss = loss
    self.confusion = confusion
    classes = classNames.enumerated().map { index, name in
      let support = confusion[index].reduce(0, +)
      let precision = Self.share(confusion[index][index], of: confusion.reduce(0) { $0 + $1[index] })
      let recall = Self.share(confusion[index][index], of: support)
      let f1 = precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall)
      return ClassRow(name: name, support: support, precision: precision, recall: recall, f1: f1)
    }
  }

  private static func share(_ part: Int, of whole: Int) -> Double { whole == 0 ? 0 : Double(part) / Double(whole) }
}

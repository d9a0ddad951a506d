/// Between what bounds a share lies that was counted on a sample, with 95 % confidence (Wilson, 1927). Unlike the
/// normal approximation it holds for few examples and for shares near 0 and 1.
public struct ProportionInterval: Codable, Hashable, Sendable {
  public var lower: Double
  public var upper: Double

  /// - Parameters:
  ///   - part: how many of the sample have the property.
  ///   - whole: the size of the sample; with none, nothing is known.
  public init(_ part: Int, of whole: Int) {
    guard whole > 0 else {
      (lower, upper) = (0, 1)
      return
    }
    // The 97.5 % point of the normal distribution.
    let z = 1.959963984540054
    let (n, p) = (Double(whole), Double(part) / Double(whole))
    let centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    let reach = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
    lower = part == 0 ? 0 : max(0, centre - reach)
    upper = part == whole ? 1 : min(1, centre + reach)
  }

  public var width: Double { upper - lower }
}

extension ClassificationReport {
  /// Examples that were called what they are.
  public var rightCount: Int { confusion.indices.reduce(0) { $0 + confusion[$1][$1] } }

  /// The bounds of the accuracy.
  public var accuracyInterval: ProportionInterval { ProportionInterval(rightCount, of: images) }
}

import Foundation

/// Whether two classifiers differ on the same examples by more than chance: looks at those alone that one of them gets
/// right and the other wrong (McNemar, 1947), by the exact binomial distribution, which holds for any number of them.
public struct McNemarTest: Codable, Hashable, Sendable {
  /// Examples that both judged.
  public var examples: Int
  public var onlyFirstRight: Int
  public var onlySecondRight: Int
  /// The probability of so unequal a split, or a more unequal one, if both were equally good.
  public var pValue: Double

  /// The examples that the test rests on.
  public var discordant: Int { onlyFirstRight + onlySecondRight }

  enum CodingKeys: String, CodingKey {
    case examples
    case onlyFirstRight = "only_first_right"
    case onlySecondRight = "only_second_right"
    case pValue = "p_value"
  }

  /// - Parameters:
  ///   - first, second: for each example, whether the classifier is right.
  public init(_ first: [Bool], _ second: [Bool]) {
    let pairs = Array(zip(first, second))
    self.init(
      examples: pairs.count, onlyFirstRight: pairs.count { $0 && !$1 }, onlySecondRight: pairs.count { !$0 && $1 })
  }

  public init(examples: Int, onlyFirstRight: Int, onlySecondRight: Int) {
    self.examples = examples
    self.onlyFirstRight = onlyFirstRight
    self.onlySecondRight = onlySecondRight
    let count = onlyFirstRight + onlySecondRight
    func logFactorial(_ number: Int) -> Double { lgamma(Double(number) + 1) }
    let tail = (0...min(onlyFirstRight, onlySecondRight)).reduce(0.0) { sum, wins in
      sum + exp(logFactorial(count) - logFactorial(wins) - logFactorial(count - wins) - Double(count) * log(2))
    }
    pValue = min(1, 2 * tail)
  }
}

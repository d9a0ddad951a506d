import Testing
import Training

@Suite struct McNemarTests {
  /// `scipy.stats.binomtest(k, n, 0.5).pvalue`.
  @Test(arguments: [
    (0, 0, 1.0), (1, 0, 1.0), (0, 5, 0.0625), (1, 9, 0.021484375), (10, 10, 1.0), (12, 30, 0.007915897334896727),
    (300, 400, 0.0001784763144856244),
  ])
  func probabilitiesAreThoseOfTheBinomialDistribution(_ first: Int, _ second: Int, _ expected: Double) {
    let test = McNemarTest(examples: 1000, onlyFirstRight: first, onlySecondRight: second)
    #expect(abs(test.pValue / expected - 1) < 1e-4, "\(test.pValue)")
    #expect(test.discordant == first + second)
  }

  @Test func pairsAreCounted() {
    let test = McNemarTest([true, true, false, false, true], [true, false, true, false, false])
    #expect((test.examples, test.onlyFirstRight, test.onlySecondRight) == (5, 2, 1) && test.pValue == 1)
  }
}

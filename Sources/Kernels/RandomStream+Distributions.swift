import Foundation

extension RandomStream {
  /// Uniform over the closed range; its one value where the bounds are equal.
  public mutating func uniform(within range: ClosedRange<Float>) -> Float {
    range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
  }

  /// Uniform over `0..<bound`; its bias, below 2^-40 for any bound up to 2^24, does not matter.
  public mutating func integer(below bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

  /// True with the given probability.
  public mutating func chance(_ probability: Float) -> Bool { uniform() < probability }

  /// Normal with mean 0 and deviation 1 (Box and Muller, 1958; one of the pair is dropped for simplicity).
  public mutating func normal() -> Double {
    let radius = (-2 * log(1 - Double(uniform()))).squareRoot()
    return radius * cos(2 * .pi * Double(uniform()))
  }

  /// Of the gamma distribution with scale 1 (Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables",
  /// 2000); the shape is positive.
  public mutating func gamma(shape: Double) -> Double {
    if shape < 1 { return gamma(shape: shape + 1) * pow(1 - Double(uniform()), 1 / shape) }
    let d = shape - 1 / 3.0
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
      if v > 0, log(1 - Double(uniform())) < 0.5 * x * x + d - d * v + d * log(v) { return d * v }
    }
  }

  /// Of the beta distribution with both parameters `alpha`, at least 0.05: symmetric about 1/2, and the closer to 0 and
  /// 1 the smaller `alpha`.
  public mutating func beta(_ alpha: Double) -> Double {
    let (a, b) = (gamma(shape: alpha), gamma(shape: alpha))
    return a / (a + b)
  }
}

import Formats
import Foundation

/// How the learning rate changes during training.
public struct LearningRateSchedule: Codable, Hashable, Sendable {
  public enum Shape: String, Codable, CaseIterable, Sendable {
    /// The same throughout.
    case constant
    /// Divided by ten after each third of the training.
    case step
    /// Half a cosine from the base rate down to zero (Loshchilov and Hutter, 2017).
    case cosine
    /// Up from a 25th of the base rate over the first 30 %, then down to a 250,000th, both along cosines (Smith and
    /// Topin, 2018, with PyTorch's constants).
    case oneCycle = "one-cycle"
  }

  public var shape: Shape
  /// Steps over which the rate first rises linearly from zero; none for one-cycle, which has its own.
  public var warmUpSteps: Int

  public init(_ shape: Shape, warmUpSteps: Int = 0) {
    self.shape = shape
    self.warmUpSteps = warmUpSteps
  }

  enum CodingKeys: String, CodingKey {
    case shape
    case warmUpSteps = "warm_up_steps"
  }

  public init(from decoder: any Decoder) throws {
    self.init(.oneCycle)
    let fields = try JSONFields(decoder, keyedBy: CodingKeys.self)
    try fields.read(.shape, into: &shape)
    try fields.read(.warmUpSteps, into: &warmUpSteps)
  }

  /// The rate of one step.
  ///
  /// - Parameters:
  ///   - step: counted from 0.
  ///   - totalSteps: of the whole training.
  public func rate(atStep step: Int, of totalSteps: Int, base: Double) -> Double {
    if shape != .oneCycle && step < warmUpSteps { return base * Double(step + 1) / Double(warmUpSteps) }
    let begin = shape == .oneCycle ? 0 : warmUpSteps
    let length = Double(max(1, totalSteps - begin))
    let position = Double(step - begin)
    switch shape {
    case .constant: return base
    case .step: return base * pow(0.1, min(2, floor(3 * position / length)))
    case .cosine: return base * (1 + cos(.pi * min(1, position / length))) / 2
    case .oneCycle:
      let (start, end) = (base / 25, base / 25e4)
      let peak = max(1, 0.3 * Double(totalSteps) - 1)
      let last = max(peak + 1, Double(totalSteps - 1))
      return position <= peak
        ? Self.anneal(from: start, to: base, position / peak)
        : Self.anneal(from: base, to: end, min(1, (position - peak) / (last - peak)))
    }
  }

  private static func anneal(from start: Double, to end: Double, _ share: Double) -> Double {
    end + (start - end) / 2 * (1 + cos(.pi * share))
  }
}

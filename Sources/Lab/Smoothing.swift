import Formats
import Foundation
import Layers

/// A time series smoothed by a window of `2 radius + 1` weights that sum to 1.
public struct Smoothing: Sendable {
  public enum Window: String, CaseIterable, Sendable {
    /// The moving average.
    case box
    /// `(radius + 1 - |m|) / (radius + 1)^2`: two moving averages, one after the other.
    case triangle
  }

  /// What stands before the first and after the last value.
  public enum Padding: String, CaseIterable, Sendable {
    case edge, zeros, reflect
  }

  /// Beyond it, sums in float32 would show their rounding.
  public static let largestRadius = 1000

  public let series: TimeSeries
  public let window: Window
  public let radius: Int
  public let padding: Padding
  public let weights: [Float]
  /// As many as there are values; the first and last `radius` of them depend on the padding.
  public let smoothed: [Float]

  /// - Throws: ``LabError`` unless the radius is from 1 to ``largestRadius`` and, to reflect, less than the count.
  public init(_ series: TimeSeries, window: Window, radius: Int, padding: Padding = .edge) throws(LabError) {
    let count = series.values.count
    guard (1...Self.largestRadius).contains(radius) else {
      throw LabError("the radius must be from 1 to \(Self.largestRadius), but it is \(radius)")
    }
    guard radius < count || padding != .reflect else {
      throw LabError("reflection needs more values than the radius, \(radius), but there are \(count)")
    }
    (self.series, self.window, self.radius, self.padding) = (series, window, radius, padding)
    weights = Self.weights(window, radius: radius)
    let values = series.values
    let padded = (-radius..<count + radius).map { index -> Float in
      if values.indices.contains(index) { return values[index] }
      switch padding {
      case .edge: return values[index < 0 ? 0 : count - 1]
      case .zeros: return 0
      case .reflect: return values[index < 0 ? -index : 2 * count - 2 - index]
      }
    }
    let attributes = ConvAttributes(stride: [1], dilation: [1], paddingBefore: [0], paddingAfter: [0])
    let x = Tensor(padded, shape: [1, 1, padded.count])
    smoothed = apply(.conv(attributes), x, Tensor(weights, shape: [1, 1, weights.count])).scalars()
  }

  /// The window's weights for `-radius...radius`.
  public static func weights(_ window: Window, radius: Int) -> [Float] {
    (-radius...radius).map { m in
      switch window {
      case .box: 1 / Float(2 * radius + 1)
      case .triangle: Float(radius + 1 - abs(m)) / Float((radius + 1) * (radius + 1))
      }
    }
  }

  /// What the window leaves of a wave: the magnitude of its frequency response, as of any FIR filter.
  ///
  /// - Parameter frequency: in waves for each value, from 0 to 1/2.
  public static func gain(_ weights: [Float], at frequency: Double) -> Double {
    let radius = weights.count / 2
    return abs(
      weights.enumerated().reduce(0) { $0 + Double($1.element) * cos(2 * .pi * frequency * Double($1.offset - radius)) }
    )
  }

  /// The lowest frequency of which half or less is left, in waves for each value.
  public var cutoff: Double {
    let steps = 1 << 12
    func frequency(_ step: Int) -> Double { Double(step) / Double(2 * steps) }
    guard let step = (1...steps).first(where: { Self.gain(weights, at: frequency($0)) <= 0.5 }) else { return 0.5 }
    var (low, high) = (frequency(step - 1), frequency(step))
    for _ in 0..<32 {
      let middle = (low + high) / 2
      if Self.gain(weights, at: middle) <= 0.5 { high = middle } else { low = middle }
    }
    return high
  }

  /// The sum of the steps between neighbours: less is smoother.
  public static func totalVariation(_ values: [Float]) -> Double {
    zip(values, values.dropFirst()).reduce(0) { $0 + abs(Double($1.1) - Double($1.0)) }
  }

  /// Lines of `time,value,smoothed`.
  public var csv: String {
    "time,value,smoothed\n"
      + zip(zip(series.labels, series.values), smoothed).map { "\($0.0),\($0.1),\($1)\n" }.joined()
  }
}

extension Smoothing: CustomStringConvertible {
  public var description: String {
    let before = Self.totalVariation(series.values)
    let after = Self.totalVariation(smoothed)
    let weights = (self.weights.count > 9 ? Array(self.weights.prefix(4)) : self.weights)
      .map { String(format: "%.4f", $0) }.joined(separator: " ")
    return """
      \(series.values.count) value\(series.values.count == 1 ? "" : "s") from \(series.labels.first ?? "") to \(series.labels.last ?? "")
      window           \(window.rawValue), \(self.weights.count) weights: \(weights)\(self.weights.count > 9 ? " ..." : "")
      padding          \(padding.rawValue), \(radius) at both ends: \(series.values.count + 2 * radius) values
      total variation  \(String(format: "%.6g", before)) before, \(String(format: "%.6g", after)) after
      response         half is left of a wave that takes \(String(format: "%.1f", 1 / cutoff)) values, less of shorter ones
      """
  }

  package var json: JSON {
    [
      "window": .string(window.rawValue), "radius": .integer(radius), "padding": .string(padding.rawValue),
      "weights": .array(weights.map { JSON($0) }), "values": .array(series.values.map { JSON($0) }),
      "smoothed": .array(smoothed.map { JSON($0) }),
      "cutoff": JSON(cutoff),
      "total_variation": [
        "before": JSON(Self.totalVariation(series.values)), "after": JSON(Self.totalVariation(smoothed)),
      ],
    ]
  }
}

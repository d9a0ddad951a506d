import Formats
import Foundation
import Inspect
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
      total variation  \(Float(before).short) before, \(Float(after).short) after
      """
  }

  package var json: JSON {
    [
      "window": .string(window.rawValue), "radius": .integer(radius), "padding": .string(padding.rawValue),
      "weights": .array(weights.map { JSON($0) }), "values": .array(series.values.map { JSON($0) }),
      "smoothed": .array(smoothed.map { JSON($0) }),
      "total_variation": [
        "before": JSON(Self.totalVariation(series.values)), "after": JSON(Self.totalVariation(smoothed)),
      ],
    ]
  }
}

extension Smoothing {
  /// The values as dots and the smoothed line over time. Colours follow the viewer's light or dark scheme.
  public var svg: String {
    let (left, top, width, height) = (64.0, 40.0, 800.0, 320.0)
    let all = (series.values + smoothed).map(Double.init)
    let (low, high) = (all.min() ?? 0, all.max() ?? 1)
    let span = high > low ? high - low : 1
    let first = series.times[0]
    let duration = max(1e-12, (series.times.last ?? first) - first)
    func x(_ index: Int) -> Double { left + (series.times[index] - first) / duration * width }
    func y(_ value: Double) -> Double { top + (high - value) / span * height }
    let text = { (number: Double) in String(format: "%.1f", number) }
    let dots = series.values.indices.map {
      "<circle class=\"dot\" cx=\"\(text(x($0)))\" cy=\"\(text(y(Double(series.values[$0]))))\" r=\"2\"/>"
    }
    let points = smoothed.indices.map { "\(text(x($0))),\(text(y(Double(smoothed[$0]))))" }
    let ticks = (0...4).map { tick -> String in
      let value = low + span * Double(tick) / 4
      return """
        <line class="rule" x1="\(left)" x2="\(left + width)" y1="\(text(y(value)))" y2="\(text(y(value)))"/>
        <text x="\(left - 8)" y="\(text(y(value) + 4))" text-anchor="end">\(String(format: "%.4g", value))</text>
        """
    }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 410" width="900" height="410" role="img">
      <style>
      .paper { fill: #ffffff; } text { fill: #4a5368; font: 13px system-ui, "DejaVu Sans", sans-serif; }
      .rule { stroke: #dde2eb; } .dot { fill: #98a2b5; } .line { fill: none; stroke: #2f6fde; stroke-width: 2.5; }
      @media (prefers-color-scheme: dark) {
        .paper { fill: #14181f; } text { fill: #b4bccb; } .rule { stroke: #2c3443; } .dot { fill: #6b768c; }
        .line { stroke: #6ea8ff; }
      }
      </style>
      <rect class="paper" width="900" height="410"/>
      <text x="\(left)" y="22">values (dots) and their \(window.rawValue) average over \(weights.count) (line)</text>
      \(ticks.joined(separator: "\n"))
      \(dots.joined(separator: "\n"))
      <polyline class="line" points="\(points.joined(separator: " "))"/>
      <text x="\(left)" y="390">\(Markup.escaped(series.labels.first ?? ""))</text>
      <text x="\(left + width)" y="390" text-anchor="end">\(Markup.escaped(series.labels.last ?? ""))</text>
      </svg>

      """
  }
}

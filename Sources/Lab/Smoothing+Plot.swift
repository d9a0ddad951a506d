import Foundation
import Inspect

extension Smoothing {
  /// The values as dots and the smoothed line over time. Colours follow the viewer's light or dark scheme.
  ///
  /// - Parameter joinsValues: whether lines join the values, which invents what lies between them.
  public func svg(joinsValues: Bool = false) -> String {
    let all = (series.values + smoothed).map(Double.init)
    let first = series.times[0]
    let duration = max(1e-12, (series.times.last ?? first) - first)
    let chart = Chart(
      title:
        "values (\(joinsValues ? "thin line" : "dots")) and their \(window.rawValue) average over \(weights.count) "
        + "(thick line)",
      values: (all.min() ?? 0)...(all.max() ?? 1), start: series.labels.first ?? "", end: series.labels.last ?? "")
    let places = series.times.map { ($0 - first) / duration }
    let dots = zip(places, series.values).map { ($0, Double($1)) }
    return chart.document([
      joinsValues ? chart.line(dots, style: "thin") : chart.dots(dots),
      chart.line(zip(places, smoothed).map { ($0, Double($1)) }, style: "line"),
    ])
  }

  /// What both windows of this radius leave of waves of each frequency: the frequency response.
  public var responseSVG: String {
    let others = Window.allCases.filter { $0 != window }
    let chart = Chart(
      title: "share of a wave that is left: \(window.rawValue) (thick), \(others.map(\.rawValue).joined()) (thin), "
        + "radius \(radius)",
      values: 0...1, start: "constant", end: "every 2 values", middle: "every 4 values")
    func response(_ window: Window) -> [(Double, Double)] {
      let weights = Self.weights(window, radius: radius)
      return (0...800).map { (Double($0) / 800, Self.gain(weights, at: Double($0) / 1600)) }
    }
    return chart.document(
      others.map { chart.line(response($0), style: "thin") } + [chart.line(response(window), style: "line")])
  }
}

/// A frame for lines and dots, 900x410 pixels.
private struct Chart {
  let title: String
  let values: ClosedRange<Double>
  /// Names of the horizontal axis at its ends and in its middle.
  let start, end: String
  let middle: String
  private let ticks: [Double]

  init(title: String, values: ClosedRange<Double>, start: String, end: String, middle: String = "") {
    (self.title, self.values, self.start, self.end, self.middle) = (title, values, start, end, middle)
    ticks = LineChart.ticks(values.lowerBound, values.upperBound)
  }

  private static let (left, top, width, height) = (64.0, 40.0, 800.0, 320.0)

  private func text(_ number: Double) -> String { String(format: "%.1f", number) }
  private func x(_ place: Double) -> Double { Self.left + place * Self.width }

  private func y(_ value: Double) -> Double {
    let (low, high) = (min(values.lowerBound, ticks.first ?? 0), max(values.upperBound, ticks.last ?? 1))
    return Self.top + (high - value) / (high > low ? high - low : 1) * Self.height
  }

  /// - Parameter points: places from 0 to 1, and values.
  func dots(_ points: [(Double, Double)]) -> String {
    points.map { "<circle class=\"dot\" cx=\"\(text(x($0.0)))\" cy=\"\(text(y($0.1)))\" r=\"2\"/>" }
      .joined(separator: "\n")
  }

  func line(_ points: [(Double, Double)], style: String) -> String {
    let list = points.map { "\(text(x($0.0))),\(text(y($0.1)))" }.joined(separator: " ")
    return "<polyline class=\"\(style)\" points=\"\(list)\"/>"
  }

  func document(_ content: [String]) -> String {
    let digits = LineChart.digits(ticks)
    let rules = ticks.map { value -> String in
      """
      <line class="rule" x1="\(Self.left)" x2="\(Self.left + Self.width)" y1="\(text(y(value)))" y2="\(text(y(value)))"/>
      <text x="\(Self.left - 8)" y="\(text(y(value) + 4))" text-anchor="end">\(value.rounded(digits: digits))</text>
      """
    }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 410" width="900" height="410" role="img">
      <style>
      .paper { fill: #ffffff; } text { fill: #4a5368; font: 13px system-ui, "DejaVu Sans", sans-serif; }
      .rule { stroke: #dde2eb; } .dot { fill: #98a2b5; } .line { fill: none; stroke: #2f6fde; stroke-width: 2.5; }
      .thin { fill: none; stroke: #98a2b5; stroke-width: 1; }
      @media (prefers-color-scheme: dark) {
        .paper { fill: #14181f; } text { fill: #b4bccb; } .rule { stroke: #2c3443; } .dot { fill: #6b768c; }
        .line { stroke: #6ea8ff; } .thin { stroke: #6b768c; }
      }
      </style>
      <rect class="paper" width="900" height="410"/>
      <text x="\(Self.left)" y="22">\(Markup.escaped(title))</text>
      \(rules.joined(separator: "\n"))
      \(content.joined(separator: "\n"))
      <text x="\(Self.left)" y="390">\(Markup.escaped(start))</text>
      <text x="\(x(0.5))" y="390" text-anchor="middle">\(Markup.escaped(middle))</text>
      <text x="\(Self.left + Self.width)" y="390" text-anchor="end">\(Markup.escaped(end))</text>
      </svg>

      """
  }
}

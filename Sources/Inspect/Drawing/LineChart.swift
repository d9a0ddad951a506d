/// Curves over a whole number, such as the epoch, as SVG, in the colours of the page that holds it.
public struct LineChart: Sendable {
  public struct Series: Sendable {
    public var name: String
    public var points: [(x: Double, y: Double)]

    public init(_ name: String, _ points: [(x: Double, y: Double)]) { (self.name, self.points) = (name, points) }
  }

  public var title: String
  public var xTitle: String
  public var series: [Series]
  /// The least and largest `y` that must be in view.
  public var range: ClosedRange<Double>?
  /// A value of `x` to mark with a vertical line, and its name.
  public var mark: (x: Double, name: String)?
  /// Whether `y` is a share to be written in per cent.
  public var isShare = false

  public init(title: String, xTitle: String, series: [Series]) {
    (self.title, self.xTitle, self.series) = (title, xTitle, series)
  }

  /// The rules for the classes that the drawing uses; the page defines the colours.
  public static let style = """
    .chart { width: 100%; height: auto; display: block; }
    .chart text { fill: var(--soft); font-size: 12px; }
    .chart .grid { stroke: var(--line); stroke-width: 1; }
    .chart .mark { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 4; }
    .chart polyline { fill: none; stroke-width: 2.25; stroke-linejoin: round; stroke-linecap: round; }
    .legend { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; padding: 0; margin: 10px 0 0;
      font-size: .87rem; }
    .legend i { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px; }
    .s0 { stroke: var(--s0); fill: var(--s0); } .s1 { stroke: var(--s1); fill: var(--s1); }
    .s2 { stroke: var(--s2); fill: var(--s2); } .s3 { stroke: var(--s3); fill: var(--s3); }
    .s4 { stroke: var(--s4); fill: var(--s4); } .s5 { stroke: var(--s5); fill: var(--s5); }
    .s6 { stroke: var(--s6); fill: var(--s6); } .s7 { stroke: var(--s7); fill: var(--s7); }
    .s8 { stroke: var(--s8); fill: var(--s8); } .s9 { stroke: var(--s9); fill: var(--s9); }
    """

  /// Colours that ``style`` numbers.
  public static let colorCount = 10

  /// The drawing and its legend.
  public var markup: Markup {
    let (svg, legend) = parts
    return "\(svg)\n\(legend)"
  }

  private var parts: (svg: Markup, legend: Markup) {
    let (width, height, left, right, top, bottom) = (520.0, 300.0, 52.0, 14.0, 28.0, 46.0)
    let points = series.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
    let xs = points.map(\.x)
    let ys = points.map(\.y) + (range.map { [$0.lowerBound, $0.upperBound] } ?? [])
    let (xLow, xHigh) = Self.widened(xs)
    let yTicks = Self.ticks(ys.min() ?? 0, ys.max() ?? 1)
    let (yLow, yHigh) = Self.widened([min(ys.min() ?? 0, yTicks.first ?? 0), max(ys.max() ?? 1, yTicks.last ?? 1)])
    func x(_ value: Double) -> Double { left + (value - xLow) / (xHigh - xLow) * (width - left - right) }
    func y(_ value: Double) -> Double { height - bottom - (value - yLow) / (yHigh - yLow) * (height - top - bottom) }

    var parts: [Markup] = []
    let digits = Self.digits(yTicks)
    for tick in yTicks {
      let label = isShare ? (tick * 100).rounded(digits: max(0, digits - 2)) + " %" : tick.rounded(digits: digits)
      parts.append("<line class=\"grid\" x1=\"\(left)\" x2=\"\(width - right)\" y1=\"\(y(tick))\" y2=\"\(y(tick))\"/>")
      parts.append("<text x=\"\(left - 8)\" y=\"\(y(tick) + 4)\" text-anchor=\"end\">\(label)</text>")
    }
    for tick in Self.ticks(xLow, xHigh, count: 6) where tick >= xLow && tick <= xHigh && tick == tick.rounded() {
      let label = tick.rounded(digits: 0)
      parts.append("<text x=\"\(x(tick))\" y=\"\(height - bottom + 20)\" text-anchor=\"middle\">\(label)</text>")
    }
    if let mark {
      parts.append(
        "<line class=\"mark\" x1=\"\(x(mark.x))\" x2=\"\(x(mark.x))\" y1=\"\(top - 6)\" y2=\"\(height - bottom)\"/>")
      let isRight = x(mark.x) > width / 2
      parts.append(
        "<text x=\"\(x(mark.x))\" y=\"\(top - 10)\" text-anchor=\"\(isRight ? "end" : "start")\">\(mark.name)</text>"
      )
    }
    var legend: [Markup] = []
    for (index, series) in series.enumerated() {
      let drawn = series.points.filter { $0.x.isFinite && $0.y.isFinite }
      let color = index % Self.colorCount
      let path = drawn.map { "\(x($0.x).rounded(digits: 1)),\(y($0.y).rounded(digits: 1))" }.joined(separator: " ")
      parts.append("<polyline class=\"s\(color)\" style=\"fill:none\" points=\"\(path)\"/>")
      if drawn.count <= 40 {
        for point in drawn {
          parts.append("<circle class=\"s\(color)\" r=\"2.5\" cx=\"\(x(point.x))\" cy=\"\(y(point.y))\"/>")
        }
      }
      legend.append("<li><i style=\"background:var(--s\(color))\"></i>\(series.name)</li>")
    }
    parts.append("<text x=\"\(width - right)\" y=\"\(height - 6)\" text-anchor=\"end\">\(xTitle)</text>")
    let svg: Markup = """
      <svg class="chart" viewBox="0 0 \(Int(width)) \(Int(height))" role="img" aria-label="\(title)">
      \(parts)
      </svg>
      """
    return (svg, "<ul class=\"legend\">\(legend)</ul>")
  }

  /// A file of its own, with its title and colours that follow the viewer's light or dark scheme.
  public var standaloneSVG: Markup {
    let style = """
      :root { --paper: #ffffff; --soft: #5a6579; --line: #e1e5ec; --s0: #2f6fde; --s1: #d9622b; --s2: #1f9d6b;
        --s3: #a24bc4; --s4: #c79a14; --s5: #d33d6e; --s6: #3aa6c4; --s7: #7d6a52; --s8: #6d7b8f; --s9: #7d9c1e; }
      @media (prefers-color-scheme: dark) { :root { --paper: #181e28; --soft: #9ba6ba; --line: #2a3342; --s0: #6ea8ff;
        --s1: #ff9a66; --s2: #55cf9d; --s3: #cf8bea; --s4: #e7c350; --s5: #ff7fa6; --s6: #6fd3ec; --s7: #bfa98d; } }
      text { font-family: system-ui, sans-serif; font-size: 14px; fill: var(--soft); }
      """
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 360" width="840" height="540">
      <style>
      \(Markup(stringLiteral: style + "\n" + Self.style))
      </style>
      <rect width="560" height="360" style="fill:var(--paper)"/>
      <text x="20" y="28">\(title)</text>
      <svg x="20" y="44" width="520" height="300">
      \(parts.svg)
      </svg>
      </svg>
      """
  }

  /// The bounds of some numbers, never equal.
  private static func widened(_ values: [Double]) -> (Double, Double) {
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    return high > low ? (low, high) : (low - 0.5, high + 0.5)
  }

  /// Round numbers 1, 2 or 5 times a power of ten apart that cover an interval.
  package static func ticks(_ low: Double, _ high: Double, count: Int = 5) -> [Double] {
    let span = high > low ? high - low : 1
    let exact = span / Double(count)
    var power = 1.0
    while power > exact { power /= 10 }
    while power * 10 <= exact { power *= 10 }
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= exact } ?? exact
    let first = (low / step).rounded(.down)
    let last = (high / step - 1e-9).rounded(.up)
    return last - first > 100 ? [low, high] : stride(from: first, through: last, by: 1).map { $0 * step }
  }

  /// Digits behind the point that tell ticks apart.
  package static func digits(_ ticks: [Double]) -> Int {
    guard ticks.count > 1 else { return 2 }
    var (step, digits) = (ticks[1] - ticks[0], 0)
    while digits < 6, step < 0.999 {
      step *= 10
      digits += 1
    }
    return digits
  }
}

import Foundation
import Inspect

extension SlidingWindow {
  /// More windows than this are not for looking at.
  public static let pictureLimit = 400

  /// The input with its padding, the kernel and the output, with one window marked. Colours follow the viewer's light or
  /// dark scheme.
  ///
  /// - Parameter step: the position to mark, from 0.
  /// - Throws: ``LabError`` if there are too many windows to draw.
  public func svg(step: Int = 0) throws(LabError) -> String {
    try requireDrawable()
    guard positions.indices.contains(step) else {
      throw LabError("there is no window \(step); the last of the \(positions.count) is \(positions.count - 1)")
    }
    let layout = Layout(self)
    return layout.document(style: Self.style, layout.frame(positions[step], attributes: ""))
  }

  /// A page that shows all windows one after another, with the list of their terms below. It needs no script and
  /// nothing from elsewhere, and stands still for people who asked their system for less motion.
  public func html(title: String) throws(LabError) -> String {
    try requireDrawable()
    let layout = Layout(self)
    let seconds = Double(positions.count) * 1.5
    let share = 100 / Double(positions.count)
    let frames = positions.enumerated().map { index, position in
      layout.frame(position, attributes: " class=\"step\" style=\"animation-delay:\(Double(index) * 1.5)s\"")
    }
    // Rounded up, so that there is no gap between two steps.
    let end = (share * 1000).rounded(.up) / 1000
    let style =
      Self.style + """

        body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
        body { background: #fff; color: #1d2433; }
        svg { max-width: 100%; height: auto; }
        li { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
        .step { opacity: 0; animation: step \(seconds)s step-end infinite; }
        @keyframes step { 0% { opacity: 1 } \(end)% { opacity: 0 } 100% { opacity: 0 } }
        @media (prefers-color-scheme: dark) { body { background: #14181f; color: #e6e9ef; } }
        @media (prefers-reduced-motion: reduce) {
          .step { animation: none; }
          .step:first-of-type { opacity: 1; }
        }
        """
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(Markup.escaped(title))</title>
      <style>
      \(style)
      </style>
      </head>
      <body>
      <h1>\(Markup.escaped(title))</h1>
      \(layout.document(style: "", "<g>" + frames.joined(separator: "\n") + "</g>"))
      <ol>
      \(lines.map { "<li>\(Markup.escaped($0))</li>" }.joined(separator: "\n"))
      </ol>
      </body>
      </html>

      """
  }

  private func requireDrawable() throws(LabError) {
    if positions.count > Self.pictureLimit || input.values.count > Self.pictureLimit * 10 {
      throw LabError("\(positions.count) windows are too many to draw; the most is \(Self.pictureLimit)")
    }
  }

  /// Classes rather than variables, which not every viewer of SVG knows.
  private static let style = """
    .paper { fill: #ffffff; } .cell { fill: #f3f5f9; stroke: #a9b2c3; }
    .pad { fill: none; stroke: #a9b2c3; stroke-dasharray: 3 3; }
    .mark { fill: #2f6fde; fill-opacity: .22; stroke: #2f6fde; stroke-width: 2; }
    .number { fill: #1d2433; } .faint { fill: #67718a; } .weight { fill: #1c4fae; }
    .number, .faint, .weight, .label { font-family: system-ui, "DejaVu Sans", sans-serif; } .label { fill: #4a5368; }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #14181f; } .cell { fill: #222936; stroke: #515c72; } .pad { stroke: #515c72; }
      .mark { fill: #6ea8ff; stroke: #6ea8ff; } .number { fill: #e6e9ef; } .faint { fill: #99a3b8; }
      .weight { fill: #a9ccff; } .label { fill: #b4bccb; }
    }
    """
}

/// Where everything lies, in pixels: input channels under one another, then the kernel's, then the output's.
private struct Layout {
  static let cell = 46
  static let gap = 64
  static let top = 44

  let window: SlidingWindow
  let kernel: NumberGrid?
  let padding: [Int]

  init(_ window: SlidingWindow) {
    self.window = window
    if case .convolution(let kernel) = window.kind { self.kernel = kernel } else { kernel = nil }
    padding = window.steps.padding
  }

  var inputRows: Int { window.input.rows + 2 * padding[0] }
  var inputColumns: Int { window.input.columns + 2 * padding[1] }
  var kernelX: Int { 20 + inputColumns * Self.cell + Self.gap }
  var outputX: Int { kernel.map { kernelX + $0.columns * Self.cell + Self.gap } ?? kernelX }

  /// The top of a channel's grid.
  func y(channel: Int, rows: Int) -> Int { Self.top + channel * (rows * Self.cell + 18) }

  var height: Int {
    let input = y(channel: window.input.channels, rows: inputRows)
    let kernel = kernel.map { y(channel: $0.channels, rows: $0.rows) } ?? 0
    return max(input, kernel, y(channel: window.output.channels, rows: window.output.rows)) + 34
  }

  /// Wide enough for the longest line of terms, which would be cut otherwise.
  var width: Int {
    let longest = window.positions.map { caption($0).count }.max() ?? 0
    return max(outputX + window.output.columns * Self.cell + 20, 40 + longest * 10)
  }

  func document(style: String, _ frame: String) -> String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" width="\(width)" height="\(height)" \
    role="img" aria-label="A window slides over the input">
    \(style.isEmpty ? "" : "<style>\n\(style)\n</style>")
    <rect class="paper" width="\(width)" height="\(height)"/>
    \(still)
    \(frame)
    </svg>
    """
  }

  /// Everything that does not move.
  private var still: String {
    var parts = [text("input", x: 20, y: 28, style: "label", size: 16)]
    for channel in 0..<window.input.channels {
      for row in 0..<inputRows {
        for column in 0..<inputColumns {
          let (r, c) = (row - padding[0], column - padding[1])
          let isInside = (0..<window.input.rows).contains(r) && (0..<window.input.columns).contains(c)
          let x = 20 + column * Self.cell
          let y = y(channel: channel, rows: inputRows) + row * Self.cell
          parts.append(square(x, y, isInside ? "cell" : "pad"))
          // A maximum ignores its padding.
          if case .maximum = window.kind, !isInside { continue }
          parts.append(number(isInside ? window.input[channel, r, c] : 0, x, y, isInside ? "number" : "faint"))
        }
      }
    }
    if let kernel {
      parts.append(text("∗", x: kernelX - Self.gap / 2, y: middle, style: "label", size: 26, anchor: "middle"))
      parts.append(text("kernel", x: kernelX, y: 28, style: "label", size: 16))
      parts.append(grid(kernel, x: kernelX))
    }
    parts.append(
      text(kernel == nil ? "→" : "=", x: outputX - Self.gap / 2, y: middle, style: "label", size: 26, anchor: "middle"))
    parts.append(text("output", x: outputX, y: 28, style: "label", size: 16))
    parts.append(grid(window.output, x: outputX))
    return parts.joined(separator: "\n")
  }

  private var middle: Int { Self.top + inputRows * Self.cell / 2 + 8 }

  /// The marks and the terms of one position.
  func frame(_ position: SlidingWindow.Position, attributes: String) -> String {
    var parts: [String] = []
    let channels = kernel == nil ? position.channel..<position.channel + 1 : 0..<window.input.channels
    for channel in channels {
      for i in 0..<window.windowRows {
        for j in 0..<window.windowColumns {
          let row = position.row * window.steps.stride[0] + i * window.steps.dilation[0]
          let column = position.column * window.steps.stride[1] + j * window.steps.dilation[1]
          let x = 20 + column * Self.cell
          let y = y(channel: channel, rows: inputRows) + row * Self.cell
          parts.append(square(x, y, "mark"))
          if let kernel {
            let weight = brief(kernel[channel, i, j])
            parts.append(
              text("×\(weight)", x: x + Self.cell - 4, y: y + Self.cell - 4, style: "weight", size: 11, anchor: "end"))
          }
        }
      }
    }
    let y = y(channel: position.channel, rows: window.output.rows) + position.row * Self.cell
    parts.append(square(outputX + position.column * Self.cell, y, "mark"))
    parts.append(text(caption(position), x: 20, y: height - 16, style: "number", size: 16))
    return "<g\(attributes)>\n" + parts.joined(separator: "\n") + "\n</g>"
  }

  /// The terms; of very many only the first.
  private func caption(_ position: SlidingWindow.Position) -> String {
    let text = position.text(window.kind)
    guard text.count > 96, let equals = text.range(of: " = ", options: .backwards) else { return text }
    let whole = text.prefix(80).lastIndex(of: " ") ?? text.startIndex
    return text[..<whole] + " …" + text[equals.lowerBound...]
  }

  private func grid(_ grid: NumberGrid, x: Int) -> String {
    var parts: [String] = []
    for channel in 0..<grid.channels {
      for row in 0..<grid.rows {
        for column in 0..<grid.columns {
          let x = x + column * Self.cell
          let y = y(channel: channel, rows: grid.rows) + row * Self.cell
          parts += [square(x, y, "cell"), number(grid[channel, row, column], x, y, "number")]
        }
      }
    }
    return parts.joined(separator: "\n")
  }

  private func square(_ x: Int, _ y: Int, _ style: String) -> String {
    "<rect class=\"\(style)\" x=\"\(x)\" y=\"\(y)\" width=\"\(Self.cell)\" height=\"\(Self.cell)\"/>"
  }

  /// Of long numbers three digits.
  private func brief(_ value: Float) -> String {
    value.short.count <= 5 ? value.short : String(format: "%.3g", value)
  }

  /// In the middle of a cell, as large as fits.
  private func number(_ value: Float, _ x: Int, _ y: Int, _ style: String) -> String {
    let number = brief(value)
    let size = min(17, 60 / number.count)
    return text(number, x: x + Self.cell / 2, y: y + Self.cell / 2 + 3, style: style, size: size, anchor: "middle")
  }

  private func text(_ text: String, x: Int, y: Int, style: String, size: Int, anchor: String = "start") -> String {
    "<text class=\"\(style)\" x=\"\(x)\" y=\"\(y)\" font-size=\"\(size)\" text-anchor=\"\(anchor)\">\(text)</text>"
  }
}

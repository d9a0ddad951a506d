import Foundation

extension SlidingWindow {
  /// Where everything lies in a picture, in pixels: channels under one another, planes side by side; the input, the
  /// kernels and the output from left to right.
  struct Layout {
    static let cell = 46
    static let gap = 64
    static let top = 44

    /// Grids of one size: channels under one another, planes side by side.
    struct Block {
      var x: Int
      var channels: Int
      var extents: [Int]
      /// Names of the channels, above each; empty if there is nothing to tell apart.
      var names: [String] = []

      var width: Int { extents[0] * extents[2] * cell + (extents[0] - 1) * 14 }
      private var step: Int { extents[1] * cell + (names.isEmpty ? 18 : 30) }
      private var top: Int { Layout.top + (names.isEmpty ? 0 : 16) }
      var bottom: Int { top + channels * step }

      func origin(_ channel: Int, _ place: [Int]) -> (x: Int, y: Int) {
        (
          x + place[0] * (extents[2] * cell + 14) + place[2] * cell,
          top + channel * step + place[1] * cell
        )
      }
    }

    let window: SlidingWindow
    let convolution: Convolution?
    let input: Block
    let kernel: Block?
    let output: Block

    init(_ window: SlidingWindow) {
      self.window = window
      let geometry = window.geometry
      func names(_ count: Int, _ name: String) -> [String] { count == 1 ? [] : (1...count).map { "\(name) \($0)" } }
      let padded = (0..<3).map { window.input.extents[$0] + geometry.before[$0] + geometry.after[$0] }
      input = Block(
        x: 20, channels: window.input.channels, extents: padded, names: names(window.input.channels, "channel"))
      var next = input.x + input.width + Self.gap
      if case .convolution(let convolution) = window.kind {
        self.convolution = convolution
        let (count, channels) = (convolution.kernels.count, convolution.kernels[0].channels)
        var block = Block(x: next, channels: count * channels, extents: geometry.window)
        if count > 1 {
          block.names = (0..<count * channels).map {
            "kernel \($0 / channels + 1)" + (channels == 1 ? "" : ", channel \($0 % channels + 1)")
          }
        } else {
          block.names = names(channels, "channel")
        }
        kernel = block
        // Names may be wider than a small kernel; biases stand beside it.
        let bias = convolution.bias.isEmpty ? 0 : 56
        next += max(block.width + bias, (block.names.map(\.count).max() ?? 0) * 7) + Self.gap
      } else {
        (convolution, kernel) = (nil, nil)
      }
      output = Block(
        x: next, channels: window.output.channels, extents: window.output.extents,
        names: names(window.output.channels, window.channelName))
    }

    var height: Int { max(input.bottom, kernel?.bottom ?? 0, output.bottom) + 34 }

    /// Wide enough for the longest line of terms, which would be cut otherwise.
    var width: Int {
      let longest = window.positions.map { caption($0).count }.max() ?? 0
      return max(output.x + max(output.width, 70) + 20, 40 + longest * 10)
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
      var parts = [title("input", input)]
      let geometry = window.geometry
      for channel in 0..<input.channels {
        parts.append(name(input, channel))
        for place in places(input.extents) {
          let at = input.origin(channel, place)
          let tap = Geometry.Tap(
            channel: channel, place: (0..<3).map { place[$0] - geometry.before[$0] }, weight: (0, [0, 0, 0]))
          let isInside = zip(tap.place, window.input.extents).allSatisfy { (0..<$1).contains($0) }
          parts.append(square(at, isInside ? "cell" : "pad"))
          // A maximum ignores its padding.
          guard let value = SlidingWindow.value(of: window.input, tap, window.kind, geometry) else { continue }
          parts.append(number(value, at, isInside ? "number" : "faint"))
        }
      }
      if let kernel, let convolution {
        parts.append(sign("∗", before: kernel))
        parts.append(title(convolution.isFlipped ? "kernel, reversed" : "kernel", kernel))
        for (index, grid) in convolution.kernels.enumerated() {
          parts.append(self.grid(grid, kernel, from: index * grid.channels, isFlipped: convolution.isFlipped))
          if index < convolution.bias.count {
            let at = kernel.origin((index + 1) * grid.channels - 1, [0, 0, 0])
            let (x, y) = (at.x + kernel.width + 8, at.y + grid.rows * Self.cell / 2 + 5)
            parts.append(text("+ \(brief(convolution.bias[index]))", x: x, y: y, style: "weight", size: 14))
          }
        }
      }
      parts.append(sign(kernel == nil ? "→" : "=", before: output))
      parts.append(title("output", output))
      parts.append(grid(window.output, output, from: 0, isFlipped: false))
      return parts.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    /// The marks and the terms of one position.
    func frame(_ position: Position, attributes: String) -> String {
      var parts: [String] = []
      for tap in window.geometry.taps(channel: position.channel, place: position.place) {
        let place = (0..<3).map { tap.place[$0] + window.geometry.before[$0] }
        // A window may hang over the end of the padding.
        guard zip(place, input.extents).allSatisfy({ $0 < $1 }) else { continue }
        let at = input.origin(tap.channel, place)
        parts.append(square(at, "mark"))
        if let convolution {
          let weight = brief(convolution.kernels[position.channel][tap.weight.channel, tap.weight.place])
          parts.append(
            text(
              "×\(weight)", x: at.x + Self.cell - 4, y: at.y + Self.cell - 4, style: "weight", size: 11, anchor: "end"))
        }
      }
      if let kernel, let convolution, convolution.kernels.count > 1 {
        let channels = convolution.kernels[0].channels
        for channel in position.channel * channels..<(position.channel + 1) * channels {
          for plane in 0..<kernel.extents[0] {
            let at = kernel.origin(channel, [plane, 0, 0])
            parts.append(square(at, "frame", columns: kernel.extents[2], rows: kernel.extents[1]))
          }
        }
      }
      parts.append(square(output.origin(position.channel, position.place), "mark"))
      parts.append(text(caption(position), x: 20, y: height - 16, style: "number", size: 16))
      return "<g\(attributes)>\n" + parts.joined(separator: "\n") + "\n</g>"
    }

    /// The terms; of very many only the first.
    private func caption(_ position: Position) -> String {
      let text = position.text(window.kind)
      guard text.count > 96, let equals = text.range(of: " = ", options: .backwards) else { return text }
      let whole = text.prefix(80).lastIndex(of: " ") ?? text.startIndex
      return text[..<whole] + " …" + text[equals.lowerBound...]
    }

    private func places(_ extents: [Int]) -> [[Int]] {
      (0..<extents.reduce(1, *)).map {
        [$0 / extents[2] / extents[1], $0 / extents[2] % extents[1], $0 % extents[2]]
      }
    }

    /// The channels of a grid as those of a block from `first` on.
    private func grid(_ grid: NumberGrid, _ block: Block, from first: Int, isFlipped: Bool) -> String {
      var parts: [String] = []
      for channel in 0..<grid.channels {
        parts.append(name(block, first + channel))
        for place in places(grid.extents) {
          let at = block.origin(first + channel, place)
          let source = isFlipped ? (0..<3).map { grid.extents[$0] - 1 - place[$0] } : place
          parts += [square(at, "cell"), number(grid[channel, source], at, "number")]
        }
      }
      return parts.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    private func title(_ name: String, _ block: Block) -> String {
      let planes = block.extents[0] == 1 ? "" : ", \(block.extents[0]) planes"
      return text(name + planes, x: block.x, y: 28, style: "label", size: 16)
    }

    private func name(_ block: Block, _ channel: Int) -> String {
      guard block.names.indices.contains(channel) else { return "" }
      let at = block.origin(channel, [0, 0, 0])
      return text(block.names[channel], x: at.x, y: at.y - 5, style: "label", size: 12)
    }

    /// In the gap to the left of a block, at half the input's height.
    private func sign(_ sign: String, before block: Block) -> String {
      let middle = input.origin(0, [0, 0, 0]).y + input.extents[1] * Self.cell / 2 + 8
      return text(sign, x: block.x - Self.gap / 2, y: middle, style: "label", size: 26, anchor: "middle")
    }

    private func square(_ at: (x: Int, y: Int), _ style: String, columns: Int = 1, rows: Int = 1) -> String {
      "<rect class=\"\(style)\" x=\"\(at.x)\" y=\"\(at.y)\" width=\"\(columns * Self.cell)\" "
        + "height=\"\(rows * Self.cell)\"/>"
    }

    /// Of long numbers three digits: `0.333`, `-1.2e9`.
    private func brief(_ value: Float) -> String {
      if value.short.count <= 5 { return value.short }
      let three = String(format: "%.3g", value)
      guard three.contains("e") else { return three }
      return String(format: "%.2g", value).replacing("e+0", with: "e").replacing("e+", with: "e")
        .replacing("e-0", with: "e-")
    }

    /// In the middle of a cell, as large as fits.
    private func number(_ value: Float, _ at: (x: Int, y: Int), _ style: String) -> String {
      let number = brief(value)
      let size = min(17, 60 / number.count)
      return text(
        number, x: at.x + Self.cell / 2, y: at.y + Self.cell / 2 + 3, style: style, size: size, anchor: "middle")
    }

    private func text(_ text: String, x: Int, y: Int, style: String, size: Int, anchor: String = "start") -> String {
      "<text class=\"\(style)\" x=\"\(x)\" y=\"\(y)\" font-size=\"\(size)\" text-anchor=\"\(anchor)\">\(text)</text>"
    }
  }
}

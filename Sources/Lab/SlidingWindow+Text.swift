import Formats

extension SlidingWindow.Position {
  /// `0×0 + 1×1 + 3×2 + 4×3 = 19`, `max(0, 1, 3, 4) = 4`, `(0 + 1 + 3 + 4) / 4 = 2`.
  func text(_ kind: SlidingWindow.Kind) -> String {
    func factor(_ value: Float) -> String { value < 0 ? "(\(value.short))" : value.short }
    switch kind {
    case .convolution:
      let products = zip(values, weights).map { "\(factor($0))×\(factor($1))" }
      return products.joined(separator: " + ") + " = \(result.short)"
    case .maximum: return "max(\(values.map(\.short).joined(separator: ", "))) = \(result.short)"
    case .average:
      return "(\(values.map(factor).joined(separator: " + "))) / \(values.count) = \(result.short)"
    }
  }
}

extension SlidingWindow: CustomStringConvertible {
  /// Each window's terms as on a slide, then the output.
  public var description: String {
    (lines + ["", "output \(output.rows)x\(output.columns)", output.text]).joined(separator: "\n")
  }

  /// One line for each window.
  public var lines: [String] { positions.map { $0.text(kind) } }

  /// The document that `convnet lab conv --json` and `convnet lab pool --json` print.
  package var json: JSON {
    func grid(_ grid: NumberGrid) -> JSON {
      .array((0..<grid.channels).map { .array(grid.lines(channel: $0).map { .array($0.map { JSON($0) }) }) })
    }
    return [
      "input": grid(input), "stride": JSON(steps.stride), "padding": JSON(steps.padding),
      "dilation": JSON(steps.dilation), "output": grid(output),
      "windows": .array(
        positions.map {
          [
            "channel": .integer($0.channel), "row": .integer($0.row), "column": .integer($0.column),
            "text": .string($0.text(kind)), "result": JSON($0.result),
          ]
        }),
    ]
  }
}

import Formats
import Layers

extension SlidingWindow.Position {
  /// `0×0 + 1×1 + 3×2 + 4×3 = 19`, `max(0, 1, 3, 4) = 4`, `(0 + 1 + 3 + 4) / 4 = 2`.
  func text(_ kind: SlidingWindow.Kind) -> String {
    func factor(_ value: Float) -> String { value < 0 ? "(\(value.short))" : value.short }
    let list = values.map(\.short).joined(separator: ", ")
    let sum = values.map(factor).joined(separator: " + ")
    switch kind {
    case .convolution(let convolution):
      let products = zip(values, weights).map { "\(factor($0))×\(factor($1))" }
      let channels = convolution.kernels[0].channels
      let size = products.count / channels
      // Brackets around each channel.
      var terms = (0..<channels).map { products[$0 * size..<($0 + 1) * size].joined(separator: " + ") }
      if channels > 1 && size > 1 { terms = terms.map { "(\($0))" } }
      if let bias { terms.append(factor(bias)) }
      return terms.joined(separator: " + ") + " = \(result.short)"
    case .pooling(let pooling):
      switch pooling.function {
      case .max, .maxout: return "max(\(list)) = \(result.short)"
      case .min: return "min(\(list)) = \(result.short)"
      case .average: return "(\(sum)) / \(values.count) = \(result.short)"
      case .sum: return "\(sum) = \(result.short)"
      case .l2: return "√(\(values.map { "\(factor($0))²" }.joined(separator: " + "))) = \(result.short)"
      case .variance:
        let mean = values.reduce(0, +) / Float(max(1, values.count))
        let squares = values.map { "(\($0.short) - \(factor(mean)))²" }
        return "(\(squares.joined(separator: " + "))) / \(values.count) = \(result.short)"
      }
    }
  }
}

extension SlidingWindow: CustomStringConvertible {
  /// Each window's terms as on a slide, then the output and how its size comes about.
  public var description: String {
    var text: [String] = []
    for channel in 0..<output.channels {
      if output.channels > 1 { text += (channel == 0 ? [] : [""]) + ["\(channelName) \(channel + 1)"] }
      text += positions.filter { $0.channel == channel }.map { $0.text(kind) }
    }
    let shape = (output.channels > 1 ? [output.channels] : []) + output.extents.suffix(rank)
    return (text + ["", "output \(NumberGrid.text(shape))", output.text, ""] + sizes).joined(separator: "\n")
  }

  /// What an output channel belongs to.
  var channelName: String { if case .convolution = kind { "kernel" } else { "channel" } }

  /// One line for each window.
  public var lines: [String] { positions.map { $0.text(kind) } }

  /// `rows and columns: (3 + 1 + 1 - 2) / 1 + 1 = 4`.
  private var sizes: [String] {
    var names: [(text: String, axes: [String])] = []
    for axis in 3 - rank..<3 {
      let (extent, stride) = (input.extents[axis], geometry.stride[axis])
      let (before, after, covered) = (geometry.before[axis], geometry.after[axis], geometry.covered[axis])
      let room = extent + before + after - covered
      let padding = before == 0 && after == 0 ? "" : " + \(before) + \(after)"
      let isExact = room % stride == 0
      let exact = isExact ? "" : output.extents[axis] > room / stride + 1 ? ", rounded up" : ", rounded down"
      let text =
        "(\(extent)\(padding) - \(covered)) / \(stride) + 1 = \(output.extents[axis])\(exact)"
        + (isExact || exact == ", rounded up"
          ? "" : "; \(room % stride) at the end met no window")
      if names.last?.text == text {
        names[names.count - 1].axes.append(Geometry.axes[axis])
      } else {
        names.append((text, [Geometry.axes[axis]]))
      }
    }
    return names.map { name in
      let last = name.axes.count - 1
      let axes = last == 0 ? "" : name.axes[..<last].joined(separator: ", ") + " and "
      return "\(axes)\(name.axes[last]): \(name.text)"
    }
  }

  /// The document that `convnet lab conv --json` and `convnet lab pool --json` print.
  package var json: JSON {
    func list<Element>(_ elements: [Element], _ json: (Element) -> JSON) -> JSON { .array(elements.map(json)) }
    func grid(_ grid: NumberGrid) -> JSON {
      list(Array(0..<grid.channels)) { channel in
        let planes = (0..<grid.planes).map { plane in
          list(grid.lines(channel: channel, plane: plane)) { row in list(row) { JSON($0) } }
        }
        return rank == 3 ? .array(planes) : planes[0]
      }
    }
    func axes(_ numbers: [Int]) -> JSON { JSON(Array(numbers.suffix(rank))) }
    return [
      "input": grid(input), "stride": axes(geometry.stride),
      "padding": ["before": axes(geometry.before), "after": axes(geometry.after)],
      "dilation": axes(geometry.dilation), "output": grid(output),
      "windows": list(positions) {
        [
          "channel": .integer($0.channel), "position": axes($0.place), "text": .string($0.text(kind)),
          "result": JSON($0.result),
        ]
      },
    ]
  }
}

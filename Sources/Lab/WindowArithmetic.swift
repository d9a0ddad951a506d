import Formats
import Graph
import Inspect

/// Sizes of windows along one axis: from input to output in each convention, and back.
public struct WindowArithmetic: Sendable {
  /// What one convention makes of the same numbers.
  public struct Row: Hashable, Sendable {
    public var convention: String
    public var formula: String
    /// Zeros before and after.
    public var before, after: Int
    /// 0 if the window does not fit.
    public var output: Int
    /// Elements at the end of the padded input that no window covers.
    public var unused: Int
  }

  public let input, kernel, stride, padding, dilation: Int
  public let rows: [Row]

  public static let limit = 1 << 24

  /// - Parameter padding: the number that the course writes as P or p; each convention reads it in its own way.
  /// - Throws: ``LabError`` if a number is out of range.
  public init(input: Int, kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1) throws(LabError) {
    let numbers = [(input, "input", 1), (kernel, "kernel", 1), (stride, "stride", 1), (padding, "padding", 0)]
    for (number, name, least) in numbers + [(dilation, "dilation", 1)] {
      guard (least...Self.limit).contains(number) else {
        throw LabError("the \(name) must be from \(least) to \(Self.limit.grouped), but it is \(number)")
      }
    }
    (self.input, self.kernel, self.stride, self.padding) = (input, kernel, stride, padding)
    self.dilation = dilation
    let covered = dilation * (kernel - 1) + 1

    func row(_ convention: String, _ formula: String, before: Int, after: Int, roundsUp: Bool = false) -> Row {
      let attributes = PoolAttributes(
        kind: .max, kernel: [kernel], stride: [stride], dilation: [dilation], paddingBefore: [before],
        paddingAfter: [after], roundsUp: roundsUp)
      let output = attributes.outputExtent(input, axis: 0)
      let padded = input + before + after
      return Row(
        convention: convention, formula: formula, before: before, after: after, output: output,
        unused: output == 0 ? padded : max(0, padded - (output - 1) * stride - covered))
    }
    let same = (input + stride - 1) / stride
    let total = max(0, (same - 1) * stride + covered - input)
    rows = [
      row("P on each side (lecture 002)", "(L - W + 2P)/S + 1", before: padding, after: padding),
      row("p in total (lecture 003)", "(i + p - k)/s + 1", before: padding / 2, after: padding - padding / 2),
      row("PyTorch, padding=\(padding)", "(i + 2p - d(k-1) - 1)/s + 1", before: padding, after: padding),
      row(
        "PyTorch, ceil_mode=True", "(i + 2p - d(k-1) - 1)/s + 1, rounded up", before: padding, after: padding,
        roundsUp: true),
      row("TensorFlow SAME, ONNX SAME_UPPER", "i/s, rounded up", before: total / 2, after: total - total / 2),
      row("ONNX SAME_LOWER", "i/s, rounded up", before: total - total / 2, after: total / 2),
      row("TensorFlow VALID", "(i - d(k-1))/s, rounded up", before: 0, after: 0),
      row("FULL, p = 2(k - 1)", "(i + d(k-1) - 1)/s + 1", before: covered - 1, after: covered - 1),
    ]
  }
}

extension WindowArithmetic: CustomStringConvertible {
  public var description: String {
    var table = TextTable([
      ("convention", .left), ("formula, rounded down unless said", .left), ("zeros", .right), ("output", .right),
      ("unused", .right),
    ])
    for row in rows {
      table.append([
        row.convention, row.formula, "\(row.before)+\(row.after)", row.output == 0 ? "-" : "\(row.output)",
        row.output == 0 ? "-" : "\(row.unused)",
      ])
    }
    let steps = "stride \(stride), padding \(padding)" + (dilation == 1 ? "" : ", dilation \(dilation)")
    return "input \(input), kernel \(kernel), \(steps)\n\n\(table.text)\n\n"
      + "zeros: before + after; unused: elements at the end that no window covers; -: the window does not fit"
  }

  package var json: JSON {
    [
      "input": .integer(input), "kernel": .integer(kernel), "stride": .integer(stride), "padding": .integer(padding),
      "dilation": .integer(dilation),
      "conventions": .array(
        rows.map {
          [
            "convention": .string($0.convention), "before": .integer($0.before), "after": .integer($0.after),
            "output": .integer($0.output), "unused": .integer($0.unused),
          ]
        }),
    ]
  }
}

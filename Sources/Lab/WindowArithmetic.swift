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
  /// - Throws: ``LabError`` if a number is out of range or the window does not fit anywhere.
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

    func row(_ convention: String, _ formula: String, before: Int, after: Int) -> Row {
      let attributes = ConvAttributes(
        stride: [stride], dilation: [dilation], paddingBefore: [before], paddingAfter: [after])
      let output = attributes.outputExtent(input, kernel: kernel, axis: 0)
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
      row("TensorFlow SAME", "ceil(i/s)", before: total / 2, after: total - total / 2),
      row("TensorFlow VALID", "ceil((i - k + 1)/s)", before: 0, after: 0),
    ]
    if rows.allSatisfy({ $0.output == 0 }) {
      throw LabError("the kernel covers \(covered) elements, more than the input's \(input) with any padding")
    }
  }

  /// One way from an input size to an output size.
  public struct Answer: Hashable, Sendable {
    /// The padding is on each side.
    public var kernel, stride, padding, unused: Int
  }

  /// Kernels, strides and paddings (on each side, at most half the kernel) that give an output size: strides as small as
  /// possible first, then those that leave nothing unused.
  ///
  /// - Throws: ``LabError`` if there are none among kernels up to `largestKernel`.
  public static func answers(input: Int, output: Int, largestKernel: Int = 11) throws(LabError) -> [Answer] {
    guard (1...limit).contains(input), (1...limit).contains(output), (1...1024).contains(largestKernel) else {
      throw LabError("sizes must be from 1 to \(limit.grouped) and kernels to 1,024")
    }
    var answers: [Answer] = []
    for kernel in 1...largestKernel {
      for padding in 0...kernel / 2 {
        let room = input + 2 * padding - kernel
        guard room >= 0, output <= room + 1 else { continue }
        // room / stride + 1 == output, so the stride lies between these.
        let slowest = room / output + 1
        let fastest = output == 1 ? slowest : room / (output - 1)
        guard slowest <= fastest else { continue }
        for stride in slowest...min(fastest, slowest + 3) {
          answers.append(Answer(kernel: kernel, stride: stride, padding: padding, unused: room - (output - 1) * stride))
        }
      }
    }
    if answers.isEmpty {
      throw LabError(
        "no kernel up to \(largestKernel) makes \(output) of \(input) in one layer"
          + (output <= input
            ? "; without padding and stride it would be a kernel of \(input - output + 1)"
            : "; padding by half a kernel adds 1 at most"))
    }
    return answers.sorted {
      ($0.stride, $0.unused, $0.kernel, $0.padding) < ($1.stride, $1.unused, $1.kernel, $1.padding)
    }
  }
}

extension WindowArithmetic: CustomStringConvertible {
  public var description: String {
    var table = TextTable([
      ("convention", .left), ("formula, rounded down", .left), ("zeros", .right), ("output", .right),
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

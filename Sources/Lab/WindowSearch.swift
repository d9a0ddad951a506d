import Formats
import Graph
import Inspect

/// Layers that make an output size of an input size: "256 to 125: which kernel, stride and padding?"
public struct WindowSearch: Sendable {
  /// One layer; the padding is on each side.
  public struct Layer: Hashable, Sendable {
    public var kernel, stride, padding: Int
    public var output: Int
    /// Elements at the end of the padded input that no window covers.
    public var unused: Int
  }

  /// What is known of the layers already; `nil` where anything will do.
  public struct Conditions: Hashable, Sendable {
    public var kernel, stride, padding: Int?
    public var dilation = 1
    public var largestKernel = 11

    public init(
      kernel: Int? = nil, stride: Int? = nil, padding: Int? = nil, dilation: Int = 1, largestKernel: Int = 11
    ) {
      (self.kernel, self.stride, self.padding) = (kernel, stride, padding)
      (self.dilation, self.largestKernel) = (dilation, largestKernel)
    }
  }

  public let input, output: Int
  /// Each with as many layers as were asked for; those without remainder and with small kernels first.
  public let answers: [[Layer]]

  /// Single layers. Paddings are at most half of what the kernel covers unless the conditions name one.
  ///
  /// - Throws: ``LabError`` if no layer makes that size.
  public init(input: Int, output: Int, conditions: Conditions = Conditions()) throws(LabError) {
    try Self.check(input, output, conditions)
    (self.input, self.output) = (input, output)
    var found: [Layer] = []
    for kernel in conditions.kernel.map({ $0...$0 }) ?? 1...conditions.largestKernel {
      let covered = conditions.dilation * (kernel - 1) + 1
      for padding in conditions.padding.map({ $0...$0 }) ?? 0...covered / 2 {
        let room = input + 2 * padding - covered
        guard room >= 0, output <= room + 1 else { continue }
        // room / stride + 1 == output, so the stride lies between these.
        let slowest = room / output + 1
        let fastest = output == 1 ? slowest : room / (output - 1)
        guard slowest <= fastest else { continue }
        for stride in conditions.stride.map({ $0...$0 }) ?? slowest...min(fastest, slowest + 3)
        where room / stride + 1 == output {
          found.append(
            Layer(
              kernel: kernel, stride: stride, padding: padding, output: output,
              unused: room - (output - 1) * stride))
        }
      }
    }
    guard !found.isEmpty else { throw Self.nothing(input, output, conditions) }
    answers = found.sorted {
      ($0.stride, $0.unused, $0.kernel, $0.padding) < ($1.stride, $1.unused, $1.kernel, $1.padding)
    }.map { [$0] }
  }

  /// A convolution and then a pooling, of the forms that networks use: kernels of 1, 3, 5, 7 or 11 with strides of 1, 2
  /// or 4 and no or half padding, then windows of 2 to 4 that move by 1, 2 or their own size, without padding.
  ///
  /// - Parameter conditions: of the convolution.
  /// - Throws: ``LabError`` if no such pair makes that size.
  public init(convolutionAndPoolingFrom input: Int, to output: Int, conditions: Conditions = Conditions())
    throws(LabError)
  {
    try Self.check(input, output, conditions)
    (self.input, self.output) = (input, output)
    func layer(_ size: Int, _ kernel: Int, _ stride: Int, _ padding: Int, dilation: Int = 1) -> Layer? {
      let covered = dilation * (kernel - 1) + 1
      let count = windowCount(size + 2 * padding, kernel: kernel, stride: stride, dilation: dilation)
      guard count > 0 else { return nil }
      return Layer(
        kernel: kernel, stride: stride, padding: padding, output: count,
        unused: size + 2 * padding - covered - (count - 1) * stride)
    }
    var found: [[Layer]] = []
    for kernel in conditions.kernel.map({ [$0] }) ?? [1, 3, 5, 7, 11] where kernel <= conditions.largestKernel {
      let half = conditions.dilation * (kernel - 1) / 2
      for padding in conditions.padding.map({ [$0] }) ?? (half == 0 ? [0] : [0, half]) {
        for stride in conditions.stride.map({ [$0] }) ?? [1, 2, 4] {
          guard let first = layer(input, kernel, stride, padding, dilation: conditions.dilation) else { continue }
          for window in 2...4 {
            for step in Set([1, 2, window]).sorted() {
              guard let second = layer(first.output, window, step, 0), second.output == output else { continue }
              found.append([first, second])
            }
          }
        }
      }
    }
    guard !found.isEmpty else {
      throw LabError(
        "no convolution and pooling of the usual forms make \(output) of \(input); try without --layers, or other sizes"
      )
    }
    answers = found.sorted { a, b in
      func rank(_ pair: [Layer]) -> (Int, Int, Int, Int) {
        (pair[0].kernel, pair[0].stride, pair[0].padding, pair[1].kernel)
      }
      return rank(a) < rank(b)
    }
  }

  private static func check(_ input: Int, _ output: Int, _ conditions: Conditions) throws(LabError) {
    let limit = WindowArithmetic.limit
    guard (1...limit).contains(input), (1...limit).contains(output), (1...1024).contains(conditions.largestKernel)
    else { throw LabError("sizes must be from 1 to \(limit.grouped) and kernels to 1,024") }
    for (number, name, least) in [
      (conditions.kernel, "kernel", 1), (conditions.stride, "stride", 1), (conditions.padding, "padding", 0),
      (conditions.dilation, "dilation", 1),
    ] {
      if let number, !(least...4096).contains(number) {
        throw LabError("the \(name) must be from \(least) to 4,096, but it is \(number)")
      }
    }
  }

  private static func nothing(_ input: Int, _ output: Int, _ conditions: Conditions) -> LabError {
    let free = Conditions(dilation: conditions.dilation, largestKernel: conditions.largestKernel)
    if conditions != free {
      return LabError(
        "no layer with these numbers makes \(output) of \(input); leave some of --kernel, --stride and --padding out")
    }
    return LabError(
      "no kernel up to \(conditions.largestKernel) makes \(output) of \(input) in one layer"
        + (output <= input
          ? "; without padding and stride it would be a kernel of \(input - output + 1)"
          : "; padding by half a kernel adds 1 at most, a transposed convolution more"))
  }
}

extension WindowSearch: CustomStringConvertible {
  public var description: String { text(limit: 30) }

  /// - Parameter limit: how many answers to show.
  public func text(limit: Int) -> String {
    let isPair = answers.first?.count == 2
    var table = TextTable(
      isPair
        ? [
          ("conv kernel", .right), ("stride", .right), ("padding", .right), ("size", .right), ("pool window", .right),
          ("stride", .right), ("output", .right), ("unused", .right),
        ]
        : [("kernel", .right), ("stride", .right), ("padding", .right), ("unused", .right)])
    for answer in answers.prefix(limit) {
      let first = [answer[0].kernel, answer[0].stride, answer[0].padding]
      let rest =
        isPair
        ? [answer[0].output, answer[1].kernel, answer[1].stride, answer[1].output].map(String.init)
          + ["\(answer[0].unused), \(answer[1].unused)"]
        : ["\(answer[0].unused)"]
      table.append(first.map(String.init) + rest)
    }
    let title = isPair ? "a convolution and a pooling from" : "layers from"
    let more = answers.count > limit ? "\n\nand \(answers.count - limit) more: --all shows them" : ""
    return "\(title) \(input) to \(output), padding on each side\n\n\(table.text)\(more)"
  }

  package var json: JSON {
    func json(_ layer: Layer) -> JSON {
      [
        "kernel": .integer(layer.kernel), "stride": .integer(layer.stride), "padding": .integer(layer.padding),
        "unused": .integer(layer.unused),
      ]
    }
    return [
      "input": .integer(input), "output": .integer(output),
      "answers": .array(
        answers.map {
          $0.count == 1
            ? json($0[0])
            : ["convolution": json($0[0]), "size": .integer($0[0].output), "pooling": json($0[1])]
        }),
    ]
  }
}

/// The size of a transposed ("up-") convolution's output.
public struct TransposedArithmetic: Hashable, Sendable, CustomStringConvertible {
  public let input, kernel, stride, padding, dilation, outputPadding: Int
  public let output: Int

  /// - Throws: ``LabError`` if a number is out of range or nothing is left of the output.
  public init(
    input: Int, kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1, outputPadding: Int = 0
  ) throws(LabError) {
    for (number, name, least) in [
      (input, "input", 1), (kernel, "kernel", 1), (stride, "stride", 1), (padding, "padding", 0),
      (dilation, "dilation", 1), (outputPadding, "output padding", 0),
    ] {
      guard (least...WindowArithmetic.limit).contains(number) else {
        throw LabError("the \(name) must be from \(least) to \(WindowArithmetic.limit.grouped), but it is \(number)")
      }
    }
    guard outputPadding < stride else {
      throw LabError("the output padding, \(outputPadding), must be smaller than the stride, \(stride)")
    }
    let output = (input - 1) * stride - 2 * padding + dilation * (kernel - 1) + outputPadding + 1
    guard output >= 1 else {
      throw LabError("the padding of \(padding) on each side cuts off the whole output of \(output + 2 * padding)")
    }
    (self.input, self.kernel, self.stride, self.padding) = (input, kernel, stride, padding)
    (self.dilation, self.outputPadding, self.output) = (dilation, outputPadding, output)
  }

  public var description: String {
    """
    transposed convolution of \(input), kernel \(kernel), stride \(stride), padding \(padding), \
    dilation \(dilation), output padding \(outputPadding)

    (i - 1)s - 2p + d(k-1) + output padding + 1
    = (\(input) - 1)·\(stride) - 2·\(padding) + \(dilation)·(\(kernel) - 1) + \(outputPadding) + 1 = \(output)
    """
  }

  package var json: JSON {
    [
      "input": .integer(input), "kernel": .integer(kernel), "stride": .integer(stride), "padding": .integer(padding),
      "dilation": .integer(dilation), "output_padding": .integer(outputPadding), "output": .integer(output),
    ]
  }
}

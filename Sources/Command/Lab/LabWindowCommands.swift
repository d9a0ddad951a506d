import ArgumentParser
import ConvNet

struct LabConvCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conv",
    abstract: "Slide kernels over numbers and print the products of each window.",
    discussion: """
      Rows are separated by ';', planes by ';;', channels by '|': "0 1 2; 3 4 5; 6 7 8". A single row is \
      one-dimensional, several planes are three-dimensional. As in all networks the kernel is not reversed unless \
      --flip asks for it.

      Examples:
        convnet lab conv --input "0 1 2; 3 4 5; 6 7 8" --kernel "0 1; 2 3" \\
          --padding same --html conv.html
        convnet lab conv --input "0 1 0 1 1" --kernel "-1 1" \\
          --kernel "1/2 1/2" --bias "0 1"
        convnet lab conv --input "1 2; 3 4;; 5 6; 7 8" --kernel "1 0; 0 0;; 0 0; 0 1"
      """)

  @Option(parsing: .unconditional, help: "The numbers to slide over.") var input: String
  @Option(
    parsing: .unconditionalSingleValue,
    help: "A kernel, with as many channels as the input has in a group. Each further --kernel makes one more output.")
  var kernel: [String]
  @Option(parsing: .unconditional, help: "A number to add for each kernel, such as \"0.5 -1\".") var bias: String?
  @Option(parsing: .unconditional, help: "How many groups of channels see nothing of each other.") var groups = 1
  @Option(help: "What stands in the padding.") var borders = BordersOption.zeros
  @Flag(help: "Reverse kernels along each axis: convolution as mathematics defines it.") var flip = false
  @OptionGroup var window: WindowOptions

  func run() throws {
    let convolution = SlidingWindow.Convolution(
      kernels: try kernel.map { try NumberGrid($0, name: "--kernel") },
      bias: try bias.map { try NumberGrid($0, name: "--bias").values } ?? [], groups: groups,
      borders: borders.borders, isFlipped: flip)
    let input = try NumberGrid(input, name: "--input")
    try window.show(
      try SlidingWindow(.convolution(convolution), over: input, steps: window.steps()),
      title: flip ? "Convolution with reversed kernels, window by window" : "Convolution, window by window")
  }
}

/// `Borders` by name.
enum BordersOption: String, CaseIterable, ExpressibleByArgument {
  case zeros, reflect, replicate, circular

  var borders: Borders {
    switch self {
    case .zeros: .zeros
    case .reflect: .reflect
    case .replicate: .replicate
    case .circular: .circular
    }
  }
}

struct LabPoolCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pool",
    abstract: "Slide a pooling window over numbers and print what it takes from each.",
    discussion: """
      Rows are separated by ';', planes by ';;', channels by '|': "0 1 2; 3 4 5; 6 7 8". The stride is the window's \
      size unless given. Padding never wins a maximum or minimum, counts as 0 in averages and sums, and not at all in \
      variances. The kind maxout takes the maximum over channels instead of places.
      """)

  @Option(parsing: .unconditional, help: "The numbers to slide over.") var input: String
  @Option(help: "What becomes of a window.") var kind = SlidingWindow.Pooling.Function.max
  @Option(parsing: .unconditional, help: "The window: 2, or 2x3 for rows and columns.") var size = AxesOption([2])
  @Flag(help: "One window over everything, as in global pooling.") var global = false
  @Flag(help: "Keep a last window that hangs over the end (PyTorch's ceil_mode).") var ceil = false
  @Flag(help: "Let averages divide by the numbers without the padding's zeros.") var ignorePadding = false
  @Option(parsing: .unconditional, help: "With --kind maxout: how many channels are taken together.") var pieces = 2
  @OptionGroup var window: WindowOptions

  func run() throws {
    let input = try NumberGrid(input, name: "--input")
    let extents = [input.planes, input.rows, input.columns]
    let size = global ? Array(extents.drop { $0 == 1 }) : self.size.numbers
    var steps = window.steps()
    if window.stride == nil && kind != .maxout { steps.stride = size.isEmpty ? [1] : size }
    let pooling = SlidingWindow.Pooling(
      kind, size: size.isEmpty ? [1] : size, roundsUp: ceil, countsPadding: !ignorePadding, pieces: pieces)
    try window.show(
      try SlidingWindow(.pooling(pooling), over: input, steps: steps),
      title: "Pooling (\(kind.rawValue)), window by window")
  }
}

extension SlidingWindow.Pooling.Function: ExpressibleByArgument {}

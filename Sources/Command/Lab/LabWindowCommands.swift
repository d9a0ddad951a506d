import ArgumentParser
import ConvNet

struct LabConvCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conv",
    abstract: "Slide a kernel over numbers and print the products of each window.",
    discussion: """
      Rows are separated by ';', channels by '|': "0 1 2; 3 4 5; 6 7 8". A single row is one-dimensional. As in all \
      networks the kernel is not flipped.
      """)

  @Option(parsing: .unconditional, help: "The numbers to slide over.") var input: String
  @Option(parsing: .unconditional, help: "The kernel, with as many channels.") var kernel: String
  @Option(help: "Steps between the kernel's taps: 2, or 2x1 for rows and columns.") var dilation: PairOption?
  @OptionGroup var window: WindowOptions

  func run() throws {
    let kernel = try NumberGrid(kernel, name: "--kernel")
    let input = try NumberGrid(input, name: "--input")
    try window.show(
      try SlidingWindow(.convolution(kernel: kernel), over: input, steps: window.steps(dilation: dilation)),
      title: "Convolution, window by window")
  }
}

struct LabPoolCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pool",
    abstract: "Slide a pooling window over numbers and print what it takes from each.",
    discussion: "Rows are separated by ';', channels by '|': \"0 1 2; 3 4 5; 6 7 8\". The stride is the window's size "
      + "unless given; padding never wins a maximum and counts as 0 in an average.")

  enum Kind: String, CaseIterable, ExpressibleByArgument { case max, average }

  @Option(parsing: .unconditional, help: "The numbers to slide over.") var input: String
  @Option(help: "What becomes of a window.") var kind = Kind.max
  @Option(help: "The window: 2, or 2x3 for rows and columns.") var size = PairOption(2)
  @OptionGroup var window: WindowOptions

  func run() throws {
    let input = try NumberGrid(input, name: "--input")
    var size = size.numbers
    // A single row is one-dimensional.
    if input.rows == 1 { size[0] = 1 }
    var steps = window.steps()
    if window.stride == nil { steps.stride = size }
    let kind: SlidingWindow.Kind =
      self.kind == .max ? .maximum(rows: size[0], columns: size[1]) : .average(rows: size[0], columns: size[1])
    try window.show(
      try SlidingWindow(kind, over: input, steps: steps),
      title: "\(self.kind == .max ? "Maximum" : "Average") pooling, window by window")
  }
}

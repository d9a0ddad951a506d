import ArgumentParser
import ConvNet
import Formats

struct LabArithmeticCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "arithmetic",
    abstract: "From an input size to the output size in every convention, or back to kernel, stride and padding.",
    discussion: """
      With --kernel: the output of a convolution or pooling, where P means zeros on each side, p zeros in total. Without \
      --padding, every padding up to the kernel less 1 is listed. With --output: which layers make that size; what is \
      known of them may be given too.

      Examples:
        convnet lab arithmetic --input 256 --kernel 3 --stride 2 --padding 1
        convnet lab arithmetic --input 256 --output 125 --layers 2
        convnet lab arithmetic --input 28 --kernel 2 --stride 2 --transposed
      """)

  @Option(parsing: .unconditional, help: "The input's extent along one axis.") var input: Int
  @Option(parsing: .unconditional, help: "The kernel's extent.") var kernel: Int?
  @Option(parsing: .unconditional, help: "The output's extent, to find layers that make it.") var output: Int?
  @Option(parsing: .unconditional, help: "Steps between windows (1 unless --output asks for it).") var stride: Int?
  @Option(parsing: .unconditional, help: "The padding, which each convention reads in its own way.") var padding: Int?
  @Option(parsing: .unconditional, help: "Steps between the kernel's taps.") var dilation = 1
  @Flag(help: "Of a transposed convolution.") var transposed = false
  @Option(parsing: .unconditional, help: "With --transposed: elements added at the end.") var outputPadding = 0
  @Option(parsing: .unconditional, help: "With --output: the largest kernel to consider.") var largestKernel = 11
  @Option(parsing: .unconditional, help: "With --output: 1, or 2 for a convolution and then a pooling.") var layers = 1
  @Flag(help: "With --output: show all answers.") var all = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if kernel == nil && output == nil {
      throw ValidationError("give --kernel to compute an output size, or --output to find kernels")
    }
    if transposed && (kernel == nil || output != nil) {
      throw ValidationError("--transposed needs --kernel and computes the output")
    }
    if !(1...2).contains(layers) { throw ValidationError("--layers must be 1 or 2, not \(layers)") }
  }

  func run() throws {
    if let output { return try showAnswers(output) }
    guard let kernel else { return }
    if transposed {
      let size = try TransposedArithmetic(
        input: input, kernel: kernel, stride: stride ?? 1, padding: padding ?? 0, dilation: dilation,
        outputPadding: outputPadding)
      if json { printJSON(size.json) } else { print(size) }
    } else if let padding {
      let sizes = try WindowArithmetic(
        input: input, kernel: kernel, stride: stride ?? 1, padding: padding, dilation: dilation)
      if json { printJSON(sizes.json) } else { print(sizes) }
    } else {
      try showPaddings(kernel)
    }
  }

  private func showAnswers(_ output: Int) throws {
    let conditions = WindowSearch.Conditions(
      kernel: kernel, stride: stride, padding: padding, dilation: dilation, largestKernel: largestKernel)
    let search =
      layers == 1
      ? try WindowSearch(input: input, output: output, conditions: conditions)
      : try WindowSearch(convolutionAndPoolingFrom: input, to: output, conditions: conditions)
    if json { printJSON(search.json) } else { print(all ? search.text(limit: .max) : "\(search)") }
  }

  /// One row for each padding on each side.
  private func showPaddings(_ kernel: Int) throws {
    guard (1...1024).contains(kernel) else { throw ValidationError("--kernel must be from 1 to 1024, not \(kernel)") }
    let stride = stride ?? 1
    // Without padding the kernel may not fit; with one less than itself it does.
    let rows = try (0..<max(1, kernel)).compactMap { padding in
      let sizes = try WindowArithmetic(
        input: input, kernel: kernel, stride: stride, padding: padding, dilation: dilation)
      return sizes.rows.first { $0.before == padding && $0.after == padding }
    }
    if json {
      let list = rows.map { row -> JSON in
        ["padding": .integer(row.before), "output": .integer(row.output), "unused": .integer(row.unused)]
      }
      printJSON(["input": .integer(input), "kernel": .integer(kernel), "paddings": .array(list)])
      return
    }
    var table = TextTable([("padding", .right), ("output", .right), ("unused", .right), ("", .left)])
    for row in rows {
      let note = row.output == input ? "keeps the size" : row.output == 0 ? "the kernel does not fit" : ""
      table.append(["\(row.before)", row.output == 0 ? "-" : "\(row.output)", "\(row.unused)", note])
    }
    let dilations = dilation == 1 ? "" : ", dilation \(dilation)"
    print("input \(input), kernel \(kernel), stride \(stride)\(dilations), padding on each side\n\n\(table.text)")
    print("\nunused: numbers at the end of the padded input that no window covers")
  }
}

struct LabReceptiveFieldCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "receptive-field", abstract: "Show how much of the input each layer of a model sees.")

  @Argument(help: ArgumentHelp("An architecture (see 'convnet models') or a model file.", valueName: "model"))
  var model: String
  @Option(
    help: ArgumentHelp("Channels, height and width of the input, such as 3x224x224.", valueName: "CxHxW"),
    transform: InputExtents.init)
  var input: InputExtents?
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let model = try findModel(model, input: input, classes: nil)
    let table = ReceptiveFieldTable(
      try Summary(of: model.layer, input: model.configuration.inputShape(), name: model.title))
    if json { printJSON(table.json) } else { print(table) }
  }
}

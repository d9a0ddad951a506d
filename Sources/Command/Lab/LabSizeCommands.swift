import ArgumentParser
import ConvNet
import Formats

struct LabArithmeticCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "arithmetic",
    abstract: "From an input size to the output size in every convention, or back to kernel, stride and padding.",
    discussion: """
      With --kernel: the output of a convolution or pooling, where P means zeros on each side, p zeros in total. Without \
      --padding, every padding up to the kernel less 1 is listed. With --output: which layers make that size.
      """)

  @Option(help: "The input's extent along one axis.") var input: Int
  @Option(help: "The kernel's extent.") var kernel: Int?
  @Option(help: "The output's extent, to find layers that make it.") var output: Int?
  @Option(help: "Steps between windows.") var stride = 1
  @Option(help: "The padding, which each convention reads in its own way.") var padding: Int?
  @Option(help: "Steps between the kernel's taps.") var dilation = 1
  @Option(help: "With --output: the largest kernel to consider.") var largestKernel = 11
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if (kernel == nil) == (output == nil) {
      throw ValidationError("give --kernel to compute an output size, or --output to find kernels")
    }
  }

  func run() throws {
    if let output { return try showAnswers(output) }
    guard let kernel else { return }
    if let padding {
      let sizes = try WindowArithmetic(
        input: input, kernel: kernel, stride: stride, padding: padding, dilation: dilation)
      if json { printJSON(sizes.json) } else { print(sizes) }
    } else {
      try showPaddings(kernel)
    }
  }

  private func showAnswers(_ output: Int) throws {
    let answers = try WindowArithmetic.answers(input: input, output: output, largestKernel: largestKernel)
    if json {
      let rows = answers.map { answer -> JSON in
        [
          "kernel": .integer(answer.kernel), "stride": .integer(answer.stride), "padding": .integer(answer.padding),
          "unused": .integer(answer.unused),
        ]
      }
      printJSON(["input": .integer(input), "output": .integer(output), "answers": .array(rows)])
      return
    }
    var table = TextTable([("kernel", .right), ("stride", .right), ("padding", .right), ("unused", .right)])
    for answer in answers {
      table.append([answer.kernel, answer.stride, answer.padding, answer.unused].map(String.init))
    }
    print("layers from \(input) to \(output), padding on each side\n\n\(table.text)")
  }

  /// One row for each padding on each side.
  private func showPaddings(_ kernel: Int) throws {
    guard (1...1024).contains(kernel) else { throw ValidationError("--kernel must be from 1 to 1024, not \(kernel)") }
    let rows = try (0..<max(1, kernel)).map { padding in
      try WindowArithmetic(input: input, kernel: kernel, stride: stride, padding: padding, dilation: dilation).rows[0]
    }
    if json {
      let list = rows.map { row -> JSON in
        ["padding": .integer(row.before), "output": .integer(row.output), "unused": .integer(row.unused)]
      }
      printJSON(["input": .integer(input), "kernel": .integer(kernel), "paddings": .array(list)])
      return
    }
    var table = TextTable([("padding", .right), ("output", .right), ("unused", .right)])
    for row in rows { table.append(["\(row.before)", row.output == 0 ? "-" : "\(row.output)", "\(row.unused)"]) }
    print("input \(input), kernel \(kernel), stride \(stride), padding on each side\n\n\(table.text)")
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

import ArgumentParser
import ConvNet
import Formats

struct ModelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models",
    abstract: "List the architectures with their size and cost at their standard input.",
    discussion: """
      Memory is that of parameters and of one input's intermediates. The top-5 errors on ImageNet are those that the \
      course's table prints for the families; ResNet's is an ensemble's.
      """)

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let entries = try ModelRegistry.architectures.map { architecture in
      let model = try ModelRegistry.makeStructure(architecture.standard)
      return (architecture, try Summary(of: model, input: architecture.standard.inputShape(), name: architecture.name))
    }
    if json { printJSON(.array(entries.map(Self.document))) } else { print(Self.table(entries).text) }
  }

  private static func document(_ architecture: Architecture, _ summary: Summary) -> JSON {
    [
      "name": .string(architecture.name), "task": .string(architecture.task.rawValue),
      "parameters": .integer(summary.parameters), "macs": .integer(summary.multiplyAccumulates),
      "parameter_bytes": .integer(summary.parameterByteCount),
      "activation_bytes": .integer(summary.activationByteCount), "input": JSON(summary.input.dimensions),
      "output": JSON(summary.output.dimensions), "classes": .integer(architecture.standard.classes),
      "top5_error_percent": architecture.printedTopFiveError.map { .number($0) } ?? .null,
      "year": .integer(architecture.year), "paper": .string(architecture.paper),
      "summary": .string(architecture.summary),
    ]
  }

  private static func table(_ entries: [(Architecture, Summary)]) -> TextTable {
    var table = TextTable([
      ("name", .left), ("parameters", .right), ("MACs", .right), ("memory", .right), ("input", .left),
      ("output", .left), ("top-5 error", .right), ("year", .right), ("what it is", .left),
    ])
    for (architecture, summary) in entries {
      table.append([
        architecture.name, summary.parameters.grouped, summary.multiplyAccumulates.grouped,
        (summary.parameterByteCount + summary.activationByteCount).formattedByteCount, "\(summary.input)",
        "\(summary.output)", architecture.printedTopFiveError.map { "\($0) %" } ?? "", "\(architecture.year)",
        "\(architecture.summary) (\(architecture.paper))",
      ])
    }
    return table
  }
}

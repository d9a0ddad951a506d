import ArgumentParser
import ConvNet
import Formats

struct ModelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models",
    abstract: "List the architectures with their size and cost at their standard input.")

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
      "name": .string(architecture.name), "parameters": .integer(summary.parameters),
      "macs": .integer(summary.multiplyAccumulates), "input": JSON(summary.input.dimensions),
      "classes": .integer(architecture.standard.classes), "year": .integer(architecture.year),
      "paper": .string(architecture.paper), "summary": .string(architecture.summary),
    ]
  }

  private static func table(_ entries: [(Architecture, Summary)]) -> TextTable {
    var table = TextTable([
      ("name", .left), ("parameters", .right), ("MACs", .right), ("input", .left), ("classes", .right),
      ("year", .right), ("what it is", .left),
    ])
    for (architecture, summary) in entries {
      table.append([
        architecture.name, summary.parameters.grouped, summary.multiplyAccumulates.grouped, "\(summary.input)",
        architecture.standard.classes.grouped, "\(architecture.year)",
        "\(architecture.summary) (\(architecture.paper))",
      ])
    }
    return table
  }
}

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
    if json { return printJSON(.array(entries.map(Self.document))) }
    let table = Self.table(entries)
    let isTooWide = Terminal.outputIsTerminal && table.split(separator: "\n").contains { $0.count > Terminal.width }
    print(isTooWide ? Self.narrowTable(entries, width: Terminal.width) : table)
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

  private static let numberColumns: [(title: String, alignment: TextTable.Alignment)] = [
    ("parameters", .right), ("MACs", .right), ("memory", .right), ("top-5 error", .right), ("year", .right),
  ]

  private static func numbers(_ architecture: Architecture, _ summary: Summary) -> [String] {
    [
      summary.parameters.grouped, summary.multiplyAccumulates.grouped,
      (summary.parameterByteCount + summary.activationByteCount).formattedByteCount,
      architecture.printedTopFiveError.map { "\($0) %" } ?? "", "\(architecture.year)",
    ]
  }

  private static func table(_ entries: [(Architecture, Summary)]) -> String {
    var table = TextTable(
      [("name", .left)] + numberColumns + [("input", .left), ("output", .left), ("what it is", .left)])
    for (architecture, summary) in entries {
      table.append(
        [architecture.name] + numbers(architecture, summary)
          + ["\(summary.input)", "\(summary.output)", "\(architecture.summary) (\(architecture.paper))"])
    }
    return table.text
  }

  /// Two lines for each architecture, or more: the numbers, then the rest.
  private static func narrowTable(_ entries: [(Architecture, Summary)], width: Int) -> String {
    var table = TextTable([("name", .left)] + numberColumns)
    for (architecture, summary) in entries { table.append([architecture.name] + numbers(architecture, summary)) }
    let lines = table.text.split(separator: "\n")
    let rows: [String] = zip(lines.dropFirst(2), entries).map { line, entry in
      let (architecture, summary) = entry
      let text = "\(summary.input) to \(summary.output): \(architecture.summary) (\(architecture.paper))"
      return line + "\n" + wrapped(text, width: width, indent: "  ")
    }
    return (lines.prefix(2).map(String.init) + rows).joined(separator: "\n")
  }

  /// Lines of at most `width` characters, broken between words.
  private static func wrapped(_ text: String, width: Int, indent: String) -> String {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, last.count + 1 + word.count <= width {
        lines[lines.count - 1] += " " + word
      } else {
        lines.append(indent + word)
      }
    }
    return lines.joined(separator: "\n")
  }
}

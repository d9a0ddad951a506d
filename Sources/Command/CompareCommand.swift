import ArgumentParser
import ConvNet
import Formats
import Foundation

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Show runs side by side, and test whether their models differ.",
    discussion: """
      RUNS are folders that `train` or `finetune` wrote. The test looks at the validation images that two runs share and \
      that one model alone gets right (McNemar); with few such images, differences of accuracy mean little.
      """)

  @Argument(help: "The runs' folders, two or more.") var runs: [String]
  @Option(help: "Write a page with the learning curves to this file.") var html: String?
  @Option(help: "Write a picture of one learning curve to this file: see --curve.") var svg: String?
  @Option(help: "Which one --svg draws: accuracy, loss or training.") var curve = RunComparison.Curve.accuracy
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws { try require(runs.count >= 2, "give at least two runs") }

  func run() throws {
    let comparison = try RunComparison(runs.map { RunFolder($0) })
    let columns = ["run", "model", "weights", "epochs", "best", "accuracy", "loss", "time"]
    let rows = comparison.rows.map { row in
      [
        row.run, row.model, row.strategy == "none" ? "random" : "fine-tuned, \(row.strategy)", "\(row.epochs.count)",
        row.bestEpoch.map(String.init) ?? "", row.accuracy.map { String(format: "%.1f %%", 100 * $0) } ?? "",
        row.loss.map { String(format: "%.3f", $0) } ?? "", ProgressBar.clock(row.seconds),
      ]
    }
    let sentences = comparison.pairs.map { "\($0.first) and \($0.second): \($0.sentence)" }
    if let html {
      let page = ComparisonPage(charts: comparison.charts, columns: columns, rows: rows, sentences: sentences)
      try AtomicFile.write(try page.html(), to: html)
    }
    if let svg { try AtomicFile.write(comparison.chart(of: curve).standaloneSVG.text + "\n", to: svg) }
    if json { return try printJSON(comparison) }
    var table = TextTable(columns.enumerated().map { ($1, $0 < 3 ? .left : .right) })
    for row in rows { table.append(row) }
    print(table.text)
    if sentences.isEmpty { print("\nno two of the runs have validation images in common, so nothing can be tested") }
    if !sentences.isEmpty { print("\n" + sentences.joined(separator: "\n")) }
    for file in [html, svg].compactMap({ $0 }) { print("the curves are in \(file)") }
  }
}

extension RunComparison.Curve: ExpressibleByArgument {}

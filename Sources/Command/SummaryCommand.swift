import ArgumentParser
import ConvNet

struct SummaryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "summary",
    abstract: "Show a model layer by layer: shapes, parameters, multiply-accumulates and receptive fields.",
    discussion: """
      All numbers are for one image. A receptive field is the region of the input that one output element depends on; \
      the stride is the distance between the regions of neighbours.
      """)

  @Argument(help: ArgumentHelp("An architecture (see 'convnet models') or a model file.", valueName: "model"))
  var model: String

  @Option(
    help: ArgumentHelp("Channels, height and width of the input, such as 3x224x224.", valueName: "CxHxW"),
    transform: InputExtents.init)
  var input: InputExtents?

  @Option(help: "The number of classes.")
  var classes: Int?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if let classes, !(1...10_000_000).contains(classes) {
      throw ValidationError("--classes must be from 1 to 10,000,000, but it is \(classes).")
    }
  }

  func run() throws {
    let model = try findModel(model, input: input, classes: classes)
    let summary = try Summary(of: model.layer, input: model.configuration.inputShape(), name: model.title)
    if json { printJSON(summary.json) } else { print(summary) }
  }
}

import ArgumentParser
import ConvNet

struct LabLearnKernelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "learn-kernel",
    abstract: "Learn the edge kernel [1, -1] by gradient descent, and see at which learning rates it fails.",
    discussion: "Without options it repeats the lecture's run and then shows a learning rate that is too large.")

  @Option(parsing: .unconditional, help: "The step along the gradient.") var learningRate: Double?
  @Option(parsing: .unconditional, help: "How many steps.") var steps = 10
  @Option(parsing: .unconditional, help: "The kernel's two numbers at the start, such as \"0.5 -0.4\".") var start:
    String?
  @Option(help: "Draw the loss of each step and the way through the valley, beside a rate above the bound, as SVG.")
  var svg: String?
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let start = try start.map { try NumberGrid($0, name: "--start").values } ?? KernelLearning.lectureStart
    let learning = try KernelLearning(learningRate: learningRate ?? 0.03, steps: steps, start: start)
    if let svg { try AtomicFile.write(try learning.svg(), to: svg) }
    if json { return printJSON(learning.json) }
    print(learning)
    if learningRate == nil {
      print("\nthe same with learning rate 0.034, a little above the bound:\n")
      print(try KernelLearning(learningRate: 0.034, steps: 200, start: start))
    }
  }
}

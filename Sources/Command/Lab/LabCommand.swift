import ArgumentParser
import ConvNet
import Foundation

/// Experiments on convolution itself.
struct LabCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lab",
    abstract: "See convolution at work: windows and their products, sizes, receptive fields, edges, smoothing.",
    subcommands: [
      LabConvCommand.self, LabPoolCommand.self, LabArithmeticCommand.self, LabReceptiveFieldCommand.self,
      LabLearnKernelCommand.self, LabEdgesCommand.self, LabSmoothCommand.self, LabFiltersCommand.self,
    ])
}

/// How a window moves, and where it is drawn.
struct WindowOptions: ParsableArguments {
  @Option(help: "Steps between windows: 2, or 3x2 for rows and columns.") var stride: PairOption?
  @Option(help: "Zeros on each side: 1, or 1x0 for rows and columns.") var padding: PairOption?
  @Option(help: "Draw one window in an SVG file.") var svg: String?
  @Option(help: "The window that --svg marks, from 0.") var step = 0
  @Option(help: "Write an HTML page that shows all windows one after another.") var html: String?
  @Flag(help: "Print JSON.") var json = false

  func steps(dilation: PairOption? = nil) -> SlidingWindow.Steps {
    SlidingWindow.Steps(
      stride: stride?.numbers ?? [1, 1], padding: padding?.numbers ?? [0, 0], dilation: dilation?.numbers ?? [1, 1])
  }

  func show(_ window: SlidingWindow, title: String) throws {
    if let svg { try AtomicFile.write(try window.svg(step: step), to: svg) }
    if let html { try AtomicFile.write(try window.html(title: title), to: html) }
    if json { printJSON(window.json) } else { print(window) }
  }
}

/// Two numbers, rows first: `2` for both, or `3x2`.
struct PairOption: ExpressibleByArgument {
  let numbers: [Int]

  init(_ number: Int) { numbers = [number, number] }

  init?(argument: String) {
    let parts = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    switch (parts.first ?? nil, parts.last ?? nil, parts.count) {
    case (let number?, _, 1): numbers = [number, number]
    case (let rows?, let columns?, 2): numbers = [rows, columns]
    default: return nil
    }
  }
}

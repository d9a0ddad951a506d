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
      LabLearnKernelCommand.self, LabEdgesCommand.self, LabFeaturesCommand.self, LabSmoothCommand.self,
      LabFiltersCommand.self, LabClaimCommand.self,
    ])
}

/// How a window moves, and where it is drawn.
struct WindowOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Steps between windows: 2, or 3x2 for rows and columns.") var stride:
    AxesOption?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "1, 1x0 for rows and columns, 0:1 for before and after, or valid, same, same-lower, full.",
      valueName: "padding"))
  var padding: PaddingOption?
  @Option(parsing: .unconditional, help: "Steps between what a window covers: 2, or 2x1 for rows and columns.")
  var dilation: AxesOption?
  @Option(help: "Draw one window in an SVG file.") var svg: String?
  @Option(parsing: .unconditional, help: "The window that --svg marks, from 0.") var step = 0
  @Option(help: "Write an HTML page that shows all windows one after another.") var html: String?
  @Flag(help: "Print JSON.") var json = false

  func steps() -> SlidingWindow.Steps {
    SlidingWindow.Steps(
      stride: stride?.numbers ?? [1], padding: padding?.padding ?? .amounts(before: [0], after: [0]),
      dilation: dilation?.numbers ?? [1])
  }

  func show(_ window: SlidingWindow, title: String) throws {
    if let svg { try AtomicFile.write(try window.svg(step: step), to: svg) }
    if let html { try AtomicFile.write(try window.html(title: title), to: html) }
    if json { printJSON(window.json) } else { print(window) }
  }
}

/// One number for every axis, `2`, or one for each: `3x2` for rows and columns, `1x3x2` for planes too.
struct AxesOption: ExpressibleByArgument {
  let numbers: [Int]

  init(_ numbers: [Int]) { self.numbers = numbers }

  init?(argument: String) {
    let parts = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    let numbers = parts.compactMap(\.self)
    guard numbers.count == parts.count, (1...3).contains(numbers.count) else { return nil }
    self.numbers = numbers
  }

  var defaultValueDescription: String { numbers.map(String.init).joined(separator: "x") }
}

/// Like ``AxesOption``, but each number may be a pair such as `0:1`; or a name.
struct PaddingOption: ExpressibleByArgument {
  let padding: SlidingWindow.Steps.Padding

  init?(argument: String) {
    switch argument.lowercased() {
    case "valid": padding = .amounts(before: [0], after: [0])
    case "same": padding = .same
    case "same-lower": padding = .sameLower
    case "full": padding = .full
    case let text:
      let axes = text.split(separator: "x", omittingEmptySubsequences: false)
        .map { $0.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) } }
      let before = axes.compactMap { $0[0] }
      let after = axes.compactMap { $0[$0.count - 1] }
      guard (1...3).contains(axes.count), axes.allSatisfy({ $0.count <= 2 }), before.count == axes.count,
        after.count == axes.count
      else { return nil }
      padding = .amounts(before: before, after: after)
    }
  }
}

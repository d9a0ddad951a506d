import ArgumentParser
import ConvNet
import Foundation

/// The command: its subcommands, and what becomes of their errors.
@main
struct Convnet: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convnet",
    abstract: "Train, explain and ship convolutional networks.",
    version: libraryVersion,
    groupedSubcommands: [
      CommandGroup(
        name: "Classifier",
        subcommands: [
          TrainCommand.self, FinetuneCommand.self, EvaluateCommand.self, PredictCommand.self, ExplainCommand.self,
          CompareCommand.self, ReportCommand.self, AugmentCommand.self, SamplesCommand.self,
        ]),
      CommandGroup(
        name: "Network",
        subcommands: [
          ModelsCommand.self, SummaryCommand.self, FeaturesCommand.self, InspectCommand.self, ConvertCommand.self,
          RunCommand.self, VerifyCommand.self, BenchCommand.self,
        ]),
      CommandGroup(name: "Learning", subcommands: [LabCommand.self]),
    ])

  /// Exit codes: 0 done; 1 the work failed, with one line on standard error; 64 the arguments were wrong; 130
  /// interrupted.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
      // A full disk shows when what was printed is written out.
      guard fflush(nil) == 0 else {
        throw CommandError("standard output: cannot be written: \(String(cString: strerror(errno)))")
      }
    } catch {
      exit(reporting: error)
    }
  }

  private static func exit(reporting error: any Error) -> Never {
    if let error = error as? UnreadableImages {
      // Each file on a line of its own; the last line says what to do.
      for file in error.files { writeToStandardError("convnet: \(file)\n") }
      exit(reporting: CommandError(error.advice))
    }
    switch exitCode(for: error) {
    case .failure where !(error is ExitCode):
      writeToStandardError("convnet: \(oneLine(describing: error))\n")
      Foundation.exit(ExitCode.failure.rawValue)
    case .validationFailure:
      writeToStandardError(usageMessage(for: error) + "\n")
      Foundation.exit(ExitCode.validationFailure.rawValue)
    default:
      // Help, the version, and exit codes that a subcommand chose.
      exit(withError: error)
    }
  }

  /// What is wrong with the arguments in the first line, then how the subcommand is used.
  private static func usageMessage(for error: any Error) -> String {
    let full = fullMessage(for: error)
    let usage = full.split(separator: "\n").filter { $0.hasPrefix("Usage:") || $0.hasPrefix("  See ") }
    let lines = message(for: error).split(separator: "\n")
    // Long lists of choices come one on each line.
    let choices = lines.dropFirst().filter { $0.hasPrefix("  - ") }.map { $0.dropFirst(4) }.joined(separator: ", ")
    var reason = (lines.first.map(String.init) ?? "unusable arguments") + (choices.isEmpty ? "" : " \(choices)")
    if let word = CommandLine.arguments.dropFirst().first, reason == "Unexpected argument '\(word)'" {
      let names = configuration.subcommands.compactMap { $0.configuration.commandName }
      let near = nearestNames(to: word, among: names).filter { $0.first == word.first }
      reason =
        "there is no command \"\(word)\"" + (near.isEmpty ? "" : "; did you mean \(near.joined(separator: " or "))?")
    }
    return (["convnet: \(reason)"] + usage.map(String.init)).joined(separator: "\n")
  }
}

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
    subcommands: [
      TrainCommand.self, FinetuneCommand.self, CompareCommand.self, EvaluateCommand.self, PredictCommand.self,
      ExplainCommand.self, ReportCommand.self, SummaryCommand.self, ModelsCommand.self, RunCommand.self,
      VerifyCommand.self, AugmentCommand.self, SamplesCommand.self, BenchCommand.self, LabCommand.self,
      FeaturesCommand.self, InspectCommand.self, ConvertCommand.self,
    ])

  /// Exit codes: 0 done; 1 the work failed, with one line on standard error; 64 the arguments were wrong.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      exit(reporting: error)
    }
  }

  private static func exit(reporting error: any Error) -> Never {
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
    let reason = (lines.first.map(String.init) ?? "unusable arguments") + (choices.isEmpty ? "" : " \(choices)")
    return (["convnet: \(reason)"] + usage.map(String.init)).joined(separator: "\n")
  }
}

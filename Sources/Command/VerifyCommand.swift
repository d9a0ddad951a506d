import ArgumentParser
import ConvNet
import Foundation

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Run ONNX models on stored inputs and compare with stored outputs.",
    discussion: """
      A case is a folder with model.onnx beside test_data_set_N/input_i.pb and output_i.pb, as in the ONNX project's \
      tests, or a file NAME.onnx beside NAME_output_i.pb, as that project's light networks, whose inputs count up from 0 \
      to 1. Each model runs eagerly and, where it can be compiled, compiled. Exit code 1 if a case fails; an \
      unsupported one does not fail.
      """)

  @Argument(help: "Cases, and folders that hold some, at any depth.") var paths: [String]
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var threads: ThreadOptions

  private struct Report: Encodable {
    struct Row: Encodable {
      var name: String
      var status: String
      var reason: String
      var compiled: Bool
    }
    var passed = 0
    var failed = 0
    var unsupported = 0
    /// Of those that passed, how many did as a compiled plan too.
    var compiled = 0
    var cases: [Row] = []
  }

  func run() throws {
    threads.apply()
    var report = Report()
    for path in paths {
      let cases = ONNXTestCase.find(in: path)
      if cases.isEmpty {
        throw CommandError(
          "\(path): no case found; a case is a folder with model.onnx, or NAME.onnx beside NAME_output_0.pb")
      }
      for result in cases.map({ $0.verify() }) {
        switch result.status {
        case .passed:
          report.passed += 1
          if result.isCompiled { report.compiled += 1 }
        case .failed: report.failed += 1
        case .unsupported: report.unsupported += 1
        }
        report.cases.append(
          .init(
            name: result.name, status: result.status.rawValue, reason: result.reason, compiled: result.isCompiled))
        if !json && result.status != .passed { print("\(result.status): \(result.name): \(result.reason)") }
      }
    }
    if json {
      try printJSON(report)
    } else {
      print(
        "\(report.passed) passed (\(report.compiled) also compiled), \(report.failed) failed, "
          + "\(report.unsupported) unsupported")
    }
    if report.failed > 0 { throw ExitCode(1) }
  }
}

import Foundation

/// What one run of the command left behind.
struct CommandResult {
  var exitCode: Int32
  var output: String
  var errors: String
}

/// Runs the built command, which lies beside the test bundle.
func convnet(_ arguments: [String]) throws -> CommandResult {
  let folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
  let process = Process()
  process.executableURL = folder.appending(path: "convnet")
  process.arguments = arguments
  let files = [UUID(), UUID()].map { FileManager.default.temporaryDirectory.appending(path: "convnet-\($0)") }
  defer { for file in files { try? FileManager.default.removeItem(at: file) } }
  for file in files { try Data().write(to: file) }
  process.standardOutput = try FileHandle(forWritingTo: files[0])
  process.standardError = try FileHandle(forWritingTo: files[1])
  try process.run()
  process.waitUntilExit()
  let texts = try files.map { try String(contentsOf: $0, encoding: .utf8) }
  return CommandResult(exitCode: process.terminationStatus, output: texts[0], errors: texts[1])
}

import Foundation
import Testing

/// Runs the built command as a user would.
enum Convnet {
  struct Result {
    var output: String
    var errors: String
    var status: Int32

    /// Standard output as JSON.
    var json: Any { get throws { try JSONSerialization.jsonObject(with: Data(output.utf8)) } }
    var object: [String: Any] { get throws { try #require(try json as? [String: Any]) } }
    var errorLines: [Substring] { errors.split(separator: "\n") }
  }

  /// The command beside the test bundle.
  static let executable: URL = {
    #if os(macOS)
      let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }!
      return bundle.bundleURL.deletingLastPathComponent().appending(path: "convnet")
    #else
      URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "convnet")
    #endif
  }()

  /// Starts the command; what it prints goes to two files in a folder.
  ///
  /// - Parameter input: what it finds on standard input.
  static func start(
    _ arguments: [String], input: String = "", in folder: URL = FileManager.default.temporaryDirectory
  ) throws -> (process: Process, output: URL, errors: URL) {
    let output = folder.appending(path: "convnet-\(UUID().uuidString).out")
    let errors = folder.appending(path: "convnet-\(UUID().uuidString).err")
    for file in [output, errors] { #expect(FileManager.default.createFile(atPath: file.path, contents: nil)) }
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    let pipe = Pipe()
    try pipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    try pipe.fileHandleForWriting.close()
    process.standardInput = pipe
    try process.run()
    return (process, output, errors)
  }

  static func run(_ arguments: String...) throws -> Result { try run(arguments) }

  static func run(_ arguments: [String], input: String = "") throws -> Result {
    let (process, output, errors) = try start(arguments, input: input)
    process.waitUntilExit()
    let result = Result(
      output: try String(contentsOf: output, encoding: .utf8), errors: try String(contentsOf: errors, encoding: .utf8),
      status: process.terminationStatus)
    try FileManager.default.removeItem(at: output)
    try FileManager.default.removeItem(at: errors)
    return result
  }
}

/// A folder for one test, removed at its end.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appending(path: "convnet-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

import Foundation
import Testing

@Suite struct ReadmeTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// Every Swift block of the README stands, apart from its indentation, in the file that is compiled with the tests.
  @Test func examplesAreCompiled() throws {
    let readme = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)
    let compiled = try String(
      contentsOf: Self.root.appending(path: "Tests/CommandTests/ReadmeExample.swift"), encoding: .utf8)
    func lines(_ text: some StringProtocol) -> [String] {
      text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        .filter { !$0.isEmpty && !$0.hasPrefix("import ") }
    }
    let known = Set(lines(compiled))
    let blocks = readme.components(separatedBy: "```swift\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
    #expect(blocks.count >= 3)
    for block in blocks { for line in lines(block) { #expect(known.contains(line), "not compiled: \(line)") } }
  }

  @Test func exampleRuns() throws { try readmeExample() }
}

import Foundation
import Testing

/// Every item of the course's acceptance list that has a number has a test of its name.
@Suite struct CoverageTests {
  private static let numbered: [(letter: String, count: Int)] = [
    // 1.1 convolution, 1.2 sizes, 1.3 pooling, 1.4 learning a kernel, 1.5 features, 1.6 time series, 1.12 questions.
    ("c", 22), ("a", 17), ("p", 12), ("l", 4), ("f", 7), ("s", 6), ("q", 5),
  ]

  /// 1.12's corrections that numbers can show. That of results in papers (4) and that of
  /// words (9) have none here.
  private static let corrections = [1, 2, 3, 5, 6, 7, 8]

  /// 1.7, which the list does not number.
  private static let layers = [
    "conv2DArguments", "bias", "dilation", "groups", "paddingModes", "namedPadding", "lazyChannels", "channels",
    "dtype",
    "upConvolution", "skips", "classifierHead", "poolings", "adamW", "activations",
  ]

  /// The names of this target's tests, from its sources.
  private static func names() throws -> [String] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    return try files.filter { $0.pathExtension == "swift" }.flatMap { file in
      let text = try String(contentsOf: file, encoding: .utf8)
      return text.split(separator: "@Test").dropFirst().compactMap { part in
        part.split(separator: "func ", maxSplits: 1).dropFirst().first?.prefix { $0.isLetter || $0.isNumber }
      }.map(String.init)
    }
  }

  @Test func everyItemHasItsTest() throws {
    let names = try Self.names()
    let items = Self.numbered.flatMap { group in (1...group.count).map { "\(group.letter)\($0)" } }
    for item in items + Self.corrections.map({ "e\($0)" }) + Self.layers {
      #expect(names.filter { $0 == item }.count == 1, "\(item)")
    }
  }
}

import Foundation
import Testing

@Suite struct CommandTests {
  @Test func summaryAsJSON() throws {
    let result = try convnet(["summary", "lenet", "--input", "1x28x28", "--json"])
    #expect(result.exitCode == 0 && result.errors.isEmpty)
    let document = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    #expect(document["parameters"] as? Int == 44_426)
    #expect((document["layers"] as? [Any])?.count == 12)
  }

  @Test func models() throws {
    let result = try convnet(["models"])
    #expect(result.exitCode == 0)
    #expect(result.output.contains("resnet18   11,689,512  1,814,073,344  3x224x224    1,000  2015"))
  }

  @Test(arguments: [
    (["summary", "nope"], Int32(1), "convnet: there is no model named \"nope\"; the models are: "),
    (["summary", "lenet", "--input", "1x4x4"], 1, "convnet: lenet needs images of at least 16x16, but they are 4x4"),
    (["summary", "lenet", "--input", "3x"], 64, "convnet: The value '3x' is invalid for '--input <CxHxW>'"),
    (["summary", "lenet", "--input", "9999999999x1x99999999999"], 64, "convnet: The value '9999999999x1x99999999999'"),
    (["summary"], 64, "convnet: Missing expected argument '<model>'"),
    (["summary", "lenet", "--classes", "0"], 64, "convnet: --classes must be from 1 to 10,000,000, but it is 0."),
    (["bogus"], 64, "convnet: Unexpected argument 'bogus'"),
  ])
  func mistakes(arguments: [String], exitCode: Int32, start: String) throws {
    let result = try convnet(arguments)
    #expect(result.exitCode == exitCode)
    #expect(result.output.isEmpty)
    #expect(result.errors.hasPrefix(start), "\(result.errors)")
    // A failure is one line; wrong arguments add how the command is used.
    #expect(result.errors.split(separator: "\n").count == (exitCode == 1 ? 1 : 3))
  }
}

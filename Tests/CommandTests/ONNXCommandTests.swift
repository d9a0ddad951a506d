import Foundation
import Testing

/// `run`, `verify` and `summary` on the ONNX fixture of ModelsTests.
@Suite struct ONNXCommandTests {
  static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "ModelsTests/Fixtures").path

  @Test func runsAModelOnArrays() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "convnet-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let model = "\(Self.fixtures)/network.onnx"
    let result = try Convnet.run(
      "run", model, "--input", "x=\(Self.fixtures)/network_x.npy", "--output", folder.path)
    #expect(result.status == 0)
    #expect(result.output == "\(folder.path)/y.npy: 2x3 float32\n")
    // The same header and as many numbers as ONNX Runtime's output, which ModelsTests compares one by one.
    let written = try Data(contentsOf: folder.appending(path: "y.npy"))
    #expect(written.count == (try Data(contentsOf: URL(fileURLWithPath: "\(Self.fixtures)/network_y.npy"))).count)

    let missing = try Convnet.run("run", model, "--output", folder.path)
    #expect(missing.status == 1)
    #expect(missing.errorLines == ["convnet: \(model): input x is missing; add --input x=FILE.npy"])
  }

  @Test func summarisesAModel() throws {
    let summary = try Convnet.run("summary", "\(Self.fixtures)/network.onnx", "--input", "3x8x6", "--json").object
    #expect(summary["parameters"] as? Int == 359)
  }

  @Test func refusesAFolderWithoutCases() throws {
    let result = try Convnet.run("verify", Self.fixtures)
    #expect(result.status == 1)
    #expect(result.errorLines == ["convnet: \(Self.fixtures): no case found; a case is a folder with model.onnx"])
  }
}

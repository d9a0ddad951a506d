import Foundation
import Models
import Testing

/// The ONNX project's own tests, from the Debian package `libonnx-testdata`.
@Suite struct ONNXNodeTests {
  static let folder = "/usr/share/libonnx-testdata/data"

  static var isInstalled: Bool {
    if FileManager.default.fileExists(atPath: folder) { return true }
    print("ONNXNodeTests: skipped, because the package libonnx-testdata is not installed")
    return false
  }

  @Test(.enabled(if: isInstalled, "the package libonnx-testdata is not installed"))
  func everyCaseThatIsSupportedPasses() {
    let kinds = ["node", "pytorch-converted", "pytorch-operator", "simple"]
    let results = kinds.flatMap { ONNXTestCase.find(in: "\(Self.folder)/\($0)") }.map { $0.verify() }
    for result in results where result.status == .failed { Issue.record("\(result.name): \(result.reason)") }
    #expect(results.count > 1000)
    // What is unsupported is so by decision; fewer passing cases mean that something broke.
    #expect(results.count { $0.status == .passed } >= 923)
  }
}

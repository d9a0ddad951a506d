import Foundation
import Tasks

/// A folder of its own for one test, deleted with it.
final class Scratch: Sendable {
  let path = NSTemporaryDirectory() + "convnet-report-" + UUID().uuidString

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func writePicture(_ label: Int, _ index: Int, to name: String) throws {
    let url = URL(fileURLWithPath: "\(path)/\(name)")
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Self.picture(label: label, index: index).writePNG(to: url.path)
  }

  /// Noise on a ground whose brightness tells the class, but not always.
  static func picture(label: Int, index: Int) -> Image {
    var random = RandomStream(seed: UInt64(label), stream: UInt64(index))
    let ground = 50 + 40 * label + Int(random.next() % 50)
    return Image(
      width: 24, height: 20, channels: 3, pixels: (0..<24 * 20 * 3).map { _ in UInt8(ground + Int(random.next() % 60)) }
    )
  }
}

/// The text of the error that the body throws; empty where it throws none.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch { return "\(error)" }
}

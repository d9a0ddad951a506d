import Foundation
import Tasks

/// A folder of its own for one test, deleted with it.
final class Scratch: Sendable {
  let path = NSTemporaryDirectory() + "convnet-tasks-" + UUID().uuidString

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ bytes: [UInt8], to name: String) throws {
    let url = URL(fileURLWithPath: "\(path)/\(name)")
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  /// Class folders of PNG files, each picture different; classes differ in brightness.
  func writePictures(
    in folder: String, classes: [String] = ["cat", "dog", "owl"], count: Int, isGrey: Bool = false, from first: Int = 0
  ) throws {
    for (label, name) in classes.enumerated() {
      for index in first..<first + count {
        try write(
          Self.picture(label: label, index: index, isGrey: isGrey).pngData(), to: "\(folder)/\(name)/\(index).png")
      }
    }
  }

  static func picture(label: Int, index: Int, isGrey: Bool = false) -> Image {
    var random = RandomStream(seed: UInt64(label), stream: UInt64(index))
    let channels = isGrey ? 1 : 3
    let pixels = (0..<20 * 18 * channels).map { position in
      UInt8(60 * label + (position % channels) * 20 + Int(random.next() % 40))
    }
    return Image(width: 20, height: 18, channels: channels, pixels: pixels)
  }
}

/// The text of the error that the body throws; empty where it throws none.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch { return "\(error)" }
}

extension Module {
  /// Every bit, by path.
  var bits: [String: [UInt32]] {
    Dictionary(
      uniqueKeysWithValues: parameters.map { ($0.path, $0.tensor.scalars(as: Float.self).map(\.bitPattern)) })
  }
}

/// A short training of LeNet.
func job(_ data: String?, epochs: Int = 2, _ change: (inout ClassifierJob) -> Void = { _ in }) -> ClassifierJob {
  var job = ClassifierJob(
    data: data, optimizer: Optimizer.adamW().settings, training: .init(epochs: epochs, batchSize: 8, seed: 4))
  job.imageSize = 16
  change(&job)
  return job
}

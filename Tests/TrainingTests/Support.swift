import Formats
import Foundation
import Testing
import Training
import Vision

/// The embedded pictures as LeNet wants them.
enum Pictures {
  private static let parts = Result { try EmbeddedFashionMNIST.load() }

  private static func rule(_ channels: Int) -> ImagePreprocessing {
    ImagePreprocessing(
      channels: channels, height: 32, width: 32, resize: .shortestSide(28), background: .black,
      mean: .init(repeating: 0.286, count: channels), std: .init(repeating: 0.353, count: channels))
  }

  /// The first training pictures.
  static func training(
    _ count: Int, channels: Int = 1, augmentation: Augmentation = .none
  ) throws -> Subset<IDXImages> {
    let images = IDXImages(try parts.get().train, preprocessing: rule(channels), augmentation: augmentation)
    return Subset(images, indices: Array(0..<count))
  }

  /// The first test pictures.
  static func test(_ count: Int, channels: Int = 1) throws -> Subset<IDXImages> {
    Subset(IDXImages(try parts.get().test, preprocessing: rule(channels)), indices: Array(0..<count))
  }
}

/// A run's folder of its own for one test, deleted with it.
final class Scratch {
  let run: RunFolder

  init() throws {
    run = RunFolder(NSTemporaryDirectory() + "convnet-training-" + UUID().uuidString)
    try run.create()
  }

  deinit { try? FileManager.default.removeItem(atPath: run.path) }
}

extension RunFolder {
  /// What two runs must agree in: every bit of the models and the checkpoint, and the metrics, but no times.
  func contents() throws -> Contents {
    let (tensors, metadata) = try Safetensors.read(checkpointPath)
    let position = try #require(metadata["convnet.checkpoint"])
    return Contents(
      model: try Data(contentsOf: URL(fileURLWithPath: modelPath)),
      last: try Data(contentsOf: URL(fileURLWithPath: lastModelPath)),
      checkpoint: tensors.mapValues(\.bits), position: try Self.withoutSeconds(position),
      metrics: try metrics().map(Self.withoutSeconds))
  }

  struct Contents: Equatable {
    var model: Data
    var last: Data
    var checkpoint: [String: [UInt32]]
    var position: String
    var metrics: [String]
  }

  func metrics() throws -> [String] {
    try String(contentsOfFile: metricsPath, encoding: .utf8).split(separator: "\n").map(String.init)
  }

  private static func withoutSeconds(_ json: String) throws -> String {
    var object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    object["seconds"] = nil
    object["waiting_share"] = nil
    return String(decoding: try JSONSerialization.data(withJSONObject: object, options: .sortedKeys), as: UTF8.self)
  }
}

extension Tensor {
  var bits: [UInt32] { scalars(as: Float.self).map(\.bitPattern) }
}

extension Module {
  /// Every bit of the parameters and running statistics, by path.
  var bits: [String: [UInt32]] { Dictionary(uniqueKeysWithValues: parameters.map { ($0.path, $0.tensor.bits) }) }

  var isFinite: Bool { parameters.allSatisfy { $0.tensor.scalars(as: Float.self).allSatisfy(\.isFinite) } }
}

/// The error that the body throws, if any.
func error(_ body: () throws -> Void) -> (any Error)? {
  do {
    try body()
    return nil
  } catch { return error }
}

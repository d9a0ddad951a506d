import Foundation
import Layers
import Models
import Tasks
import Testing
import Vision

/// A network from ONNX as a classifier of pictures: its file holds the network too.
@Suite struct ONNXClassifierTests {
  @Test func comesBackFromAFile() throws {
    let network = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "ModelsTests/Fixtures/network.onnx").path
    let model = try ONNXModel(contentsOf: network).endingInLogits().replacingClassifier(classes: 4, seed: 1)
    let rule = ImagePreprocessing(channels: 3, height: 8, width: 6, resize: .stretch)
    let description = ImageClassifier.Description(
      architecture: ModelConfiguration(name: "network", channels: 3, classes: 4, imageSize: [8, 6]),
      classNames: ["ant", "bee", "cat", "dog"], preprocessing: rule,
      provenance: .init(library: "test", data: "none", trainingImages: 0, seed: 1))
    let classifier = ImageClassifier(AnyLayer(model), description)

    let folder = FileManager.default.temporaryDirectory.appending(path: "convnet-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "model.safetensors").path
    try classifier.write(to: path)
    let loaded = try ImageClassifier(contentsOf: path)
    let picture = Image(width: 12, height: 9, channels: 3, pixels: (0..<12 * 9 * 3).map { UInt8($0 * 7 % 256) })
    let predictions = try loaded.predict(picture, top: 4)
    #expect(predictions == (try classifier.predict(picture, top: 4)))
    #expect(Set(predictions.map(\.className)) == ["ant", "bee", "cat", "dog"])
    #expect(loaded.model.parameters.map(\.path) == model.parameters.map(\.path))
  }
}

import ConvNet
import Formats
import Foundation

/// A model that a user named, with what it was made for.
struct NamedModel {
  var title: String
  var layer: any Layer
  var configuration: ModelConfiguration
}

/// The model that a user means: an architecture of the registry, without numbers, or else a model file.
///
/// - Parameters:
///   - nameOrPath: a registered name, or the path of a file; `./lenet` is the file if both exist.
///   - input: in place of the architecture's standard channels and image size.
///   - classes: in place of the architecture's standard number.
///   - withNumbers: whether a registered architecture gets its initial weights, or none.
func findModel(_ nameOrPath: String, input: InputExtents?, classes: Int?, withNumbers: Bool = false) throws
  -> NamedModel
{
  let known = ModelRegistry.architectures.first { $0.name == nameOrPath }
  let isNetwork = known == nil && ONNXModel.isHeld(by: nameOrPath)
  if isNetwork || known == nil && FileManager.default.fileExists(atPath: nameOrPath) {
    if classes != nil { throw CommandError("\(nameOrPath): the model file settles the classes; leave --classes out") }
    // A network from ONNX that is no classifier of pictures describes itself.
    if isNetwork, (try? SafetensorsFile(nameOrPath))?.metadata[ImageClassifier.Description.key] == nil {
      return try onnxModel(nameOrPath, input: input)
    }
    var model = try loadModelFile(nameOrPath)
    if let input { (model.configuration.channels, model.configuration.imageSize) = (input.channels, input.imageSize) }
    return model
  }
  if known == nil, nameOrPath.contains("/") || [".safetensors", ".pth", ".pt"].contains(where: nameOrPath.hasSuffix) {
    throw CommandError("\(nameOrPath): there is no such file")
  }
  var configuration = try ModelRegistry.architecture(named: nameOrPath).standard
  if let input { (configuration.channels, configuration.imageSize) = (input.channels, input.imageSize) }
  if let classes { configuration.classes = classes }
  let layer = try withNumbers ? ModelRegistry.make(configuration) : ModelRegistry.makeStructure(configuration)
  return NamedModel(title: nameOrPath, layer: layer, configuration: configuration)
}

/// Reads a trained model.
func loadModelFile(_ path: String) throws -> NamedModel {
  let classifier = try ImageClassifier(contentsOf: path)
  return NamedModel(title: path, layer: classifier.model, configuration: classifier.description.architecture)
}

/// An ONNX model of one input with channels and one to three extents (signals, images, volumes), at the size that the
/// file declares or that the user gives.
private func onnxModel(_ path: String, input: InputExtents?) throws -> NamedModel {
  let model = try ONNXModel(contentsOf: path)
  guard model.inputs.count == 1, let declared = model.inputs[0].dimensions, 3...5 ~= declared.count else {
    throw CommandError("\(path): the model must have one input of batch, channels and one to three extents")
  }
  let extents = input.map { [$0.channels] + $0.imageSize } ?? declared.dropFirst().compactMap { $0 }
  let example = "\(declared[1] ?? 3)x" + ["1000", "224x224", "16x112x112"][declared.count - 3]
  if input == nil, extents.count < declared.count - 1 {
    throw CommandError("\(path): takes inputs of any size; choose one, such as --input \(example)")
  }
  if extents.count != declared.count - 1 {
    throw CommandError(
      "\(path): takes channels and \(declared.count - 2) extents, such as --input \(example), not "
        + extents.map { "\($0)" }.joined(separator: "x"))
  }
  // The number of classes is the file's own affair: nothing here depends on it.
  let configuration = ModelConfiguration(
    name: path, channels: extents[0], classes: 0, imageSize: Array(extents[1...]))
  return NamedModel(title: path, layer: model, configuration: configuration)
}

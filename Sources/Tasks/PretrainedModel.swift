import Formats
import Foundation
import Models

/// A network with weights that somebody trained, made ready for other classes: its last layer is new, and pictures are
/// brought into the form that it was trained with.
struct PretrainedModel {
  var model: AnyLayer
  var configuration: ModelConfiguration
  var preprocessing: ImagePreprocessing
  /// The paths of the last layer, if the graph's last parameters are not all of it.
  var classifierPaths: [String]?
  /// The published weights that it is or began with, where they are known.
  var record: PretrainedRecord?
  var notes: [String] = []

  /// Reads weights: a model file of this library, an ONNX network, or tensors by name.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - modelName: the architecture of tensors by name; ``ClassifierJob/modelOfWeights`` looks for the one that they
  ///     fit.
  ///   - imageSize: a side in place of the one that the network was trained with.
  ///   - classNames: of the new task.
  ///   - allowances: differences between the file and the network that are meant, beside the last layer.
  ///   - seed: of the new layer.
  init(
    _ path: String, modelName: String, imageSize: Int?, classNames: [String], allowances: WeightAllowances,
    seed: UInt64
  ) throws {
    if let known = try Self.modelFile(path) {
      try self.init(known, path, imageSize: imageSize, classNames: classNames, allowances: allowances, seed: seed)
    } else if ONNXModel.isHeld(by: path) {
      try self.init(onnx: path, imageSize: imageSize, classes: classNames.count, seed: seed)
    } else {
      try self.init(
        tensors: WeightsFile(contentsOf: path).tensors, path, modelName: modelName, imageSize: imageSize,
        classes: classNames.count, allowances: allowances, seed: seed)
    }
  }

  // MARK: Tensors by name

  private init(
    tensors: [String: Tensor], _ path: String, modelName: String, imageSize: Int?, classes: Int,
    allowances: WeightAllowances, seed: UInt64
  ) throws {
    var allowances = allowances.union(.newHead)
    let record = try PretrainedRecord.find(forFile: path, preferring: modelName)
    let name = modelName == ClassifierJob.modelOfWeights ? record?.architecture : modelName
    let architecture =
      try name.map { try ModelRegistry.architecture(named: $0) } ?? Self.architecture(of: tensors, path)
    guard architecture.classifiesImages else {
      throw TaskError("\(path): \(architecture.name) does not classify images; `convnet models` says what it is for")
    }
    configuration = architecture.standard
    configuration.classes = classes
    if let record, record.architecture == architecture.name {
      configuration.imageSize = record.imageSize
      preprocessing = try record.preprocessing()
      self.record = record
      if record.unusedPrefixes != nil { allowances.insert(.unused) }
      notes.append("the weights are \(record.fileName) (\(record.dataset)); images are prepared as for these")
    } else {
      preprocessing = try ImagePreprocessing.imageNet.resized(to: configuration.imageSize[0], for: path)
      notes.append("the weights say nothing about how to prepare images; ImageNet's mean and deviation are taken")
    }
    if let imageSize {
      configuration.imageSize = [imageSize, imageSize]
      preprocessing = try preprocessing.resized(to: imageSize, for: path)
    }
    let loaded = try AnyLayer(ModelRegistry.make(configuration, seed: seed)).loading(
      tensors, from: path, allowing: allowances)
    model = loaded.model
    notes.append("\(path): \(loaded.report)")
  }

  /// The one architecture whose names and shapes a file has, but for the last layer.
  static func architecture(of tensors: [String: Tensor], _ path: String) throws -> Architecture {
    let count = tensors.keys.count { !WeightNaming.isCounter($0) }
    let fitting = try ModelRegistry.architectures.filter { architecture in
      guard architecture.classifiesImages else { return false }
      let own = try ModelRegistry.makeStructure(architecture.standard).parameters
      guard own.count == count else { return false }
      let shapes = WeightNaming.shapes(of: tensors, as: own.map(\.path))
      guard own.allSatisfy({ shapes[$0.path] != nil }) else { return false }
      // The last layer, weight and bias, may be for other classes, and the first convolution for other channels.
      // Extents of 1 do not count: timm has linear layers as convolutions.
      return own.count { shapes[$0.path]?.elementCount != $0.tensor.elementCount } <= 3
    }
    guard let first = fitting.first, fitting.count == 1 else {
      let found = fitting.isEmpty ? "no architecture" : fitting.map(\.name).joined(separator: ", ")
      throw TaskError("\(path): the names and shapes of the weights fit \(found); give --model NAME")
    }
    return first
  }

  // MARK: Model files

  /// The model of a file that says what it is; `nil` for plain tensors.
  private static func modelFile(_ path: String) throws -> ImageClassifier? {
    guard path.hasSuffix(".safetensors"), try SafetensorsFile(path).metadata[ImageClassifier.Description.key] != nil
    else { return nil }
    return try ImageClassifier(contentsOf: path)
  }

  private init(
    _ known: ImageClassifier, _ path: String, imageSize: Int?, classNames: [String], allowances: WeightAllowances,
    seed: UInt64
  ) throws {
    record = known.description.pretrained
    configuration = known.description.architecture
    configuration.classes = classNames.count
    preprocessing = known.description.preprocessing
    if let imageSize {
      configuration.imageSize = [imageSize, imageSize]
      preprocessing = try preprocessing.resized(to: imageSize, for: path)
    }
    // The same classes: what its last layer knows is worth keeping.
    let isSameTask = known.description.classNames == classNames && !allowances.contains(.newHead)
    if let network = known.model.base as? ONNXModel {
      let logits = isSameTask ? network : try network.replacingClassifier(classes: classNames.count, seed: seed)
      model = AnyLayer(logits)
      classifierPaths = try network.classifierParameters()
    } else {
      let loaded = try AnyLayer(ModelRegistry.make(configuration, seed: seed))
        .loading(known.model.tensors, from: path, allowing: isSameTask ? allowances : allowances.union(.newHead))
      model = loaded.model
      notes.append("\(path): \(loaded.report)")
    }
    if isSameTask { notes.append("the weights are of the same classes; their last layer is kept") }
  }

  // MARK: ONNX

  private init(onnx path: String, imageSize: Int?, classes: Int, seed: UInt64) throws {
    let network = try ONNXModel(contentsOf: path).endingInLogits()
    guard network.inputs.count == 1, let declared = network.inputs[0].dimensions, declared.count == 4 else {
      throw TaskError(
        "\(path): only a network of one input of batch, channels, height and width can be trained on images")
    }
    let channels = declared[1] ?? 3
    guard channels == 1 || channels == 3 else {
      throw TaskError("\(path): the network takes \(channels) channels, but pictures have 1 or 3")
    }
    if declared[0] ?? 0 > 0 {
      throw TaskError("\(path): the network takes batches of \(declared[0]!) only; export it with a batch of any size")
    }
    let side = imageSize ?? declared[2] ?? 224
    configuration = ModelConfiguration(
      name: (path as NSString).lastPathComponent, channels: channels, classes: classes, imageSize: [side, side])
    let rule = channels == 3 ? ImagePreprocessing.imageNet : ImagePreprocessing(channels: 1, height: 224, width: 224)
    preprocessing = try rule.resized(to: side, for: path)
    let adapted = try network.replacingClassifier(classes: classes, seed: seed)
    model = AnyLayer(adapted)
    classifierPaths = try adapted.classifierParameters()
    notes.append(
      "a network from ONNX says nothing about how to prepare images; ImageNet's mean and deviation are taken")
  }
}

extension ImagePreprocessing {
  /// The same rule for another size of the network's input.
  /// - Parameter path: of the network, for error texts.
  func resized(to side: Int, for path: String) throws(TaskError) -> ImagePreprocessing {
    guard 1...Self.largestSide ~= side else {
      throw TaskError(
        "\(path): images of \(side) pixels a side; they must have at least 1 and at most \(Self.largestSide)")
    }
    var resize = resize
    if case .shortestSide(let shortest) = resize {
      resize = .shortestSide(min(max(1, shortest * side / min(height, width)), Self.largestSide))
    }
    return ImagePreprocessing(
      channels: channels, height: side, width: side, resize: resize, interpolation: interpolation,
      background: background, mean: mean, std: std)
  }
}

extension Module {
  /// All tensors, by path.
  fileprivate var tensors: [String: Tensor] {
    Dictionary(uniqueKeysWithValues: parameters.map { ($0.path, $0.tensor) })
  }
}

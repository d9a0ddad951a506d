import Formats
import Foundation
public import Models
import Synchronization

/// A trained classifier with everything that using it needs: network, class names, and the rule that makes tensors of
/// pictures. One `.safetensors` file holds it.
public final class ImageClassifier: Sendable {
  public let model: AnyLayer
  public let description: Description
  private let plan = Mutex<LoadedPlan?>(nil)

  /// What a model file says about itself, as JSON in its metadata.
  public struct Description: Codable, Hashable, Sendable {
    /// Of this description.
    public var format = 1
    public var architecture: ModelConfiguration
    public var classNames: [String]
    public var preprocessing: ImagePreprocessing
    public var provenance: Provenance

    /// Where the model comes from.
    public struct Provenance: Codable, Hashable, Sendable {
      public var library: String
      public var data: String
      public var trainingImages: Int
      public var seed: UInt64

      public init(library: String, data: String, trainingImages: Int, seed: UInt64) {
        (self.library, self.data, self.trainingImages, self.seed) = (library, data, trainingImages, seed)
      }

      enum CodingKeys: String, CodingKey {
        case library, data, seed
        case trainingImages = "training_images"
      }
    }

    public init(
      architecture: ModelConfiguration, classNames: [String], preprocessing: ImagePreprocessing, provenance: Provenance
    ) {
      self.architecture = architecture
      self.classNames = classNames
      self.preprocessing = preprocessing
      self.provenance = provenance
    }

    enum CodingKeys: String, CodingKey {
      case format, architecture, preprocessing, provenance
      case classNames = "class_names"
    }

    /// The entry's name.
    package static let key = "convnet.model"

    /// The metadata of a model file.
    public func metadata() throws -> [String: String] {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      return [Self.key: String(decoding: try encoder.encode(self), as: UTF8.self)]
    }
  }

  /// One class and how probable it is.
  public struct Prediction: Codable, Hashable, Sendable {
    public var className: String
    public var index: Int
    public var probability: Float

    enum CodingKeys: String, CodingKey {
      case index, probability
      case className = "class"
    }
  }

  public init(_ model: AnyLayer, _ description: Description) {
    self.model = model
    self.description = description
  }

  /// Reads a model file.
  ///
  /// - Throws: `FormatError` if the file is damaged, ``TaskError`` if it is no model of this library.
  public convenience init(contentsOf path: String) throws {
    let (tensors, metadata) = try Safetensors.read(path)
    guard let json = metadata[Description.key] else {
      throw TaskError(
        "\(path): this safetensors file holds weights but no description of a model; "
          + "give a file that `convnet train` wrote, or train from it with --weights")
    }
    let description: Description
    do {
      description = try JSONDecoder().decode(Description.self, from: Data(json.utf8))
    } catch {
      throw TaskError("\(path): the model's description cannot be read; it may come from a newer version")
    }
    guard description.classNames.count == description.architecture.classes else {
      throw TaskError(
        "\(path): the model has \(description.architecture.classes) outputs, but \(description.classNames.count) names")
    }
    let architecture = description.architecture
    let model = try Self.model(architecture, tensors, metadata, path: path)
    let rule = description.preprocessing
    guard rule.channels == architecture.channels, [rule.height, rule.width] == architecture.imageSize else {
      throw TaskError(
        "\(path): the model takes inputs of \(architecture.inputShape()), but its pictures become \(rule.shape)")
    }
    self.init(model, description)
  }

  /// The network of a model file: one of the registry, or one from ONNX that the file itself describes.
  private static func model(
    _ architecture: ModelConfiguration, _ tensors: [String: Tensor], _ metadata: [String: String], path: String
  ) throws -> AnyLayer {
    if metadata[ONNXModel.metadataKey] != nil {
      return AnyLayer(try ONNXModel(tensors: tensors, metadata: metadata, path: path))
    }
    let structure: any Layer
    do {
      structure = try ModelRegistry.makeStructure(architecture)
    } catch {
      throw TaskError("\(path): \(error)")
    }
    return try AnyLayer(structure).loading(tensors, from: path)
  }

  /// Writes a model file; ``init(contentsOf:)`` reads it.
  public func write(to path: String) throws {
    var tensors: [String: Tensor] = [:]
    for parameter in model.parameters { tensors[parameter.path] = parameter.tensor }
    try Safetensors.write(tensors, metadata: Self.metadata(of: model, description), to: path)
  }

  /// The metadata of a model file: its description, and the network too if it came from ONNX.
  public static func metadata(of model: AnyLayer, _ description: Description) throws -> [String: String] {
    let network = try (model.base as? ONNXModel)?.metadata() ?? [:]
    return try description.metadata().merging(network) { $1 }
  }

  /// The most probable classes of a picture, most probable first.
  public func predict(_ image: Image, top count: Int = 5) throws -> [Prediction] {
    let preprocessing = description.preprocessing
    let input = preprocessing.tensor(from: image).reshaped(to: Shape([1] + preprocessing.shape.dimensions))
    let logits = try loadedPlan().run([input])[0]
    let probabilities = softmax(logits).scalars(as: Float.self)
    let order = probabilities.indices.sorted { (-probabilities[$0], $0) < (-probabilities[$1], $1) }
    return order.prefix(max(1, count)).map { index in
      Prediction(className: description.classNames[index], index: index, probability: probabilities[index])
    }
  }

  /// The most probable classes of a picture in a file.
  public func predict(contentsOf path: String, top count: Int = 5) throws -> [Prediction] {
    try predict(Image(contentsOf: path, background: description.preprocessing.background), top: count)
  }

  /// Judges the model on labelled pictures.
  ///
  /// - Parameter progress: called with the number of pictures done.
  public func evaluate(_ dataset: any ImageDataset, progress: (Int) throws -> Void = { _ in }) throws
    -> ClassificationReport
  {
    let view = dataset.view(nil, description.preprocessing, .none)
    let evaluator = Evaluator<AnyLayer> { crossEntropy($0, $1) }
    let evaluation = try evaluator.evaluate(model, on: view, progress: progress)
    return ClassificationReport(
      logits: evaluation.outputs, labels: evaluation.labels, classNames: description.classNames,
      loss: evaluation.loss)
  }

  private func loadedPlan() throws -> LoadedPlan {
    try plan.withLock { plan in
      if let plan { return plan }
      let made = try compile(model, input: Shape([1] + description.preprocessing.shape.dimensions))
      plan = made
      return made
    }
  }
}

import Formats
import Foundation
public import Models
import Synchronization

/// A trained classifier with everything that using it needs: network, class names, and the rule that makes tensors of
/// pictures. One `.safetensors` file holds it.
public final class ImageClassifier: Sendable {
  public let model: AnyLayer
  public let description: Description
  /// What it learned from, if its file says so.
  public let trainedOn: ContentSketch?
  private let predictor = Mutex<ImagePredictor?>(nil)

  /// What a model file says about itself, as JSON in its metadata.
  public struct Description: Codable, Hashable, Sendable {
    /// Of this description.
    public var format = 1
    public var architecture: ModelConfiguration
    public var classNames: [String]
    public var preprocessing: ImagePreprocessing
    public var provenance: Provenance
    /// How to make probabilities of its outputs and when not to answer; missing in files of models that were never
    /// judged.
    public var calibration: Calibration?
    /// The published weights that the model is or began with.
    public var pretrained: PretrainedRecord?

    /// Where the model comes from.
    public struct Provenance: Codable, Hashable, Sendable {
      public var library: String
      public var data: String
      public var trainingImages: Int
      public var seed: UInt64
      /// The file that it began with: its name and SHA-256. Random numbers if `nil`.
      public var weights: WeightsOrigin?

      public init(library: String, data: String, trainingImages: Int, seed: UInt64, weights: WeightsOrigin? = nil) {
        (self.library, self.data, self.trainingImages) = (library, data, trainingImages)
        (self.seed, self.weights) = (seed, weights)
      }

      enum CodingKeys: String, CodingKey {
        case library, data, seed, weights
        case trainingImages = "training_images"
      }
    }

    /// A file of weights that a training began with.
    public struct WeightsOrigin: Codable, Hashable, Sendable {
      public var file: String
      public var sha256: String

      /// - Throws: `FileError` if the file cannot be read.
      public init(path: String) throws {
        file = (path as NSString).lastPathComponent
        sha256 = try SHA256.hexDigest(ofFileAt: path)
      }
    }

    public init(
      architecture: ModelConfiguration, classNames: [String], preprocessing: ImagePreprocessing, provenance: Provenance,
      calibration: Calibration? = nil, pretrained: PretrainedRecord? = nil
    ) {
      self.architecture = architecture
      self.classNames = classNames
      self.preprocessing = preprocessing
      self.provenance = provenance
      self.calibration = calibration
      self.pretrained = pretrained
    }

    enum CodingKeys: String, CodingKey {
      case format, architecture, preprocessing, provenance, calibration, pretrained
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

  public init(_ model: AnyLayer, _ description: Description, trainedOn: ContentSketch? = nil) {
    self.model = model
    self.description = description
    self.trainedOn = trainedOn
  }

  /// Opens a model: an architecture's published weights by its name, or else a file.
  public convenience init(named nameOrPath: String) throws {
    if FileManager.default.fileExists(atPath: nameOrPath) || nameOrPath.contains("/") || nameOrPath.contains(".") {
      try self.init(contentsOf: nameOrPath)
    } else {
      try self.init(pretrained: nameOrPath)
    }
  }

  /// Reads a model file, or a file of published weights, which is known by its content.
  ///
  /// - Throws: `FormatError` if the file is damaged, ``TaskError`` if it is neither.
  public convenience init(contentsOf path: String) throws {
    func isNoClassifier() -> TaskError {
      TaskError(
        "\(path): a network from ONNX does not say how to prepare pictures nor what its outputs mean; run it on arrays "
          + "with `convnet run`, or make a classifier of it with `convnet finetune`")
    }
    if path.hasSuffix(".onnx"), FileManager.default.fileExists(atPath: path) { throw isNoClassifier() }
    let archive = try openTensors(path)
    guard let json = archive.metadata[Description.key] else {
      if archive.metadata[ONNXModel.metadataKey] != nil { throw isNoClassifier() }
      if let record = try PretrainedRecord.find(forFile: path) {
        try self.init(record, contentsOf: path)
        return
      }
      throw TaskError(
        "\(path): this \(archive.format.rawValue) file holds weights but no description of a model, and is none that is "
          + "published; `convnet convert \(path) model.safetensors --model auto` makes a model of weights that were trained "
          + "elsewhere")
    }
    let tensors = try archive.tensors()
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
    let model = try Self.model(architecture, tensors, archive.metadata, path: path)
    let rule = description.preprocessing
    guard rule.channels == architecture.channels, [rule.height, rule.width] == architecture.imageSize else {
      throw TaskError(
        "\(path): the model takes inputs of \(architecture.inputShape()), but its pictures become \(rule.shape)")
    }
    if let problem = description.calibration?.problem { throw TaskError("\(path): \(problem)") }
    self.init(model, description, trainedOn: archive.metadata[ContentSketch.key].flatMap(ContentSketch.init(text:)))
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
    return try AnyLayer(structure).loading(tensors, from: path).model
  }

  /// Writes a model file, whole or not at all; ``init(contentsOf:)`` reads it.
  public func write(to path: String) throws {
    let tensors = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor) })
    try Safetensors.write(tensors, metadata: Self.metadata(of: model, description, trainedOn), to: path)
  }

  /// The metadata of a model file: its description, what it learned from, and the network too if it came from ONNX.
  public static func metadata(
    of model: AnyLayer, _ description: Description, _ trainedOn: ContentSketch? = nil
  ) throws -> [String: String] {
    var metadata = try description.metadata()
    metadata[ContentSketch.key] = trainedOn?.text
    return try metadata.merging((model.base as? ONNXModel)?.metadata() ?? [:]) { $1 }
  }

  /// The most probable classes of a picture, most probable first; the probabilities are calibrated if the model file
  /// says how. Where that is all that is wanted, ``ImagePredictor`` needs half the memory.
  public func predict(_ image: Image, top count: Int = 5) throws -> [Prediction] {
    try loadedPredictor().predict(image, top: count)
  }

  /// The most probable classes of a picture in a file.
  public func predict(contentsOf path: String, top count: Int = 5) throws -> [Prediction] {
    try loadedPredictor().predict(contentsOf: path, top: count)
  }

  /// The probability below which the answer had better be "unknown".
  ///
  /// - Parameter path: the model's file, for the error text.
  /// - Throws: ``TaskError`` if the file holds no calibration.
  public func abstentionThreshold(from path: String) throws -> Float {
    guard let calibration = description.calibration else {
      throw TaskError("\(path): the model was never calibrated; run `convnet report` on its run, or give --threshold")
    }
    // Where no confidence was high enough, nothing is answered.
    return calibration.threshold.map { Float($0) } ?? .infinity
  }

  /// Judges the model on labelled pictures.
  ///
  /// - Parameters:
  ///   - mirrors: whether each picture's probabilities are the mean of its own and its mirror image's (test-time
  ///     augmentation).
  ///   - progress: called with the number of pictures done; a mirrored one counts as half.
  public func evaluate(
    _ dataset: any ImageDataset, mirrors: Bool = false, progress: (Int) throws -> Void = { _ in }
  ) throws -> ClassificationReport {
    let evaluator = Evaluator<AnyLayer> { crossEntropy($0, $1) }
    let views: [Augmentation] = mirrors ? [.none, Augmentation([.horizontalFlip(probability: 1)])] : [.none]
    let evaluations = try views.enumerated().map { number, augmentation in
      try evaluator.evaluate(model, on: dataset.view(nil, description.preprocessing, augmentation)) {
        try progress((number * dataset.count + $0) / views.count)
      }
    }
    let labels = evaluations[0].labels
    let logits = Self.blended(evaluations.map(\.outputs), rows: labels.count)
    var report = ClassificationReport(
      logits: logits, labels: labels, classNames: description.classNames,
      loss: mirrors ? Calibration.crossEntropy(logits, labels, temperature: 1) : evaluations[0].loss)
    report.calibration = description.calibration.map { CalibrationReport($0, logits: logits, labels: labels) }
    return report
  }

  /// Logits whose probabilities are the mean of several views' probabilities.
  private static func blended(_ views: [[Float]], rows: Int) -> [Float] {
    guard views.count > 1, rows > 0 else { return views[0] }
    let shape = Shape([rows, views[0].count / rows])
    let sum = views.map { softmax(Tensor($0, shape: shape)) }.reduce(.zeros(shape)) { $0 + $1 }
    // A class that no view thinks possible keeps a probability whose logarithm is finite.
    return sum.scalars(as: Float.self).map { log(max($0 / Float(views.count), .leastNormalMagnitude)) }
  }

  private func loadedPredictor() throws -> ImagePredictor {
    try predictor.withLock { predictor in
      if let predictor { return predictor }
      let made = try ImagePredictor(model, description)
      predictor = made
      return made
    }
  }
}

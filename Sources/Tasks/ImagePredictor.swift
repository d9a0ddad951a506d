public import Vision

/// What a classifier is for once it is trained: naming pictures, with packed weights alone.
///
/// An ``ImageClassifier`` keeps its network beside the packed weights, for whatever else it may be asked. A server that
/// only predicts gives that up and needs half the memory:
///
/// ```swift
/// let predictor = try ImagePredictor(ImageClassifier(named: "model.safetensors"))
/// let predictions = try predictor.predict(contentsOf: "new.jpg")
/// ```
///
/// Any number of tasks may use it at once.
public final class ImagePredictor: Sendable {
  public let description: ImageClassifier.Description
  private let plan: LoadedPlan

  /// - Parameter classifier: where nobody else holds it, its weights are freed one by one as they are packed.
  public convenience init(_ classifier: consuming ImageClassifier) throws {
    let (model, description) = (classifier.model, classifier.description)
    _ = consume classifier
    try self.init(consume model, description)
  }

  init(_ model: consuming AnyLayer, _ description: ImageClassifier.Description) throws {
    plan = try compile(consume model, input: Shape([1] + description.preprocessing.shape.dimensions))
    self.description = description
  }

  /// The most probable classes of a picture, most probable first; the probabilities are calibrated if the model file
  /// says how.
  public func predict(_ image: Image, top count: Int = 5) throws -> [ImageClassifier.Prediction] {
    let preprocessing = description.preprocessing
    let input = preprocessing.tensor(from: image).reshaped(to: Shape([1] + preprocessing.shape.dimensions))
    let logits = try plan.run([input])[0]
    let temperature = description.calibration?.temperature ?? 1
    let probabilities = softmax(logits / temperature).scalars(as: Float.self)
    let order = probabilities.indices.sorted { (-probabilities[$0], $0) < (-probabilities[$1], $1) }
    return order.prefix(max(1, count)).map { index in
      .init(className: description.classNames[index], index: index, probability: probabilities[index])
    }
  }

  /// The most probable classes of a picture in a file.
  public func predict(contentsOf path: String, top count: Int = 5) throws -> [ImageClassifier.Prediction] {
    try predict(Image(contentsOf: path, background: description.preprocessing.background), top: count)
  }
}

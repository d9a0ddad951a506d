import Formats
import Foundation
public import Layers
import Models

/// A network with its numbers that runs on arrays, whatever they stand for: one from ONNX with the inputs and outputs
/// that its file names, or one of this library, which has an input named `input` and an output named `output`.
public struct ArrayModel: Sendable {
  private enum Network {
    case onnx(ONNXSession)
    case layers(AnyLayer)
  }
  private let network: Network
  /// The file or name that it was opened by.
  public let title: String
  public let inputs: [String]
  public let outputs: [String]

  /// Opens a model.
  ///
  /// - Parameter nameOrPath: an ONNX file, a model file, or published weights: their file, or the name of their
  ///   architecture to find it in the folder of weights.
  /// - Throws: `FormatError`, `ONNXError`, `ModelError` or ``TaskError`` for what cannot be opened.
  public init(named nameOrPath: String) throws {
    title = nameOrPath
    if ONNXModel.isHeld(by: nameOrPath) {
      let model = try ONNXModel(contentsOf: nameOrPath)
      network = .onnx(ONNXSession(model))
      (inputs, outputs) = (model.inputs.map(\.name), model.outputs.map(\.name))
    } else {
      network = .layers(try ImageClassifier(named: nameOrPath).model)
      (inputs, outputs) = (["input"], ["output"])
    }
  }

  /// Runs the network once.
  ///
  /// - Parameter tensors: by the names in ``inputs``; those of this library's networks are float32
  ///   `[batch, channels, ...]`.
  /// - Returns: in the order of ``outputs``; classifiers give logits `[batch, classes]`.
  /// - Throws: ``TaskError`` for a name that is missing or unknown; `ONNXError` or `ShapeError` if a shape does not fit.
  public func run(_ tensors: [String: Tensor]) throws -> [Tensor] {
    if let unknown = tensors.keys.sorted().first(where: { !inputs.contains($0) }) {
      throw TaskError("\(title): has no input \(unknown); its inputs are: \(inputs.joined(separator: ", "))")
    }
    let ordered = try inputs.map { name in
      guard let tensor = tensors[name] else { throw TaskError("\(title): input \(name) is missing") }
      return tensor
    }
    switch network {
    case .onnx(let session): return try session.run(ordered)
    case .layers(let model):
      let x = ordered[0]
      guard x.dtype == .float32, x.elementCount > 0 else {
        throw TaskError("\(title): input \(inputs[0]) must be float32 numbers, but got \(x.shape) \(x.dtype)")
      }
      return try compile(model, input: x.shape).run([x])
    }
  }
}

import Formats
import Foundation
import Layers

/// A model in a `.safetensors` file: its parameters are the file's tensors, under their own names, and one entry of the
/// metadata holds the network itself as JSON, with the constants that no training changes. So whatever saves parameters
/// (a training run, a checkpoint) saves an imported model too.
extension ONNXModel {
  /// The entry's name.
  package static let metadataKey = "convnet.onnx"

  /// Whether a file holds a network from ONNX: an ONNX file, or one that ``write(to:metadata:)`` or a training run wrote.
  package static func isHeld(by path: String) -> Bool {
    path.hasSuffix(".onnx")
      || path.hasSuffix(".safetensors") && (try? SafetensorsFile(path))?.metadata[metadataKey] != nil
  }

  /// The entry of a file's metadata that describes the network without its parameters.
  public func metadata() throws -> [String: String] {
    let graph = StoredGraph(
      version: version, inputs: inputs.map(StoredGraph.Value.init), outputs: outputs.map(StoredGraph.Value.init),
      nodes: nodes.map(StoredGraph.Node.init), parameters: weights.map { .init(name: $0.name, kind: $0.kind) },
      constants: constants.mapValues(StoredGraph.Numbers.init))
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = StoredGraph.infinities.encoding
    return [Self.metadataKey: String(decoding: try encoder.encode(graph), as: UTF8.self)]
  }

  /// Writes the model; ``init(contentsOf:)`` reads it.
  /// - Parameter metadata: other entries.
  public func write(to path: String, metadata: [String: String] = [:]) throws {
    let tensors = Dictionary(weights.map { ($0.name, $0.tensor) }) { first, _ in first }
    try Safetensors.write(tensors, metadata: metadata.merging(self.metadata()) { $1 }, to: path)
  }

  /// A model from what a `.safetensors` file holds.
  /// - Parameter path: the file's, for error texts.
  package init(tensors: [String: Tensor], metadata: [String: String], path: String) throws {
    guard let text = metadata[Self.metadataKey] else {
      throw FormatError.unsupported(path: path, reason: "it holds weights but no network that came from ONNX")
    }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = StoredGraph.infinities.decoding
    guard let graph = try? decoder.decode(StoredGraph.self, from: Data(text.utf8)) else {
      throw FormatError.malformed(
        path: path, reason: "the network in it cannot be read; it may come from a newer version")
    }
    let nodes = try graph.nodes.map { try $0.node(path: path) }
    try Self.checkOperators(nodes, path: path)
    var weights: [Parameter] = []
    for parameter in graph.parameters where !weights.contains(where: { $0.name == parameter.name }) {
      guard let tensor = tensors[parameter.name] else {
        throw FormatError.missingTensor(
          path: path, name: parameter.name, nearest: nearestNames(to: parameter.name, among: Array(tensors.keys)))
      }
      weights.append(.init(name: parameter.name, kind: parameter.kind, tensor: tensor.cast(to: .float32)))
    }
    self.init(
      path: path, inputs: graph.inputs.map(\.value), outputs: graph.outputs.map(\.value), nodes: nodes,
      version: graph.version, constants: try graph.constants.mapValues { try $0.tensor(path: path) }, weights: weights)
  }
}

/// A network without its parameters, as JSON.
private struct StoredGraph: Codable {
  static let infinities = (
    encoding: JSONEncoder.NonConformingFloatEncodingStrategy.convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan"),
    decoding: JSONDecoder.NonConformingFloatDecodingStrategy.convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
  )

  var version: Int64
  var inputs: [Value]
  var outputs: [Value]
  var nodes: [Node]
  var parameters: [Parameter]
  var constants: [String: Numbers]

  struct Parameter: Codable {
    var name: String
    var kind: ParameterKind
  }

  struct Value: Codable {
    var name: String
    var dtype: DType?
    var dimensions: [Int?]?

    init(_ value: ONNXModel.Value) { (name, dtype, dimensions) = (value.name, value.dtype, value.dimensions) }
    var value: ONNXModel.Value { .init(name: name, dtype: dtype, dimensions: dimensions) }
  }

  struct Node: Codable {
    var name, domain, operation: String
    var inputs, outputs: [String]
    var attributes: [String: Attribute]

    init(_ node: ONNXFile.Node) {
      (name, domain, operation) = (node.name, node.domain, node.operation)
      (inputs, outputs) = (node.inputs, node.outputs)
      attributes = node.attributes.mapValues(Attribute.init)
    }

    func node(path: String) throws(FormatError) -> ONNXFile.Node {
      var node = ONNXFile.Node()
      (node.name, node.domain, node.operation) = (name, domain, operation)
      (node.inputs, node.outputs) = (inputs, outputs)
      for (name, attribute) in attributes { node.attributes[name] = try attribute.attribute(path: path) }
      return node
    }
  }

  /// One of the fields; none for what no operator reads.
  struct Attribute: Codable {
    var float: Float?
    var integer: Int64?
    var string: String?
    var tensor: Numbers?
    var floats: [Float]?
    var integers: [Int64]?
    var strings: [String]?

    init(_ attribute: ONNXFile.Attribute) {
      switch attribute {
      case .float(let value): float = value
      case .integer(let value): integer = value
      case .string(let value): string = value
      case .tensor(let value): tensor = Numbers(value)
      case .floats(let values): floats = values
      case .integers(let values): integers = values
      case .strings(let values): strings = values
      case .other: break
      }
    }

    func attribute(path: String) throws(FormatError) -> ONNXFile.Attribute {
      if let float { return .float(float) }
      if let integer { return .integer(integer) }
      if let string { return .string(string) }
      if let tensor { return .tensor(try tensor.tensor(path: path)) }
      if let floats { return .floats(floats) }
      if let integers { return .integers(integers) }
      return strings.map { .strings($0) } ?? .other
    }
  }

  /// A constant, its bytes little-endian as everywhere in the file.
  struct Numbers: Codable {
    var dtype: DType
    var shape: [Int]
    var data: Data

    init(_ tensor: Tensor) {
      (dtype, shape) = (tensor.dtype, tensor.shape.dimensions)
      func bytes<Scalar: TensorScalar>(_: Scalar.Type) -> Data {
        tensor.withUnsafeBuffer(of: Scalar.self) { Data(UnsafeRawBufferPointer($0)) }
      }
      data =
        switch dtype {
        case .float32: bytes(Float.self)
        case .float64: bytes(Double.self)
        case .int32: bytes(Int32.self)
        case .int64: bytes(Int64.self)
        case .uint8: bytes(UInt8.self)
        case .bool: bytes(Bool.self)
        }
    }

    func tensor(path: String) throws(FormatError) -> Tensor {
      guard let shape = Shape(checked: shape), shape.elementCount * dtype.byteCount == data.count,
        dtype != .bool || data.allSatisfy({ $0 <= 1 })
      else {
        throw .malformed(
          path: path, reason: "a constant of \(self.shape.prefix(8)) \(dtype) does not have \(data.count) bytes")
      }
      func made<Scalar: TensorScalar>(_: Scalar.Type) -> Tensor {
        Tensor(shape: shape, of: Scalar.self) { _ = data.copyBytes(to: UnsafeMutableRawBufferPointer($0)) }
      }
      return switch dtype {
      case .float32: made(Float.self)
      case .float64: made(Double.self)
      case .int32: made(Int32.self)
      case .int64: made(Int64.self)
      case .uint8: made(UInt8.self)
      case .bool: made(Bool.self)
      }
    }
  }
}

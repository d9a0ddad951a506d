import Foundation
import Graph
import Runtime
import SwiftProtobuf

/// What a network needs of an ONNX file (https://onnx.ai/onnx/repo-docs/IR.html), with tensors decoded, and nothing yet
/// interpreted.
package struct ONNXFile: Sendable {
  package struct Node: Sendable {
    package var name = ""
    package var domain = ""
    package var operation = ""
    /// Names of values; an empty name is an input left out.
    package var inputs: [String] = []
    package var outputs: [String] = []
    package var attributes: [String: Attribute] = [:]

    package init() {}
  }

  package enum Attribute: Sendable {
    case float(Float)
    case integer(Int64)
    case string(String)
    case tensor(Tensor)
    case floats([Float])
    case integers([Int64])
    case strings([String])
    /// A subgraph, a sparse tensor, a type: known to be there, not read.
    case other
  }

  /// A declared input or output.
  package struct Value: Sendable {
    package var name: String
    /// `nil` for what is no tensor (a sequence, a map), or is of a type that is not read.
    package var dtype: DType?
    /// `nil` if the file does not say. Each extent is `nil` if it may vary.
    package var dimensions: [Int?]?
  }

  package let path: String
  /// The version of each set of operators, by domain; the standard one is the empty domain.
  package private(set) var operatorSets: [String: Int64] = [:]
  package private(set) var nodes: [Node] = []
  package private(set) var initializers: [String: Tensor] = [:]
  /// Names of `initializers` in the file's order.
  package private(set) var initializerNames: [String] = []
  package let inputs: [Value]
  package let outputs: [Value]

  /// Reads a model and the external files that its tensors lie in, which must be in the model's folder.
  package init(_ path: String) throws(FormatError) {
    self.path = path
    let file = try InputFile(path)
    var model = try ONNXModelProto(file, layout: .onnxModel, kind: "ONNX model")
    var tensors = model.graph.initializer
    model.graph.initializer = []
    let graph = model.graph
    for entry in model.opsetImport { operatorSets[domain(entry.domain)] = entry.version }
    guard graph.sparseInitializer.isEmpty else {
      throw .unsupported(path: path, reason: "sparse initializers; make them dense")
    }
    try Self.requireMemory(for: tensors + graph.node.flatMap { $0.attribute.filter(\.hasT).map(\.t) }, of: path)
    inputs = graph.input.map(Value.init)
    outputs = graph.output.map(Value.init)
    for node in graph.node { nodes.append(try Node(node, in: file)) }
    if nodes.isEmpty && outputs.isEmpty {
      throw .malformed(path: path, reason: "not an ONNX model: it has no graph")
    }
    for index in tensors.indices {
      // Taken out, so that numbers in lists are freed before those of the next one are copied.
      var tensor = ONNXTensorProto()
      swap(&tensor, &tensors[index])
      if initializers.updateValue(try tensor.decoded(from: file), forKey: tensor.name) == nil {
        initializerNames.append(tensor.name)
      }
    }
  }

  /// Refuses tensors that are too large together: any number can lie in the same bytes of an external file.
  private static func requireMemory(for tensors: [ONNXTensorProto], of path: String) throws(FormatError) {
    var byteCount = 0
    for tensor in tensors {
      try InputFile.requireMemory(for: tensor.decodedByteCount, of: path)
      byteCount += tensor.decodedByteCount
      try InputFile.requireMemory(for: byteCount, of: path)
    }
  }

  /// Reads a file that holds one tensor (`input_0.pb` of a test case).
  package static func tensor(contentsOf path: String) throws(FormatError) -> Tensor {
    let file = try InputFile(path)
    return try ONNXTensorProto(file, layout: .onnxTensor, kind: "ONNX tensor").decoded(from: file)
  }
}

/// The standard domain has two names.
private func domain(_ name: String) -> String { name == "ai.onnx" ? "" : name }

extension ONNXFile.Node {
  fileprivate init(_ node: ONNXNodeProto, in file: InputFile) throws(FormatError) {
    (name, operation, domain) = (node.name, node.opType, Formats.domain(node.domain))
    (inputs, outputs) = (node.input, node.output)
    for attribute in node.attribute { attributes[attribute.name] = try .init(attribute, in: file) }
  }
}

extension ONNXFile.Attribute {
  fileprivate init(_ attribute: ONNXAttributeProto, in file: InputFile) throws(FormatError) {
    // Text need not be UTF-8 here.
    func text(_ bytes: Data) -> String { String(decoding: bytes, as: UTF8.self) }
    self =
      switch attribute.type {
      case .float: .float(attribute.f)
      case .int: .integer(attribute.i)
      case .string: .string(text(attribute.s))
      case .tensor where attribute.hasT: .tensor(try attribute.t.decoded(from: file))
      case .floats: .floats(attribute.floats)
      case .ints: .integers(attribute.ints)
      case .strings: .strings(attribute.strings.map(text))
      case .tensor, .undefined, .UNRECOGNIZED: .other
      }
  }
}

extension ONNXFile.Value {
  fileprivate init(_ value: ONNXValueInfoProto) {
    name = value.name
    guard value.type.hasTensorType else { return }
    let type = value.type.tensorType
    // Values of bfloat16 are rounded after each operation to far less than float32 keeps; only weights are widened.
    dtype = type.elemType == .bfloat16 ? nil : type.elemType.dtype
    guard type.hasShape else { return }
    // Exporters write 0 or -1 where they mean an extent that varies.
    dimensions = type.shape.dim.map { $0.dimValue > 0 ? Int($0.dimValue) : nil }
  }
}

// MARK: - Reading messages

extension MessageSkeleton.Layout {
  static let onnxTensor = Self(messages: [13: .init()], bulk: 9)
  static let onnxModel: Self = {
    let attribute = Self(messages: [5: onnxTensor])
    let node = Self(messages: [5: attribute])
    let dimensions = Self(messages: [1: .init()])
    let type = Self(messages: [1: .init(messages: [2: dimensions])])
    let value = Self(messages: [2: type])
    let sparse = Self(messages: [1: onnxTensor, 2: onnxTensor])
    return Self(messages: [
      7: .init(messages: [1: node, 5: onnxTensor, 11: value, 12: value, 15: sparse]), 8: .init(),
    ])
  }()
}

extension Message {
  /// Reads a file that is one message, all but the bulk of `layout`.
  /// - Parameter kind: what the file is, for error texts.
  fileprivate init(_ file: InputFile, layout: MessageSkeleton.Layout, kind: String) throws(FormatError) {
    let path = file.path
    // Files of Protocol Buffers end at two gigabytes; larger networks keep their tensors in files beside them.
    let largest = Int(Int32.max)
    guard file.byteCount <= largest else {
      throw .malformed(path: path, reason: "\(file.byteCount) bytes; an \(kind) has at most \(largest)")
    }
    var options = BinaryDecodingOptions()
    options.discardUnknownFields = true
    do {
      try self.init(serializedBytes: MessageSkeleton.bytes(of: file, layout), options: options)
    } catch let error as FormatError {
      throw error
    } catch let flaw as MessageSkeleton.Flaw {
      throw .malformed(path: path, reason: "not a complete \(kind): \(flaw.reason)")
    } catch BinaryDecodingError.invalidUTF8 {
      throw .malformed(path: path, reason: "not a complete \(kind): a name is not UTF-8 text")
    } catch {
      throw .malformed(path: path, reason: "not a complete \(kind): it breaks the rules of Protocol Buffers")
    }
  }
}

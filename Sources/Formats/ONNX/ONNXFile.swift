import Graph
import Runtime

/// The messages of ONNX (https://onnx.ai/onnx/repo-docs/IR.html) that a network needs: as the file has them, with
/// tensors decoded, and nothing yet interpreted.
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
    package var name = ""
    /// `nil` for what is no tensor (a sequence, a map), or is of a type that is not read.
    package var dtype: DType?
    /// `nil` if the file does not say. Each extent is `nil` if it may vary.
    package var dimensions: [Int?]?
  }

  package var path: String
  /// The version of each set of operators, by domain; the standard one is the empty domain.
  package var operatorSets: [String: Int64] = [:]
  package var nodes: [Node] = []
  package var initializers: [String: Tensor] = [:]
  /// Names of `initializers` in the file's order.
  package var initializerNames: [String] = []
  package var inputs: [Value] = []
  package var outputs: [Value] = []

  /// Files of Protocol Buffers end at two gigabytes; larger networks keep their tensors in files beside them.
  private static let largestFile = Int(Int32.max)

  /// Reads a model and the external files that its tensors lie in, which must be in the model's folder.
  package init(_ path: String) throws(FormatError) {
    self.path = path
    do {
      try parse(try Self.bytes(of: path))
    } catch let flaw as ProtobufReader.Flaw {
      throw .malformed(path: path, reason: "not a complete ONNX model: \(flaw.reason)")
    } catch let error as FormatError {
      throw error
    } catch {
      throw .cannotRead(path: path, reason: "\(error)")
    }
    if nodes.isEmpty && outputs.isEmpty {
      throw .malformed(path: path, reason: "not an ONNX model: it has no graph")
    }
  }

  /// Reads a file that holds one tensor (`input_0.pb` of a test case).
  package static func tensor(contentsOf path: String) throws(FormatError) -> Tensor {
    do {
      return try ONNXTensor(ProtobufReader(try bytes(of: path))).decoded(path: path)
    } catch let flaw as ProtobufReader.Flaw {
      throw .malformed(path: path, reason: "not a complete ONNX tensor: \(flaw.reason)")
    } catch let error as FormatError {
      throw error
    } catch {
      throw .cannotRead(path: path, reason: "\(error)")
    }
  }

  private static func bytes(of path: String) throws(FormatError) -> [UInt8] {
    let file = try InputFile(path)
    guard file.byteCount <= largestFile else {
      throw .malformed(path: path, reason: "\(file.byteCount) bytes; an ONNX file has at most \(largestFile)")
    }
    return try file.bytes(at: 0, count: file.byteCount)
  }
}

// MARK: - Messages

extension ONNXFile {
  private mutating func parse(_ bytes: [UInt8]) throws {
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      switch field.number {
      case 7: try parseGraph(try reader.message(field))
      case 8:
        var (domain, version) = ("", Int64(0))
        var entry = try reader.message(field)
        while let field = try entry.next() {
          switch field.number {
          case 1: domain = try entry.string(field)
          case 2: version = try entry.integer(field)
          default: break
          }
        }
        operatorSets[domain == "ai.onnx" ? "" : domain] = version
      default: break
      }
    }
  }

  private mutating func parseGraph(_ message: ProtobufReader) throws {
    var reader = message
    while let field = try reader.next() {
      switch field.number {
      case 1: nodes.append(try parseNode(try reader.message(field)))
      case 5:
        let tensor = try ONNXTensor(try reader.message(field))
        if initializers.updateValue(try tensor.decoded(path: path), forKey: tensor.name) == nil {
          initializerNames.append(tensor.name)
        }
      case 11: inputs.append(try Value(try reader.message(field)))
      case 12: outputs.append(try Value(try reader.message(field)))
      case 15: throw FormatError.unsupported(path: path, reason: "sparse initializers; make them dense")
      default: break
      }
    }
  }

  private func parseNode(_ message: ProtobufReader) throws -> Node {
    var reader = message
    var node = Node()
    while let field = try reader.next() {
      switch field.number {
      case 1: node.inputs.append(try reader.string(field))
      case 2: node.outputs.append(try reader.string(field))
      case 3: node.name = try reader.string(field)
      case 4: node.operation = try reader.string(field)
      case 5:
        let (name, attribute) = try parseAttribute(try reader.message(field))
        node.attributes[name] = attribute
      case 7:
        let domain = try reader.string(field)
        node.domain = domain == "ai.onnx" ? "" : domain
      default: break
      }
    }
    return node
  }

  private func parseAttribute(_ message: ProtobufReader) throws -> (name: String, value: Attribute) {
    var reader = message
    var (name, type) = ("", Int64(0))
    var float: Float = 0
    var integer: Int64 = 0
    var string = ""
    var tensor: Tensor?
    var floats: [Float] = []
    var integers: [Int64] = []
    var strings: [String] = []
    while let field = try reader.next() {
      switch field.number {
      case 1: name = try reader.string(field)
      case 2: float = try reader.float(field)
      case 3: integer = try reader.integer(field)
      case 4: string = try reader.string(field)
      case 5: tensor = try ONNXTensor(try reader.message(field)).decoded(path: path)
      case 7: try reader.append(field, to: &floats)
      case 8: try reader.append(field, to: &integers)
      case 9: strings.append(try reader.string(field))
      case 20: type = try reader.integer(field)
      default: break
      }
    }
    switch type {
    case 1: return (name, .float(float))
    case 2: return (name, .integer(integer))
    case 3: return (name, .string(string))
    case 4: return (name, tensor.map(Attribute.tensor) ?? .other)
    case 6: return (name, .floats(floats))
    case 7: return (name, .integers(integers))
    case 8: return (name, .strings(strings))
    default: return (name, .other)
    }
  }
}

extension ONNXFile.Value {
  fileprivate init(_ message: ProtobufReader) throws {
    var reader = message
    while let field = try reader.next() {
      switch field.number {
      case 1: name = try reader.string(field)
      case 2:
        var type = try reader.message(field)
        while let field = try type.next() {
          if field.number == 1 { try parseTensorType(try type.message(field)) }
        }
      default: break
      }
    }
  }

  private mutating func parseTensorType(_ message: ProtobufReader) throws {
    var reader = message
    while let field = try reader.next() {
      switch field.number {
      case 1:
        // Values of bfloat16 are rounded after each operation to far less than float32 keeps; only weights are widened.
        let element = ONNXTensor.ElementType(rawValue: try reader.integer(field))
        dtype = element == .bfloat16 ? nil : element?.dtype
      case 2:
        var extents: [Int?] = []
        var shape = try reader.message(field)
        while let field = try shape.next() {
          if field.number == 1 { extents.append(try Self.extent(try shape.message(field))) }
        }
        dimensions = extents
      default: break
      }
    }
  }

  private static func extent(_ message: ProtobufReader) throws -> Int? {
    var reader = message
    var extent: Int?
    while let field = try reader.next() {
      // Exporters write 0 or -1 where they mean an extent that varies.
      if field.number == 1, case let value = try reader.integer(field), value > 0 { extent = Int(value) }
    }
    return extent
  }
}

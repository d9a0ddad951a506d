import Formats
import Foundation
import Models
import SwiftProtobuf

/// Files that no exporter writes, message by message.
extension ONNXModelProto {
  /// A model whose inputs are float32 of any shape, and whose output is `y`.
  init(
    nodes: [ONNXNodeProto], initializers: [ONNXTensorProto] = [], inputs: [String] = ["x"], version: Int64 = 18
  ) {
    self.init()
    irVersion = 8
    graph.node = nodes
    graph.initializer = initializers
    graph.input = inputs.map { ONNXValueInfoProto($0) }
    graph.output = [ONNXValueInfoProto("y")]
    var operators = ONNXOperatorSetIdProto()
    operators.version = version
    opsetImport = [operators]
  }

  func write(to path: String) throws {
    let bytes: [UInt8] = try serializedBytes()
    try Data(bytes).write(to: URL(filePath: path))
  }
}

extension ONNXModel {
  init(_ model: ONNXModelProto) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "convnet-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "model.onnx").path
    try model.write(to: path)
    try self.init(contentsOf: path)
  }
}

extension ONNXValueInfoProto {
  fileprivate init(_ name: String) {
    self.init()
    self.name = name
    type.tensorType.elemType = .float
  }
}

extension ONNXNodeProto {
  init(
    _ operation: String, _ inputs: [String], _ attributes: [ONNXAttributeProto] = [], outputs: [String] = ["y"]
  ) {
    self.init()
    (opType, input, output, attribute) = (operation, inputs, outputs, attributes)
  }
}

extension ONNXAttributeProto {
  init(_ name: String, _ values: [Int64]) {
    self.init()
    (self.name, type, ints) = (name, .ints, values)
  }
  init(_ name: String, _ value: Int64) {
    self.init()
    (self.name, type, i) = (name, .int, value)
  }
  init(_ name: String, _ value: String) {
    self.init()
    (self.name, type, s) = (name, .string, Data(value.utf8))
  }
}

extension ONNXTensorProto {
  init(_ name: String, _ dims: [Int64], _ values: [Int64]) {
    self.init()
    (self.name, self.dims, dataType, int64Data) = (name, dims, .int64, values)
  }
  init(_ name: String, _ dims: [Int64], _ values: [Float]) {
    self.init()
    (self.name, self.dims, dataType, floatData) = (name, dims, .float, values)
  }
  /// Ones.
  init(_ name: String, _ dims: [Int64]) {
    self.init(name, dims, [Float](repeating: 1, count: Int(dims.reduce(1, *))))
  }
  init(_ name: String, _ dims: [Int64], externalData location: String) {
    self.init()
    (self.name, self.dims, dataType, dataLocation) = (name, dims, .float, .external)
    var entry = ONNXStringStringEntryProto()
    (entry.key, entry.value) = ("location", location)
    externalData = [entry]
  }
}

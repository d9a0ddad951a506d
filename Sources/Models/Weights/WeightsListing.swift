public import Formats

/// What a file of weights holds, without its numbers: a look that costs nothing whatever the file's size.
public struct WeightsListing: Sendable {
  public var format: String
  /// In the order of the file.
  public var tensors: [TensorEntry]
  public var metadata: [String: String]

  /// Opens a file that ``WeightsFile`` reads, or an ONNX model, whose weights have to be read to be listed.
  public init(of path: String) throws {
    let start = try InputFile(path)
    // The first byte of an ONNX file is the key of its version; the length of a safetensors header may begin so too.
    let first = try start.bytes(at: 0, count: min(9, start.byteCount))
    if first.first == 0x08, first.last != UInt8(ascii: "{") {
      self = try Self.listing(ofONNX: path)
      return
    }
    let archive = try openTensors(path)
    format = archive.format.rawValue
    tensors = archive.contents
    metadata = archive.metadata
  }

  private init(format: String, tensors: [TensorEntry], metadata: [String: String]) {
    self.format = format
    self.tensors = tensors
    self.metadata = metadata
  }

  private static func listing(ofONNX path: String) throws -> WeightsListing {
    let model = try ONNXFile(path)
    let tensors = model.initializerNames.compactMap { name in
      model.initializers[name].map { tensor in
        TensorEntry(
          name: name, elementType: "\(tensor.dtype)", shape: tensor.shape,
          byteCount: tensor.elementCount * tensor.dtype.byteCount)
      }
    }
    let versions = model.operatorSets.sorted { $0.key < $1.key }
      .map { $0.key.isEmpty ? "\($0.value)" : "\($0.key) \($0.value)" }
    return WeightsListing(
      format: "ONNX", tensors: tensors,
      metadata: [
        "nodes": "\(model.nodes.count)", "inputs": model.inputs.map(\.name).joined(separator: ", "),
        "outputs": model.outputs.map(\.name).joined(separator: ", "), "opset": versions.joined(separator: ", "),
      ])
  }
}

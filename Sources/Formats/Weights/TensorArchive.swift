public import Graph
public import Runtime

/// A tensor that a file lists.
public struct TensorEntry: Hashable, Sendable {
  public var name: String
  /// The type of its elements in the file: `float32`, `bfloat16`, `int64`...
  public var elementType: String
  public var shape: Shape
  /// Of its numbers in the file.
  public var byteCount: Int

  public init(name: String, elementType: String, shape: Shape, byteCount: Int) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.byteCount = byteCount
  }
}

/// The formats in which tensors come by name.
public enum TensorFormat: String, Sendable, CaseIterable {
  case safetensors
  case npz
  case npy
  case torchZip = "PyTorch"
  case torchStream = "PyTorch (legacy stream)"
}

/// An open file of named tensors: listed and checked, not yet read.
public protocol TensorArchive: Sendable {
  var format: TensorFormat { get }
  /// In the order of the file.
  var contents: [TensorEntry] { get }
  var metadata: [String: String] { get }
  /// Reads all; 16-bit floats become float32.
  func tensors() throws(FormatError) -> [String: Tensor]
}

/// Opens a file of tensors in whichever format its content is, whatever it is called. Nothing in it is run.
public func openTensors(_ path: String) throws(FormatError) -> any TensorArchive {
  let file = try InputFile(path)
  let start = try file.bytes(at: 0, count: min(16, file.byteCount))
  if start.has([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59], at: 0) { return try NPYFile(file) }
  if start.has([0x50, 0x4B, 3, 4], at: 0) || start.has([0x50, 0x4B, 5, 6], at: 0) {
    let archive = try ZipArchive(file)
    let isTorch = archive.members.contains { $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl") }
    return isTorch ? try TorchFile(archive) : try NPZFile(archive)
  }
  if start.count > 1, start[0] == 0x80, (2...5).contains(start[1]) { return try TorchFile(stream: file) }
  if start.count > 8, start[8] == UInt8(ascii: "{") { return try SafetensorsFile(path) }
  throw .unsupported(
    path: path, reason: "not a file of weights: neither safetensors nor PyTorch's .pth nor NumPy's .npz or .npy")
}

extension SafetensorsFile: TensorArchive {
  public var format: TensorFormat { .safetensors }

  public var contents: [TensorEntry] {
    entries.map { entry in
      TensorEntry(
        name: entry.name, elementType: Self.typeNames[entry.fileType] ?? entry.fileType, shape: entry.shape,
        byteCount: entry.range.count)
    }
  }

  /// The usual names of the format's types.
  private static let typeNames = [
    "F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16", "I8": "int8", "I16": "int16",
    "I32": "int32", "I64": "int64", "U8": "uint8", "BOOL": "bool",
  ]

  public func tensors() throws(FormatError) -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for entry in entries { tensors[entry.name] = try tensor(entry.name) }
    return tensors
  }
}

/// One array, which has no name of its own.
private struct NPYFile: TensorArchive {
  let format = TensorFormat.npy
  let contents: [TensorEntry]
  let metadata: [String: String] = [:]
  private let file: InputFile
  private static let name = "array"

  init(_ file: InputFile) throws(FormatError) {
    self.file = file
    let header = try NPY.header(of: ByteSource(file)).header
    contents = [
      TensorEntry(
        name: Self.name, elementType: header.element.typeName, shape: header.shape,
        byteCount: header.shape.elementCount * header.element.byteCount)
    ]
  }

  func tensors() throws(FormatError) -> [String: Tensor] { [Self.name: try NPY.read(ByteSource(file))] }
}

import Graph
public import Runtime

/// An open safetensors file: its list of tensors is known and checked, their numbers are read when asked for. Any
/// number of threads may read at once.
public final class SafetensorsFile: Sendable {
  /// In ascending order of name.
  public let entries: [SafetensorsEntry]
  /// Without the entries that hold the checksum.
  public let metadata: [String: String]
  /// Whether the file carries the checksum that ``Safetensors/write(_:metadata:to:)`` adds.
  public var hasChecksum: Bool { checksum != nil }

  private let file: InputFile
  private let dataStart: Int
  private let checksum: SafetensorsChecksum?
  /// Positions in `entries`.
  private let positions: [String: Int]

  /// Reads and checks the header.
  public init(_ path: String) throws(FormatError) {
    file = try InputFile(path)
    guard file.byteCount >= 8 else {
      throw .malformed(path: path, reason: "\(file.byteCount) bytes are too few for a safetensors file")
    }
    let length = try file.bytes(at: 0, count: 8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= SafetensorsHeader.sizeLimit, length <= file.byteCount - 8 else {
      throw .malformed(
        path: path, reason: "no header of \(length) bytes fits; is this a safetensors file, and complete?")
    }
    dataStart = 8 + Int(length)
    let header = try file.bytes(at: 8, count: Int(length))
    var metadata: [String: String]
    do throws(SafetensorsHeader.Flaw) {
      (entries, metadata) = try SafetensorsHeader.parse(header, dataCount: file.byteCount - dataStart)
    } catch { throw .malformed(path: path, reason: error.reason) }

    let text = metadata.removeValue(forKey: SafetensorsChecksum.key)
    checksum = SafetensorsChecksum(text ?? "", count: entries.count, metadata: metadata)
    if checksum == nil && (text != nil || metadata[SafetensorsChecksum.formatKey] != nil) {
      throw .damaged(path: path, part: "the header")
    }
    metadata[SafetensorsChecksum.formatKey] = nil
    self.metadata = metadata
    positions = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
  }

  /// The numbers of a tensor: `F16` and `BF16` as float32, the other types as they are.
  public func tensor(_ name: String) throws(FormatError) -> Tensor {
    guard let position = positions[name] else {
      throw .missingTensor(path: file.path, name: name, nearest: nearestNames(to: name, among: entries.map(\.name)))
    }
    let entry = entries[position]
    switch entry.fileType {
    case "F32": return try read(position, as: Float.self)
    case "F64": return try read(position, as: Double.self)
    case "I32": return try read(position, as: Int32.self)
    case "I64": return try read(position, as: Int64.self)
    case "U8": return try read(position, as: UInt8.self)
    case "BOOL": return try booleans(read(position, as: UInt8.self), named: name)
    case "F16": return try widened(position, HalfPrecision.float(fromHalf:))
    case "BF16": return try widened(position, HalfPrecision.float(fromBFloat:))
    default:
      throw .unsupported(
        path: file.path,
        reason:
          "tensor \(quoted(name)) is of \(entry.fileType); convert it to F32, F16, BF16, F64, I32, I64, U8 or BOOL")
    }
  }

  /// Reads every tensor once, to find damage.
  public func verify() throws(FormatError) {
    for entry in entries where entry.dtype != nil { _ = try tensor(entry.name) }
  }

  private func read<Scalar: TensorScalar>(_ position: Int, as type: Scalar.Type) throws(FormatError) -> Tensor {
    let entry = entries[position]
    try file.requireMemory(for: entry.range.count)
    return try Tensor(shape: entry.shape, of: Scalar.self) { buffer throws(FormatError) in
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      try file.read(into: bytes, at: dataStart + entry.range.lowerBound)
      try verify(position, UnsafeRawBufferPointer(bytes))
    }
  }

  private func verify(_ position: Int, _ bytes: UnsafeRawBufferPointer) throws(FormatError) {
    guard let checksum else { return }
    if SafetensorsChecksum.hash(entries[position], bytes) != checksum.tensors[position] {
      throw .damaged(path: file.path, part: "tensor \(quoted(entries[position].name))")
    }
  }

  private func widened(_ position: Int, _ convert: (UInt16) -> Float) throws(FormatError) -> Tensor {
    let entry = entries[position]
    let bytes = try file.bytes(at: dataStart + entry.range.lowerBound, count: entry.range.count)
    try bytes.withUnsafeBufferPointer { buffer throws(FormatError) in
      try verify(position, UnsafeRawBufferPointer(buffer))
    }
    try file.requireMemory(for: 2 * bytes.count)
    return Tensor(shape: entry.shape, of: Float.self) { buffer in
      bytes.withUnsafeBytes { source in
        for index in 0..<buffer.count {
          buffer[index] = convert(
            UInt16(littleEndian: source.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
        }
      }
    }
  }

  /// A byte other than 0 and 1 is no `Bool`, and reading it as one is undefined.
  private func booleans(_ bytes: Tensor, named name: String) throws(FormatError) -> Tensor {
    let values: [UInt8] = bytes.scalars()
    if let other = values.first(where: { $0 > 1 }) {
      throw .malformed(path: file.path, reason: "tensor \(quoted(name)) is of BOOL but has a byte \(other)")
    }
    return Tensor(values.map { $0 == 1 }, shape: bytes.shape)
  }
}

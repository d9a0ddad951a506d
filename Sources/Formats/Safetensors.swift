import Graph
public import Runtime

/// Tensors and text in one file, read by every framework and able to run nothing: the safetensors format.
public enum Safetensors {
  /// Reads a whole file; use ``SafetensorsFile`` to look before loading.
  public static func read(
    _ path: String
  ) throws(FormatError) -> (tensors: [String: Tensor], metadata: [String: String]) {
    let file = try SafetensorsFile(path)
    var tensors: [String: Tensor] = [:]
    for entry in file.entries { tensors[entry.name] = try file.tensor(entry.name) }
    return (tensors, file.metadata)
  }

  /// Writes a file, all or nothing (``AtomicFile``), with a checksum that every later read verifies. Equal tensors and
  /// metadata make equal bytes.
  /// - Parameters:
  ///   - tensors: concrete tensors by name; `__metadata__` is no name.
  ///   - metadata: any text; the keys `convnet.format` and `convnet.checksum` are the writer's own.
  public static func write(
    _ tensors: [String: Tensor], metadata: [String: String] = [:], to path: String
  ) throws(FormatError) {
    if tensors["__metadata__"] != nil {
      throw .cannotWrite(path: path, reason: "a tensor cannot be named \"__metadata__\"")
    }
    let layout = layout(tensors)
    let byName = layout.sorted { $0.entry.name.utf8.lexicographicallyPrecedes($1.entry.name.utf8) }
    var metadata = metadata
    metadata[SafetensorsChecksum.key] = nil
    metadata[SafetensorsChecksum.formatKey] = SafetensorsChecksum.formatVersion
    let hashes = byName.map { SafetensorsChecksum.hash($0.entry, $0.bytes) }
    metadata[SafetensorsChecksum.key] = SafetensorsChecksum(tensors: hashes, metadata: metadata).text

    let header = header(layout.map(\.entry), metadata)
    if header.count - 8 > SafetensorsHeader.sizeLimit {
      throw .cannotWrite(path: path, reason: "names and metadata take more than the format's 100 MB")
    }
    try AtomicFile.write(to: path) { writer throws(FormatError) in
      try writer.write(header)
      for item in layout { try writer.write(item.bytes) }
    }
    withExtendedLifetime(tensors) {}
  }

  /// What goes where: the widest elements first, so that each tensor is aligned to its own, then by name.
  private static func layout(_ tensors: [String: Tensor]) -> [(entry: SafetensorsEntry, bytes: UnsafeRawBufferPointer)]
  {
    let sorted = tensors.sorted { left, right in
      let widths = (left.value.dtype.byteCount, right.value.dtype.byteCount)
      if widths.0 != widths.1 { return widths.0 > widths.1 }
      return left.key.utf8.lexicographicallyPrecedes(right.key.utf8)
    }
    var offset = 0
    return sorted.map { name, tensor in
      guard let storage = tensor.storage else { fail("tensor \(name) is symbolic; only numbers can be written") }
      let range = offset..<offset + storage.byteCount
      offset = range.upperBound
      let entry = SafetensorsEntry(name: name, fileType: fileType(tensor.dtype), shape: tensor.shape, range: range)
      return (entry, UnsafeRawBufferPointer(start: storage.pointer, count: storage.byteCount))
    }
  }

  private static func fileType(_ dtype: DType) -> String {
    switch dtype {
    case .float32: "F32"
    case .float64: "F64"
    case .int32: "I32"
    case .int64: "I64"
    case .uint8: "U8"
    case .bool: "BOOL"
    }
  }

  private static func header(_ entries: [SafetensorsEntry], _ metadata: [String: String]) -> [UInt8] {
    let texts = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    var members = [JSON.Member("__metadata__", .object(texts.map { .init($0.key, .string($0.value)) }))]
    for entry in entries {
      members.append(
        .init(
          entry.name,
          .object([
            .init("dtype", .string(entry.fileType)),
            .init("shape", .array(entry.shape.dimensions.map(JSON.integer))),
            .init("data_offsets", .array([.integer(entry.range.lowerBound), .integer(entry.range.upperBound)])),
          ])))
    }
    var text = [UInt8](repeating: 0, count: 8)
    JSON.object(members).write(to: &text)
    while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
    withUnsafeBytes(of: UInt64(text.count - 8).littleEndian) { text.replaceSubrange(0..<8, with: $0) }
    return text
  }
}

import Graph
public import Runtime

/// NumPy's `.npy`: one array a file. Versions 1 to 3, either byte order and memory order; float16 becomes float32.
public enum NPY {
  private static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]
  /// Headers of plain numbers take about a hundred bytes.
  private static let headerLimit = 1 << 16

  public static func read(_ path: String) throws(FormatError) -> Tensor { try read(ByteSource(InputFile(path))) }

  static func read(_ source: ByteSource) throws(FormatError) -> Tensor {
    let (header, dataStart) = try header(of: source)
    let byteCount = header.shape.elementCount * header.element.byteCount
    guard byteCount == source.byteCount - dataStart else {
      throw .malformed(
        path: source.path,
        reason:
          "its header claims \(byteCount) bytes of numbers, but it has \(source.byteCount - dataStart); is it complete?"
      )
    }
    switch header.element {
    case .float: return try read(source, dataStart, header) { Float(bitPattern: $0 as UInt32) }
    case .double: return try read(source, dataStart, header) { Double(bitPattern: $0 as UInt64) }
    case .int32: return try read(source, dataStart, header) { Int32(bitPattern: $0 as UInt32) }
    case .int64: return try read(source, dataStart, header) { Int64(bitPattern: $0 as UInt64) }
    case .uint8: return try read(source, dataStart, header) { $0 as UInt8 }
    case .half: return try read(source, dataStart, header, HalfPrecision.float(fromHalf:))
    // Like NumPy, which takes any byte but 0 for true.
    case .bool: return try read(source, dataStart, header) { ($0 as UInt8) != 0 }
    }
  }

  /// Writes version 1 in row-major order, all or nothing (``AtomicFile``).
  public static func write(_ tensor: Tensor, to path: String) throws(FormatError) {
    guard let storage = tensor.storage else { fail("the tensor is symbolic; only numbers can be written") }
    let header = header(for: tensor)
    try AtomicFile.write(to: path) { writer throws(FormatError) in
      try writer.write(header)
      try writer.write(UnsafeRawBufferPointer(start: storage.pointer, count: storage.byteCount))
    }
    withExtendedLifetime(storage) {}
  }

  /// What stands before the numbers.
  static func header(for tensor: Tensor) -> [UInt8] {
    let element: NPYHeader.Element =
      switch tensor.dtype {
      case .float32: .float
      case .float64: .double
      case .int32: .int32
      case .int64: .int64
      case .uint8: .uint8
      case .bool: .bool
      }
    var text = Array(NPYHeader(element: element, shape: tensor.shape).text.utf8)
    // The numbers begin at a multiple of 64 bytes; the header ends with a newline.
    while (10 + text.count + 1) % 64 != 0 { text.append(UInt8(ascii: " ")) }
    text.append(UInt8(ascii: "\n"))
    return magic + [1, 0, UInt8(truncatingIfNeeded: text.count), UInt8(text.count >> 8)] + text
  }

  static func header(of file: ByteSource) throws(FormatError) -> (header: NPYHeader, dataStart: Int) {
    let start = try file.bytes(0, min(12, file.byteCount))
    guard start.count >= 10, start.starts(with: magic), (1...3).contains(start[6]), start[6] == 1 || start.count == 12
    else {
      throw .malformed(path: file.path, reason: "not a .npy file of version 1 to 3")
    }
    let lengthBytes = start[6] == 1 ? start[8..<10] : start[8..<12]
    let length = lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= headerLimit, lengthBytes.endIndex + length <= file.byteCount else {
      throw .malformed(path: file.path, reason: "no header of \(length) bytes fits; is it complete?")
    }
    let text = try file.bytes(lengthBytes.endIndex, length)
    do {
      return (try NPYHeader(parsing: text), lengthBytes.endIndex + length)
    } catch {
      throw error.isUnsupported
        ? .unsupported(path: file.path, reason: error.reason) : .malformed(path: file.path, reason: error.reason)
    }
  }

  private static func read<Bits: FixedWidthInteger, Scalar: TensorScalar>(
    _ source: ByteSource, _ dataStart: Int, _ header: NPYHeader, _ convert: (Bits) -> Scalar
  ) throws(FormatError) -> Tensor {
    let width = header.element.byteCount
    try InputFile.requireMemory(for: header.shape.elementCount * max(width, 4), of: source.path)
    let bytes = try source.bytes(dataStart, header.shape.elementCount * width)
    return bytes.withUnsafeBytes { source in
      func element(_ index: Int) -> Scalar {
        let bits = source.loadUnaligned(fromByteOffset: index * width, as: Bits.self)
        return convert(header.isBigEndian ? Bits(bigEndian: bits) : Bits(littleEndian: bits))
      }
      return Tensor(shape: header.shape, of: Scalar.self) { buffer in
        if header.isFortranOrder {
          for (offset, index) in StridedOrder(fortran: header.shape).enumerated() { buffer[offset] = element(index) }
        } else {
          for index in 0..<buffer.count { buffer[index] = element(index) }
        }
      }
    }
  }
}

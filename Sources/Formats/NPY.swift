import Graph
public import Runtime

/// NumPy's `.npy`: one array a file. Versions 1 to 3, either byte order and memory order; float16 becomes float32.
public enum NPY {
  private static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]
  /// Headers of plain numbers take about a hundred bytes.
  private static let headerLimit = 1 << 16

  public static func read(_ path: String) throws(FormatError) -> Tensor {
    let file = try InputFile(path)
    let (header, dataStart) = try header(of: file)
    let byteCount = header.shape.elementCount * header.element.byteCount
    guard byteCount == file.byteCount - dataStart else {
      throw .malformed(
        path: path,
        reason:
          "its header claims \(byteCount) bytes of numbers, but it has \(file.byteCount - dataStart); is it complete?")
    }
    switch header.element {
    case .float: return try read(file, dataStart, header) { Float(bitPattern: $0 as UInt32) }
    case .double: return try read(file, dataStart, header) { Double(bitPattern: $0 as UInt64) }
    case .int32: return try read(file, dataStart, header) { Int32(bitPattern: $0 as UInt32) }
    case .int64: return try read(file, dataStart, header) { Int64(bitPattern: $0 as UInt64) }
    case .uint8: return try read(file, dataStart, header) { $0 as UInt8 }
    case .half: return try read(file, dataStart, header, HalfPrecision.float(fromHalf:))
    // Like NumPy, which takes any byte but 0 for true.
    case .bool: return try read(file, dataStart, header) { ($0 as UInt8) != 0 }
    }
  }

  /// Writes version 1 in row-major order, all or nothing (``AtomicFile``).
  public static func write(_ tensor: Tensor, to path: String) throws(FormatError) {
    guard let storage = tensor.storage else { fail("the tensor is symbolic; only numbers can be written") }
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
    let header = magic + [1, 0, UInt8(truncatingIfNeeded: text.count), UInt8(text.count >> 8)] + text
    try AtomicFile.write(to: path) { writer throws(FormatError) in
      try writer.write(header)
      try writer.write(UnsafeRawBufferPointer(start: storage.pointer, count: storage.byteCount))
    }
    withExtendedLifetime(storage) {}
  }

  private static func header(of file: InputFile) throws(FormatError) -> (header: NPYHeader, dataStart: Int) {
    let start = try file.bytes(at: 0, count: min(12, file.byteCount))
    guard start.count >= 10, start.starts(with: magic), (1...3).contains(start[6]), start[6] == 1 || start.count == 12
    else {
      throw .malformed(path: file.path, reason: "not a .npy file of version 1 to 3")
    }
    let lengthBytes = start[6] == 1 ? start[8..<10] : start[8..<12]
    let length = lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= headerLimit, lengthBytes.endIndex + length <= file.byteCount else {
      throw .malformed(path: file.path, reason: "no header of \(length) bytes fits; is it complete?")
    }
    let text = try file.bytes(at: lengthBytes.endIndex, count: length)
    do {
      return (try NPYHeader(parsing: text), lengthBytes.endIndex + length)
    } catch {
      throw error.isUnsupported
        ? .unsupported(path: file.path, reason: error.reason) : .malformed(path: file.path, reason: error.reason)
    }
  }

  private static func read<Bits: FixedWidthInteger, Scalar: TensorScalar>(
    _ file: InputFile, _ dataStart: Int, _ header: NPYHeader, _ convert: (Bits) -> Scalar
  ) throws(FormatError) -> Tensor {
    let width = header.element.byteCount
    try file.requireMemory(for: header.shape.elementCount * max(width, 4))
    let bytes = try file.bytes(at: dataStart, count: header.shape.elementCount * width)
    return bytes.withUnsafeBytes { source in
      func element(_ index: Int) -> Scalar {
        let bits = source.loadUnaligned(fromByteOffset: index * width, as: Bits.self)
        return convert(header.isBigEndian ? Bits(bigEndian: bits) : Bits(littleEndian: bits))
      }
      return Tensor(shape: header.shape, of: Scalar.self) { buffer in
        if header.isFortranOrder {
          for (offset, index) in FortranOrder(header.shape).enumerated() { buffer[offset] = element(index) }
        } else {
          for index in 0..<buffer.count { buffer[index] = element(index) }
        }
      }
    }
  }
}

/// Where in column-major memory the elements lie, in row-major order: counts like an odometer.
private struct FortranOrder: Sequence, IteratorProtocol {
  private let extents: [Int]
  private let strides: [Int]
  private var position: [Int]
  private var offset = 0
  private var rest: Int

  init(_ shape: Shape) {
    extents = shape.dimensions
    position = Array(repeating: 0, count: shape.rank)
    rest = shape.elementCount
    var stride = 1
    strides = extents.map { extent in
      defer { stride *= extent }
      return stride
    }
  }

  mutating func next() -> Int? {
    guard rest > 0 else { return nil }
    rest -= 1
    defer { advance() }
    return offset
  }

  private mutating func advance() {
    for axis in extents.indices.reversed() {
      position[axis] += 1
      offset += strides[axis]
      if position[axis] < extents[axis] { return }
      offset -= strides[axis] * extents[axis]
      position[axis] = 0
    }
  }
}

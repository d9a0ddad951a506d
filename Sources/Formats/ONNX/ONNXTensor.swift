import Foundation
import Graph
import Runtime

/// A tensor as an ONNX file has it: dimensions, an element type, and numbers in one of several places.
struct ONNXTensor {
  /// Codes of element types, and the type that holds their numbers here.
  enum ElementType: Int64 {
    case float = 1
    case uint8, int8, uint16, int16, int32, int64, string, bool, float16, double, uint32, uint64
    case bfloat16 = 16

    /// Types that no tensor has are widened, which changes no number; half precision becomes float32. 64 bits without
    /// sign have no wider type.
    var dtype: DType? {
      switch self {
      case .float, .float16, .bfloat16: .float32
      case .double: .float64
      case .uint8: .uint8
      case .bool: .bool
      case .int8, .int16, .uint16, .int32: .int32
      case .uint32, .int64: .int64
      case .uint64, .string: nil
      }
    }

    /// Bytes of one element in `raw_data`.
    var byteCount: Int {
      switch self {
      case .uint8, .int8, .bool: 1
      case .uint16, .int16, .float16, .bfloat16: 2
      case .float, .int32, .uint32: 4
      case .double, .int64, .uint64: 8
      case .string: 0
      }
    }
  }

  private(set) var name = ""
  private let bytes: [UInt8]
  private var dimensions: [Int64] = []
  private var type: Int64 = 0
  private var raw: Range<Int>?
  private var floats: [Float] = []
  private var doubles: [Double] = []
  private var integers: [Int64] = []
  private var isExternal = false
  private var external: [String: String] = [:]

  init(_ message: ProtobufReader) throws {
    var reader = message
    bytes = reader.bytes
    while let field = try reader.next() {
      switch field.number {
      case 1: try reader.append(field, to: &dimensions)
      case 2: type = try reader.integer(field)
      case 4: try reader.append(field, to: &floats)
      case 5, 7, 11: try reader.append(field, to: &integers)
      case 8: name = try reader.string(field)
      case 9: raw = try reader.range(field)
      case 10: try reader.append(field, to: &doubles)
      case 13:
        var entry = try reader.message(field)
        var (key, value) = ("", "")
        while let field = try entry.next() {
          if field.number == 1 { key = try entry.string(field) }
          if field.number == 2 { value = try entry.string(field) }
        }
        external[key] = value
      case 14: isExternal = try reader.integer(field) == 1
      default: break
      }
    }
  }

  /// The tensor, with numbers from this file or from the external file that it names.
  func decoded(path: String) throws(FormatError) -> Tensor {
    guard let element = ElementType(rawValue: type), let dtype = element.dtype else {
      throw .unsupported(path: path, reason: "tensor \(quoted(name)) has the element type \(typeName)")
    }
    guard let shape = Shape(checked: dimensions.map { Int($0) }) else {
      throw .malformed(path: path, reason: "tensor \(quoted(name)) has the dimensions \(dimensions.prefix(16))")
    }
    if isExternal { return try decode(try externalBytes(shape, element, path: path), shape, element) }
    if let raw {
      try require(raw.count == shape.elementCount * element.byteCount, shape, raw.count / element.byteCount, path)
      return try decode(bytes[raw], shape, element)
    }
    switch element {
    case .float:
      try require(floats.count == shape.elementCount, shape, floats.count, path)
      return Tensor(floats, shape: shape)
    case .double:
      try require(doubles.count == shape.elementCount, shape, doubles.count, path)
      return Tensor(doubles, shape: shape)
    default:
      try require(integers.count == shape.elementCount, shape, integers.count, path)
      return tensor(shape, dtype, element) { integers[$0] }
    }
  }

  private var typeName: String { ElementType(rawValue: type).map { "\($0)" } ?? "\(type)" }

  private func require(_ condition: Bool, _ shape: Shape, _ count: Int, _ path: String) throws(FormatError) {
    if !condition {
      throw .malformed(
        path: path,
        reason: "tensor \(quoted(name)) of \(shape) needs \(shape.elementCount) numbers, but there are \(count)")
    }
  }

  private func decode(_ bytes: ArraySlice<UInt8>, _ shape: Shape, _ element: ElementType) throws(FormatError) -> Tensor
  {
    bytes.withUnsafeBytes { source in
      func bits<Bits: FixedWidthInteger>(_ index: Int, _: Bits.Type) -> Bits {
        Bits(littleEndian: source.loadUnaligned(fromByteOffset: index * MemoryLayout<Bits>.size, as: Bits.self))
      }
      switch element {
      case .float:
        return Tensor(shape: shape, of: Float.self) { numbers in
          for index in numbers.indices { numbers[index] = Float(bitPattern: bits(index, UInt32.self)) }
        }
      case .double:
        return Tensor(shape: shape, of: Double.self) { numbers in
          for index in numbers.indices { numbers[index] = Double(bitPattern: bits(index, UInt64.self)) }
        }
      default:
        return tensor(shape, element.dtype ?? .int64, element) { index in
          switch element {
          case .uint8, .bool: Int64(bits(index, UInt8.self))
          case .int8: Int64(bits(index, Int8.self))
          case .int16: Int64(bits(index, Int16.self))
          case .uint16, .float16, .bfloat16: Int64(bits(index, UInt16.self))
          case .int32: Int64(bits(index, Int32.self))
          case .uint32: Int64(bits(index, UInt32.self))
          default: bits(index, Int64.self)
          }
        }
      }
    }
  }

  /// A tensor of integers, or of half precision given as its bits.
  private func tensor(_ shape: Shape, _ dtype: DType, _ element: ElementType, _ number: (Int) -> Int64) -> Tensor {
    let count = shape.elementCount
    switch dtype {
    case .uint8: return Tensor((0..<count).map { UInt8(truncatingIfNeeded: number($0)) }, shape: shape)
    case .bool: return Tensor((0..<count).map { number($0) != 0 }, shape: shape)
    case .int32: return Tensor((0..<count).map { Int32(truncatingIfNeeded: number($0)) }, shape: shape)
    case .int64, .float64: return Tensor((0..<count).map { number($0) }, shape: shape)
    case .float32:
      let widen = element == .float16 ? HalfPrecision.float(fromHalf:) : HalfPrecision.float(fromBFloat:)
      return Tensor((0..<count).map { widen(UInt16(truncatingIfNeeded: number($0))) }, shape: shape)
    }
  }

  /// The bytes of a tensor that lies in a file of its own, which must be in the model's folder or below it.
  private func externalBytes(_ shape: Shape, _ element: ElementType, path: String) throws(FormatError)
    -> ArraySlice<UInt8>
  {
    let location = external["location"] ?? ""
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.isEmpty, !parts.contains(where: { $0 == ".." || $0.isEmpty }), !location.contains("\0") else {
      throw .malformed(
        path: path, reason: "tensor \(quoted(name)) lies in \(quoted(location)), which is not in the model's folder")
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let file = try InputFile("\(folder)/\(location)")
    let byteCount = shape.elementCount * element.byteCount
    let offset = external["offset"].map { Int($0) ?? -1 } ?? 0
    guard offset >= 0, offset <= file.byteCount, byteCount <= file.byteCount - offset,
      external["length"].map({ Int($0) == byteCount }) ?? true
    else {
      throw .malformed(
        path: file.path,
        reason: "tensor \(quoted(name)) of \(shape) needs \(byteCount) bytes from byte \(offset) on; is it complete?")
    }
    return try file.bytes(at: offset, count: byteCount)[...]
  }
}

extension ONNXFile {
  /// The element type of a code, as in the attribute `to` of a cast; types that tensors here do not have are refused.
  package static func dtype(ofCode code: Int64) -> DType? {
    switch ONNXTensor.ElementType(rawValue: code) {
    case .float: .float32
    case .double: .float64
    case .uint8: .uint8
    case .int32: .int32
    case .int64: .int64
    case .bool: .bool
    default: nil
    }
  }
}

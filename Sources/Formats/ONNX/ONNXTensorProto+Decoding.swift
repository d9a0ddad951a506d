import Foundation
import Graph
import Runtime

extension ONNXTensorProto.DataType {
  /// The type that holds such numbers here. Types that no tensor has are widened, which changes no number; half
  /// precision becomes float32. 64 bits without sign have no wider type.
  var dtype: DType? {
    switch self {
    case .float, .float16, .bfloat16: .float32
    case .double: .float64
    case .uint8: .uint8
    case .bool: .bool
    case .int8, .int16, .uint16, .int32: .int32
    case .uint32, .int64: .int64
    default: nil
    }
  }

  /// Bytes of one element in `raw_data`; of types that are read.
  fileprivate var byteCount: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .float, .int32, .uint32: 4
    default: 8
    }
  }
}

extension ONNXTensorProto {
  /// `nil` for what no tensor can have.
  private var shape: Shape? { Shape(checked: dims.map { Int($0) }) }

  /// What the decoded tensor takes in memory, if it can be decoded.
  var decodedByteCount: Int { (shape?.elementCount ?? 0) * (dataType.dtype?.byteCount ?? 0) }

  /// The tensor, with numbers from this file or from the external file that it names.
  func decoded(path: String) throws(FormatError) -> Tensor {
    guard let dtype = dataType.dtype else {
      throw .unsupported(path: path, reason: "tensor \(quoted(name)) has the element type \(dataType)")
    }
    guard let shape else {
      throw .malformed(path: path, reason: "tensor \(quoted(name)) has the dimensions \(dims.prefix(16))")
    }
    if dataLocation == .external {
      return try externalBytes(shape, path: path).withUnsafeBytes { tensor(shape, dtype, raw: $0) }
    }
    func require(_ count: Int) throws(FormatError) {
      if count == shape.elementCount { return }
      throw .malformed(
        path: path,
        reason: "tensor \(quoted(name)) of \(shape) needs \(shape.elementCount) numbers, but there are \(count)")
    }
    if hasRawData {
      let (count, rest) = rawData.count.quotientAndRemainder(dividingBy: dataType.byteCount)
      try require(rest == 0 ? count : count + 1)
      return rawData.withUnsafeBytes { tensor(shape, dtype, raw: $0) }
    }
    switch dataType {
    case .float:
      try require(floatData.count)
      return Tensor(floatData, shape: shape)
    case .double:
      try require(doubleData.count)
      return Tensor(doubleData, shape: shape)
    case .int64:
      try require(int64Data.count)
      return Tensor(int64Data, shape: shape)
    case .uint32:
      try require(uint64Data.count)
      return tensor(shape, dtype) { Int64(truncatingIfNeeded: uint64Data[$0]) }
    default:
      try require(int32Data.count)
      return tensor(shape, dtype) { Int64(int32Data[$0]) }
    }
  }

  /// - Parameter bytes: as many as the shape needs.
  private func tensor(_ shape: Shape, _ dtype: DType, raw bytes: UnsafeRawBufferPointer) -> Tensor {
    func bits<Bits: FixedWidthInteger>(_ index: Int, _: Bits.Type) -> Bits {
      Bits(littleEndian: bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Bits>.size, as: Bits.self))
    }
    switch dataType {
    case .float:
      return Tensor(shape: shape, of: Float.self) { numbers in
        for index in numbers.indices { numbers[index] = Float(bitPattern: bits(index, UInt32.self)) }
      }
    case .double:
      return Tensor(shape: shape, of: Double.self) { numbers in
        for index in numbers.indices { numbers[index] = Double(bitPattern: bits(index, UInt64.self)) }
      }
    default:
      return tensor(shape, dtype) { index in
        switch dataType {
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

  /// A tensor of integers, or of half precision given as its bits.
  private func tensor(_ shape: Shape, _ dtype: DType, _ number: (Int) -> Int64) -> Tensor {
    func filled<Scalar: TensorScalar>(_ scalar: (Int64) -> Scalar) -> Tensor {
      Tensor(shape: shape, of: Scalar.self) { numbers in
        for index in numbers.indices { numbers[index] = scalar(number(index)) }
      }
    }
    return switch dtype {
    case .uint8: filled { UInt8(truncatingIfNeeded: $0) }
    case .bool: filled { $0 != 0 }
    case .int32: filled { Int32(truncatingIfNeeded: $0) }
    case .int64, .float64: filled { $0 }
    case .float32 where dataType == .float16: filled { HalfPrecision.float(fromHalf: UInt16(truncatingIfNeeded: $0)) }
    case .float32: filled { HalfPrecision.float(fromBFloat: UInt16(truncatingIfNeeded: $0)) }
    }
  }

  /// The bytes of a tensor that lies in a file of its own, which must be in the model's folder or below it.
  private func externalBytes(_ shape: Shape, path: String) throws(FormatError) -> [UInt8] {
    let external = Dictionary(externalData.map { ($0.key, $0.value) }) { $1 }
    let location = external["location"] ?? ""
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.isEmpty, !parts.contains(where: { $0 == ".." || $0.isEmpty }), !location.contains("\0") else {
      throw .malformed(
        path: path, reason: "tensor \(quoted(name)) lies in \(quoted(location)), which is not in the model's folder")
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let file = try InputFile("\(folder)/\(location)")
    let byteCount = shape.elementCount * dataType.byteCount
    let offset = external["offset"].map { Int($0) ?? -1 } ?? 0
    guard offset >= 0, offset <= file.byteCount, byteCount <= file.byteCount - offset,
      external["length"].map({ Int($0) == byteCount }) ?? true
    else {
      throw .malformed(
        path: file.path,
        reason: "tensor \(quoted(name)) of \(shape) needs \(byteCount) bytes from byte \(offset) on; is it complete?")
    }
    return try file.bytes(at: offset, count: byteCount)
  }
}

extension ONNXFile {
  /// The element type of a code, as in the attribute `to` of a cast; types that tensors here do not have are refused.
  package static func dtype(ofCode code: Int64) -> DType? {
    switch Int(exactly: code).flatMap(ONNXTensorProto.DataType.init) {
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

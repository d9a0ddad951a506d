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
  ///
  /// - Parameter file: what holds this message; `rawData` is a ``FilePlace`` in it.
  func decoded(from file: InputFile) throws(FormatError) -> Tensor {
    let path = file.path
    guard let dtype = dataType.dtype else {
      throw .unsupported(path: path, reason: "tensor \(quoted(name)) has the element type \(dataType)")
    }
    guard let shape else {
      throw .malformed(path: path, reason: "tensor \(quoted(name)) has the dimensions \(dims.prefix(16))")
    }
    if dataLocation == .external {
      let (file, offset) = try externalData(shape, path: path)
      return try tensor(shape, dtype, from: file, at: offset)
    }
    func require(_ count: Int) throws(FormatError) {
      if count == shape.elementCount { return }
      throw .malformed(
        path: path,
        reason: "tensor \(quoted(name)) of \(shape) needs \(shape.elementCount) numbers, but there are \(count)")
    }
    if hasRawData {
      let place = FilePlace(rawData)
      let (count, rest) = place.byteCount.quotientAndRemainder(dividingBy: dataType.byteCount)
      try require(rest == 0 ? count : count + 1)
      return try tensor(shape, dtype, from: file, at: place.offset)
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

  /// The numbers that lie in a file from `offset` on, in the order of bytes of all processors that this runs on.
  private func tensor(
    _ shape: Shape, _ dtype: DType, from file: InputFile, at offset: Int
  ) throws(FormatError) -> Tensor {
    func read<Scalar: TensorScalar>(as type: Scalar.Type) throws(FormatError) -> Tensor {
      try Tensor(shape: shape, of: type) { numbers throws(FormatError) in
        try file.read(into: UnsafeMutableRawBufferPointer(numbers), at: offset)
      }
    }
    switch dataType {
    case .float: return try read(as: Float.self)
    case .double: return try read(as: Double.self)
    case .int32: return try read(as: Int32.self)
    case .int64: return try read(as: Int64.self)
    case .uint8: return try read(as: UInt8.self)
    default: break
    }
    let bytes = try file.bytes(at: offset, count: shape.elementCount * dataType.byteCount)
    return bytes.withUnsafeBytes { bytes in
      func bits<Bits: FixedWidthInteger>(_ index: Int, _: Bits.Type) -> Int64 {
        Int64(Bits(littleEndian: bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Bits>.size, as: Bits.self)))
      }
      return tensor(shape, dtype) { index in
        switch dataType {
        case .int8: bits(index, Int8.self)
        case .int16: bits(index, Int16.self)
        case .uint16, .float16, .bfloat16: bits(index, UInt16.self)
        case .uint32: bits(index, UInt32.self)
        default: bits(index, UInt8.self)
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

  /// Where the numbers of a tensor start in a file of their own, which must be in the model's folder or below it.
  private func externalData(_ shape: Shape, path: String) throws(FormatError) -> (InputFile, offset: Int) {
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
    return (file, offset)
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

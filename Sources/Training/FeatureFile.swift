import Formats
import Foundation
import Graph
import Runtime

/// What a frozen prefix makes of a data set, in a file that is mapped into memory: an epoch reads it as fast as memory
/// is.
///
/// A header of JSON in its first 4096 bytes, then for each example its features and its target, then a checksum. The
/// file is written as a whole or not at all and belongs to the run's folder; one that does not hold what was asked for
/// counts as missing.
struct FeatureFile: Dataset {
  private struct Header: Codable, Hashable {
    var key: String
    var count: Int
    var features: [Int]
    var target: [Int]
    var targetType: String
  }

  private let mapping: Data
  private let featureShape: Shape
  private let targetShape: Shape
  private let targetType: DType
  let count: Int

  private static let headerSize = 4096
  private var featureBytes: Int { featureShape.elementCount * DType.float32.byteCount }
  private var targetBytes: Int { targetShape.elementCount * targetType.byteCount }

  /// Opens a file.
  ///
  /// - Parameter key: what it must have been written under.
  /// - Returns: `nil` if there is no such file, or it is not whole.
  init?(_ path: String, key: String) {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped),
      data.count > Self.headerSize + 8,
      let header = try? JSONDecoder().decode(Header.self, from: data.prefix { $0 != 0 }.prefix(Self.headerSize)),
      header.key == key, header.count > 0, let type = DType(rawValue: header.targetType),
      let features = Shape(checked: header.features), let target = Shape(checked: header.target)
    else { return nil }
    (mapping, featureShape, targetShape, targetType, count) = (data, features, target, type, header.count)
    let (body, overflow) = header.count.multipliedReportingOverflow(by: featureBytes + targetBytes)
    guard !overflow, data.count - Self.headerSize - 8 == body else { return nil }
    let hash = data.withUnsafeBytes { bytes in
      let start = UnsafeRawBufferPointer(rebasing: bytes[..<Self.headerSize])
      let rows = UnsafeRawBufferPointer(rebasing: bytes[Self.headerSize..<(bytes.count - 8)])
      // As it was written: row by row.
      return stride(from: 0, to: rows.count, by: featureBytes + targetBytes).reduce(XXHash64.hash(start)) {
        XXHash64.hash(UnsafeRawBufferPointer(rebasing: rows[$1..<($1 + featureBytes + targetBytes)]), seed: $0)
      }
    }
    let stored = data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: data.count - 8, as: UInt64.self) }
    guard UInt64(littleEndian: stored) == hash else { return nil }
  }

  func example(at index: Int, random: RandomStream) -> Example {
    let start = Self.headerSize + index * (featureBytes + targetBytes)
    return mapping.withUnsafeBytes { bytes in
      func tensor(_ shape: Shape, _ type: DType, at offset: Int) -> Tensor {
        let storage = Storage(byteCount: shape.elementCount * type.byteCount)
        storage.pointer.copyMemory(from: bytes.baseAddress! + offset, byteCount: storage.byteCount)
        return Tensor(shape: shape, dtype: type, storage: storage)
      }
      return Example(
        input: tensor(featureShape, .float32, at: start),
        target: tensor(targetShape, targetType, at: start + featureBytes))
    }
  }

  /// Writes what a prefix makes of a data set.
  ///
  /// - Parameters:
  ///   - batches: of all examples in the data set's order.
  ///   - progress: called with the number of examples done; may throw to give up.
  static func write(
    to path: String, key: String, count: Int, prefix: FrozenPrefix, batches: BatchIterator,
    progress: (Int) throws -> Void
  ) throws {
    var failure: (any Error)?
    do {
      try AtomicFile.write(to: path) { writer throws(FormatError) in
        do {
          try write(to: writer, key: key, count: count, prefix: prefix, batches: batches, progress: progress)
        } catch {
          failure = error
          throw FormatError.cannotWrite(path: path, reason: "\(error)")
        }
      }
    } catch {
      throw failure ?? error
    }
  }

  private static func write(
    to writer: borrowing AtomicFile.Writer, key: String, count: Int, prefix: FrozenPrefix, batches: BatchIterator,
    progress: (Int) throws -> Void
  ) throws {
    var hash: UInt64 = 0
    var done = 0
    while let batch = try batches.next() {
      let target = Shape(Array(batch.target.shape.dimensions.dropFirst()))
      if done == 0 {
        let header = Header(
          key: key, count: count, features: prefix.featureShape.dimensions, target: target.dimensions,
          targetType: batch.target.dtype.rawValue)
        var bytes = [UInt8](try JSONEncoder().encode(header))
        bytes += [UInt8](repeating: 0, count: max(0, headerSize - bytes.count))
        try writer.write(bytes)
        hash = XXHash64.hash(bytes)
      }
      let features = try prefix.features(of: batch.input)
      let (featureBytes, targetBytes) = (
        prefix.featureShape.elementCount * 4, target.elementCount * batch.target.dtype.byteCount
      )
      for row in 0..<batch.indices.count {
        var bytes = [UInt8](
          UnsafeRawBufferPointer(start: features.storage!.pointer + row * featureBytes, count: featureBytes))
        bytes += UnsafeRawBufferPointer(start: batch.target.storage!.pointer + row * targetBytes, count: targetBytes)
        try writer.write(bytes)
        hash = XXHash64.hash(bytes, seed: hash)
      }
      done += batch.indices.count
      try progress(done)
    }
    try withUnsafeBytes(of: hash.littleEndian) { try writer.write(Array($0)) }
  }
}

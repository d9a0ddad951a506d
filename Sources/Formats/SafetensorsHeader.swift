public import Graph

/// A tensor that a safetensors file lists.
public struct SafetensorsEntry: Hashable, Sendable {
  public let name: String
  /// The element type by the file's own name: `F32`, `BF16`, `I64`...
  public let fileType: String
  public let shape: Shape
  /// Where its bytes lie, counted from the end of the header.
  package let range: Range<Int>

  /// The element type it has once loaded, if it can be loaded: halves become float32.
  public var dtype: DType? {
    switch fileType {
    case "F32", "F16", "BF16": .float32
    case "F64": .float64
    case "I32": .int32
    case "I64": .int64
    case "U8": .uint8
    case "BOOL": .bool
    default: nil
    }
  }
}

/// The rules of the header: https://huggingface.co/docs/safetensors (8 bytes of length, JSON, spaces; then the data).
enum SafetensorsHeader {
  /// The reference implementation's limit in bytes.
  static let sizeLimit = 100_000_000

  /// Bits of one element of each type of the format, whether it can be loaded here or not.
  static let bitCounts: [String: Int] = [
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
  ]

  struct Flaw: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
  }

  /// The entries in ascending order of name (by UTF-8) and the metadata.
  /// - Parameters:
  ///   - text: the header after its length.
  ///   - dataCount: the file's bytes after the header.
  static func parse(_ text: [UInt8], dataCount: Int) throws(Flaw) -> (
    entries: [SafetensorsEntry], metadata: [String: String]
  ) {
    var text = text
    while text.last == UInt8(ascii: " ") { text.removeLast() }
    guard text.first == UInt8(ascii: "{"), text.last == UInt8(ascii: "}") else {
      throw Flaw("the header is not a JSON object; is this a safetensors file?")
    }
    let json: JSON
    do {
      json = try JSON(parsing: text)
    } catch { throw Flaw("the header is not JSON: \(error.reason) at byte \(8 + error.offset)") }
    guard case .object(let members) = json else { throw Flaw("the header is not a JSON object") }

    var entries: [SafetensorsEntry] = []
    var metadata: [String: String] = [:]
    for member in members {
      if member.key == "__metadata__" {
        metadata = try strings(member.value)
      } else {
        entries.append(try entry(member))
      }
    }
    try checkLayout(entries, dataCount: dataCount)
    entries.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    return (entries, metadata)
  }

  private static func strings(_ json: JSON) throws(Flaw) -> [String: String] {
    guard case .object(let members) = json else { throw Flaw("__metadata__ is not an object") }
    var result: [String: String] = [:]
    for member in members {
      guard case .string(let text) = member.value else { throw Flaw("metadata \(quoted(member.key)) is not text") }
      result[member.key] = text
    }
    return result
  }

  private static func entry(_ member: JSON.Member) throws(Flaw) -> SafetensorsEntry {
    let name = quoted(member.key)
    guard case .string(let fileType)? = member.value["dtype"], let bits = bitCounts[fileType] else {
      throw Flaw("tensor \(name) has no dtype of the format")
    }
    guard let dimensions = integers(member.value["shape"]), let shape = Shape(checked: dimensions) else {
      throw Flaw("tensor \(name) has no shape of at most 64 extents that memory could hold")
    }
    guard let offsets = integers(member.value["data_offsets"]), offsets.count == 2, 0 <= offsets[0],
      offsets[0] <= offsets[1]
    else { throw Flaw("tensor \(name) has no data_offsets [begin, end]") }
    // The check of the shape left room for 64 bits an element.
    let bitCount = shape.elementCount.multipliedFullWidth(by: bits)
    guard bitCount.high == 0, bitCount.low % 8 == 0, bitCount.low / 8 == UInt(offsets[1] - offsets[0]) else {
      throw Flaw("tensor \(name) of \(fileType) \(shape) does not take \(offsets[1] - offsets[0]) bytes")
    }
    return SafetensorsEntry(name: member.key, fileType: fileType, shape: shape, range: offsets[0]..<offsets[1])
  }

  private static func integers(_ json: JSON?) -> [Int]? {
    guard case .array(let elements)? = json else { return nil }
    var result: [Int] = []
    for element in elements {
      guard case .integer(let integer) = element else { return nil }
      result.append(integer)
    }
    return result
  }

  /// The tensors must cover the data without overlap, hole or rest: then nothing can hide in the file.
  private static func checkLayout(_ entries: [SafetensorsEntry], dataCount: Int) throws(Flaw) {
    var end = 0
    for entry in entries.sorted(by: {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }) {
      guard entry.range.lowerBound == end else {
        throw Flaw(
          "tensor \(quoted(entry.name)) begins at byte \(entry.range.lowerBound) of the data, "
            + "but the one before it ends at \(end)"
        )
      }
      end = entry.range.upperBound
    }
    guard end == dataCount else {
      throw Flaw("the header describes \(end) bytes of data, but the file has \(dataCount); it may be cut short")
    }
  }
}

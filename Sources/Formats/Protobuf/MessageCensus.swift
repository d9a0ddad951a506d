/// A count of the messages, strings and lists in a file, taken before they are read.
///
/// swift-protobuf limits how deep messages lie in each other but not how many there are, and what takes two bytes of a
/// file may take hundreds in memory.
struct MessageCensus {
  /// The fields of a message that are messages themselves, by number; what is not named is not looked into.
  struct Layout {
    var messages: [Int: Layout] = [:]
  }

  private static let limit = 4_000_000

  private let bytes: UnsafeRawBufferPointer
  private var offset = 0
  private var count = 0

  /// - Throws: ``Flaw`` if there are too many, or if the bytes are no complete message.
  static func check(_ bytes: [UInt8], _ layout: Layout) throws {
    try bytes.withUnsafeBytes { buffer in
      var census = MessageCensus(bytes: buffer)
      try census.walk(to: buffer.count, layout)
    }
  }

  struct Flaw: Error {
    var reason: String
  }

  private init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Depth is that of the layout.
  private mutating func walk(to end: Int, _ layout: Layout) throws(Flaw) {
    while offset < end {
      let key = try varint(end)
      switch key & 7 {
      case 0: _ = try varint(end)
      case 1: try skip(8, end)
      case 2:
        count += 1
        if count > Self.limit { throw Flaw(reason: "more than \(Self.limit) items") }
        let length = try varint(end)
        if let inner = layout.messages[Int(truncatingIfNeeded: key >> 3)], length <= UInt64(end - offset) {
          try walk(to: offset + Int(length), inner)
        } else {
          try skip(length, end)
        }
      case 5: try skip(4, end)
      // Groups, which neither format has.
      default: throw Flaw(reason: "a field of the wire type \(key & 7) at byte \(offset)")
      }
    }
  }

  private mutating func skip(_ count: UInt64, _ end: Int) throws(Flaw) {
    guard count <= UInt64(end - offset) else { throw Flaw(reason: "a field runs over the end at byte \(offset)") }
    offset += Int(count)
  }

  private mutating func varint(_ end: Int) throws(Flaw) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard offset < end else { throw Flaw(reason: "a number runs over the end at byte \(offset)") }
      let byte = bytes[offset]
      offset += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw Flaw(reason: "a number takes more than ten bytes at byte \(offset)")
  }
}

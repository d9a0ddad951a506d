/// Bytes of a pickle, read from front to back.
struct PickleStream {
  private let source: ByteSource
  private var buffer: [UInt8] = []
  /// The next byte's place in the buffer.
  private var next = 0
  /// Where the buffer begins.
  private var start: Int

  /// The pickle of the largest networks takes some megabytes.
  private static let limit = 1 << 26
  private static let pieceCount = 1 << 16

  init(_ source: ByteSource, at offset: Int = 0) {
    self.source = source
    start = offset
  }

  /// Where the next byte is.
  var position: Int { start + next }

  mutating func byte() throws(FormatError) -> UInt8 {
    if next == buffer.count { try refill(1) }
    next += 1
    return buffer[next - 1]
  }

  mutating func bytes(_ count: Int) throws(FormatError) -> ArraySlice<UInt8> {
    if buffer.count - next < count { try refill(count) }
    next += count
    return buffer[next - count..<next]
  }

  /// An unsigned little-endian integer.
  mutating func integer(_ count: Int) throws(FormatError) -> Int {
    let bytes = try bytes(count)
    return Array(bytes).integer(at: 0, count)
  }

  mutating func text(_ count: Int) throws(FormatError) -> String {
    guard let text = String(validating: try bytes(count), as: UTF8.self) else { throw malformed("a text is not UTF-8") }
    return text
  }

  /// Up to the next newline, which is taken too.
  mutating func line() throws(FormatError) -> String {
    var line: [UInt8] = []
    while true {
      let byte = try byte()
      if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
      line.append(byte)
      if line.count > 1000 { throw malformed("a name of more than a thousand bytes") }
    }
  }

  func malformed(_ reason: String) -> FormatError {
    .malformed(path: source.path, reason: "\(reason), before byte \(position) of its pickle")
  }

  func unsupported(_ reason: String) -> FormatError { .unsupported(path: source.path, reason: reason) }

  func refused(_ call: String) -> FormatError { .refused(path: source.path, call: call) }

  private mutating func refill(_ count: Int) throws(FormatError) {
    start += next
    next = 0
    guard count >= 0, count <= Self.limit, start <= Self.limit, count <= source.byteCount - start else {
      throw malformed("it ends too early or is too long")
    }
    buffer = try source.bytes(start, min(max(count, Self.pieceCount), source.byteCount - start))
  }
}

/// A file's message without its bulk: fields that hold the numbers of tensors are replaced by where in the file they lie,
/// so that each number is read once, to its place in memory.
///
/// The way there counts messages, strings and lists: swift-protobuf limits how deep messages lie in each other but not
/// how many there are, and what takes two bytes of a file may take hundreds in memory.
struct MessageSkeleton {
  struct Layout {
    /// The fields of a message that are messages themselves, by number; what is not named is not looked into.
    var messages: [Int: Layout] = [:]
    /// The field of bytes that stays in the file.
    var bulk: Int?
  }

  struct Flaw: Error {
    var reason: String
  }

  private static let limit = 4_000_000
  private static let windowSize = 1 << 16

  private let file: InputFile
  /// The bytes of the file from `windowStart` on.
  private var window: [UInt8] = []
  private var windowStart = 0
  private var offset = 0
  private var count = 0
  private var result: [UInt8] = []

  /// The message that a file is, to be decoded as any other, but with a ``FilePlace`` in each field of bulk.
  ///
  /// - Throws: ``FormatError`` if the file can't be read, ``Flaw`` if there are too many items or if it is no complete
  ///   message.
  static func bytes(of file: InputFile, _ layout: Layout) throws -> [UInt8] {
    var skeleton = Self(file: file)
    try skeleton.walk(to: file.byteCount, layout)
    return skeleton.result
  }

  private init(file: InputFile) { self.file = file }

  /// Depth is that of the layout.
  private mutating func walk(to end: Int, _ layout: Layout) throws {
    while offset < end {
      let start = offset
      let key = try varint(end)
      switch key & 7 {
      case 0: _ = try varint(end)
      case 1: try skip(8, end)
      case 2:
        count += 1
        if count > Self.limit { throw Flaw(reason: "more than \(Self.limit) items") }
        let field = Int(truncatingIfNeeded: key >> 3)
        let keyEnd = offset
        let length = try varint(end)
        if let inner = layout.messages[field], length <= UInt64(end - offset) {
          try copy(start..<keyEnd)
          let place = result.count
          // The length of what is kept is not known yet.
          result.append(contentsOf: repeatElement(0, count: Self.lengthSize))
          try walk(to: offset + Int(length), inner)
          setLength(at: place)
          continue
        }
        if field == layout.bulk {
          let place = FilePlace(offset: offset, byteCount: Int(clamping: length))
          try skip(length, end)
          try copy(start..<keyEnd)
          result.append(contentsOf: place.bytes)
          continue
        }
        try skip(length, end)
      case 5: try skip(4, end)
      // Groups, which neither format has.
      default: throw Flaw(reason: "a field of the wire type \(key & 7) at byte \(offset)")
      }
      try copy(start..<offset)
    }
  }

  private static let lengthSize = 5

  /// Writes how many bytes follow, in five bytes whether fewer would do or not: readers take both.
  private mutating func setLength(at place: Int) {
    let length = result.count - place - Self.lengthSize
    for index in 0..<Self.lengthSize {
      let isLast = index == Self.lengthSize - 1
      result[place + index] = UInt8(length >> (7 * index) & 0x7F) | (isLast ? 0 : 0x80)
    }
  }

  private mutating func copy(_ range: Range<Int>) throws(FormatError) {
    if range.lowerBound >= windowStart, range.upperBound <= windowStart + window.count {
      result.append(contentsOf: window[range.lowerBound - windowStart..<range.upperBound - windowStart])
    } else {
      result.append(contentsOf: try file.bytes(at: range.lowerBound, count: range.count))
    }
  }

  private mutating func skip(_ count: UInt64, _ end: Int) throws(Flaw) {
    guard count <= UInt64(end - offset) else { throw Flaw(reason: "a field runs over the end at byte \(offset)") }
    offset += Int(count)
  }

  private mutating func varint(_ end: Int) throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard offset < end else { throw Flaw(reason: "a number runs over the end at byte \(offset)") }
      if offset < windowStart || offset >= windowStart + window.count {
        windowStart = offset
        window = try file.bytes(at: offset, count: min(Self.windowSize, file.byteCount - offset))
      }
      let byte = window[offset - windowStart]
      offset += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw Flaw(reason: "a number takes more than ten bytes at byte \(offset)")
  }
}

/// Where a field's bytes lie in the file.
struct FilePlace {
  var offset: Int
  var byteCount: Int

  init(offset: Int, byteCount: Int) { (self.offset, self.byteCount) = (offset, byteCount) }

  /// Reads what ``MessageSkeleton`` wrote in place of the field.
  init(_ bytes: some Collection<UInt8>) {
    func number(_ bytes: some Collection<UInt8>) -> Int { bytes.reversed().reduce(0) { $0 << 8 | Int($1) } }
    self.init(offset: number(bytes.prefix(8)), byteCount: number(bytes.dropFirst(8).prefix(8)))
  }

  /// With their length before them, as a field of bytes is written.
  fileprivate var bytes: [UInt8] {
    [16] + [offset, byteCount].flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
  }
}

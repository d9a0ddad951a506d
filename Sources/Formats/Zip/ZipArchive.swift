import CZlib

/// A zip archive (PKWARE's APPNOTE 6.3, with the 64-bit fields): its members are listed and checked, their bytes are
/// read when asked for. Stored and deflated members are read, which is what NumPy and PyTorch write.
final class ZipArchive: Sendable {
  struct Member: Sendable {
    var name: String
    /// 0 is stored, 8 deflated.
    var method: UInt16
    var isEncrypted: Bool
    var crc: UInt32
    var compressedCount: Int
    var byteCount: Int
    var headerOffset: Int
  }

  let members: [Member]
  let file: InputFile

  /// A directory of many more bytes than any file of weights has.
  private static let directoryLimit = 1 << 26

  init(_ file: InputFile) throws(FormatError) {
    self.file = file
    let directory = try Self.directory(of: file)
    members = try Self.members(in: directory, of: file)
  }

  func member(named name: String) -> Member? { members.first { $0.name == name } }

  // MARK: Reading members

  /// The bytes of a member, checked against its checksum.
  func bytes(of member: Member) throws(FormatError) -> [UInt8] {
    let bytes = try unpacked(member, count: member.byteCount)
    let crc = bytes.withUnsafeBytes { Self.checksum($0) }
    guard crc == member.crc else { throw .damaged(path: file.path, part: "the member \(quoted(member.name))") }
    return bytes
  }

  /// The first bytes of a member, as many as there are up to `count`, unchecked.
  func prefix(of member: Member, count: Int) throws(FormatError) -> [UInt8] {
    try unpacked(member, count: min(count, member.byteCount))
  }

  static func checksum(_ bytes: UnsafeRawBufferPointer, _ start: UInt32 = 0) -> UInt32 {
    var crc = uLong(start)
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      crc = crc32(crc, piece.baseAddress?.assumingMemoryBound(to: UInt8.self), uInt(piece.count))
      rest = rest.dropFirst(piece.count)
    }
    return UInt32(truncatingIfNeeded: crc)
  }

  private func unpacked(_ member: Member, count: Int) throws(FormatError) -> [UInt8] {
    let name = quoted(member.name)
    if member.isEncrypted { throw .unsupported(path: file.path, reason: "the member \(name) is encrypted") }
    let start = try dataStart(of: member)
    try file.requireMemory(for: count)
    switch member.method {
    case 0:
      guard member.byteCount == member.compressedCount else {
        throw .malformed(path: file.path, reason: "the stored member \(name) has two sizes")
      }
      return try file.bytes(at: start, count: count)
    case 8:
      // Deflate cannot expand more than this; whoever claims more wants memory to run out.
      guard member.byteCount / 1032 <= member.compressedCount else {
        throw .malformed(path: file.path, reason: "the member \(name) claims more bytes than its data can hold")
      }
      let compressed = try file.bytes(at: start, count: member.compressedCount)
      guard let bytes = Self.inflated(compressed, count: count) else {
        throw .malformed(path: file.path, reason: "the compressed data of the member \(name) are damaged")
      }
      return bytes
    default:
      throw .unsupported(
        path: file.path, reason: "the member \(name) is compressed by method \(member.method); use stored or deflated")
    }
  }

  /// Where a member's data begin: behind its own header, whose name and extra field may differ from the directory's.
  private func dataStart(of member: Member) throws(FormatError) -> Int {
    guard member.headerOffset <= file.byteCount - 30 else { throw outside(member) }
    let header = try file.bytes(at: member.headerOffset, count: 30)
    guard header.starts(with: [0x50, 0x4B, 3, 4]) else { throw outside(member) }
    let start = member.headerOffset + 30 + header.integer(at: 26, 2) + header.integer(at: 28, 2)
    guard start <= file.byteCount, member.compressedCount <= file.byteCount - start else { throw outside(member) }
    return start
  }

  private func outside(_ member: Member) -> FormatError {
    .malformed(path: file.path, reason: "the member \(quoted(member.name)) lies outside the file; is it complete?")
  }

  /// The first `count` bytes of a deflated stream; `nil` if it is damaged or shorter.
  private static func inflated(_ compressed: [UInt8], count: Int) -> [UInt8]? {
    if count == 0 { return [] }
    var stream = z_stream()
    guard inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      return nil
    }
    defer { inflateEnd(&stream) }
    var input = compressed
    var written = 0
    let bytes = input.withUnsafeMutableBufferPointer { input in
      [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
        var read = 0
        while written < count {
          let (given, room) = (min(input.count - read, 1 << 30), min(count - written, 1 << 30))
          stream.next_in = input.baseAddress.map { $0 + read }
          stream.avail_in = uInt(given)
          stream.next_out = output.baseAddress.map { $0 + written }
          stream.avail_out = uInt(room)
          let status = inflate(&stream, Z_NO_FLUSH)
          let progress = (given - Int(stream.avail_in), room - Int(stream.avail_out))
          read += progress.0
          written += progress.1
          guard status == Z_OK, progress != (0, 0) else { break }
        }
        initialized = written
      }
    }
    return written == count ? bytes : nil
  }

  // MARK: The directory

  private static func directory(of file: InputFile) throws(FormatError) -> [UInt8] {
    // The end record stands at the end, before a comment of at most 65,535 bytes.
    let tailStart = max(0, file.byteCount - 22 - 65_535)
    let tail = try file.bytes(at: tailStart, count: file.byteCount - tailStart)
    let last = tail.count - 22
    guard last >= 0,
      let end = stride(from: last, through: 0, by: -1).first(where: { tail.has([0x50, 0x4B, 5, 6], at: $0) })
    else {
      throw .malformed(path: file.path, reason: "the zip archive has no directory at its end; it may be cut short")
    }
    var (size, offset) = (tail.integer(at: end + 12, 4), tail.integer(at: end + 16, 4))
    let locator = tailStart + end - 20
    if locator >= 0 {
      let bytes = try file.bytes(at: locator, count: 20)
      if bytes.has([0x50, 0x4B, 6, 7], at: 0) {
        let record = bytes.integer(at: 8, 8)
        guard record >= 0, record <= file.byteCount - 56 else { throw noDirectory(file) }
        let wide = try file.bytes(at: record, count: 56)
        guard wide.has([0x50, 0x4B, 6, 6], at: 0) else { throw noDirectory(file) }
        (size, offset) = (wide.integer(at: 40, 8), wide.integer(at: 48, 8))
      }
    }
    guard size >= 0, offset >= 0, offset <= file.byteCount, size <= file.byteCount - offset, size <= directoryLimit
    else { throw noDirectory(file) }
    return try file.bytes(at: offset, count: size)
  }

  private static func noDirectory(_ file: InputFile) -> FormatError {
    .malformed(path: file.path, reason: "the zip archive's directory lies outside the file; is it complete?")
  }

  private static func members(in directory: [UInt8], of file: InputFile) throws(FormatError) -> [Member] {
    var members: [Member] = []
    var names: Set<String> = []
    var offset = 0
    while offset < directory.count {
      guard offset <= directory.count - 46, directory.has([0x50, 0x4B, 1, 2], at: offset) else {
        throw .malformed(path: file.path, reason: "the zip archive's directory is damaged")
      }
      let nameEnd = offset + 46 + directory.integer(at: offset + 28, 2)
      let extraEnd = nameEnd + directory.integer(at: offset + 30, 2)
      let next = extraEnd + directory.integer(at: offset + 32, 2)
      guard next <= directory.count else {
        throw .malformed(path: file.path, reason: "the zip archive's directory is damaged")
      }
      var member = Member(
        name: String(decoding: directory[offset + 46..<nameEnd], as: UTF8.self),
        method: UInt16(directory.integer(at: offset + 10, 2)),
        isEncrypted: directory.integer(at: offset + 8, 2) & 1 == 1,
        crc: UInt32(directory.integer(at: offset + 16, 4)), compressedCount: directory.integer(at: offset + 20, 4),
        byteCount: directory.integer(at: offset + 24, 4), headerOffset: directory.integer(at: offset + 42, 4))
      widen(&member, from: directory[nameEnd..<extraEnd])
      guard member.byteCount >= 0, member.compressedCount >= 0, member.headerOffset >= 0,
        names.insert(member.name).inserted
      else {
        throw .malformed(path: file.path, reason: "the member \(quoted(member.name)) stands twice or has no size")
      }
      members.append(member)
      offset = next
    }
    return members
  }

  /// Takes from the extra fields what does not fit 32 bits.
  private static func widen(_ member: inout Member, from extra: ArraySlice<UInt8>) {
    var offset = extra.startIndex
    let bytes = Array(extra)
    offset = 0
    while offset + 4 <= bytes.count {
      let (kind, size) = (bytes.integer(at: offset, 2), bytes.integer(at: offset + 2, 2))
      offset += 4
      if kind == 1 {
        var field = offset
        func take(_ value: inout Int) {
          guard value == 0xFFFF_FFFF, field + 8 <= min(offset + size, bytes.count) else { return }
          value = bytes.integer(at: field, 8)
          field += 8
        }
        take(&member.byteCount)
        take(&member.compressedCount)
        take(&member.headerOffset)
      }
      offset += size
    }
  }
}

extension [UInt8] {
  /// A little-endian integer of at most eight bytes; negative if eight bytes have their highest bit.
  func integer(at offset: Int, _ count: Int) -> Int {
    var value: UInt64 = 0
    for index in (0..<count).reversed() { value = value << 8 | UInt64(self[offset + index]) }
    return Int(truncatingIfNeeded: value)
  }

  func has(_ signature: [UInt8], at offset: Int) -> Bool {
    offset >= 0 && offset + signature.count <= count && self[offset..<offset + signature.count].elementsEqual(signature)
  }
}

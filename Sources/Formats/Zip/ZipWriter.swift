/// Writes a zip archive of stored members through ``AtomicFile``. Equal members make equal bytes: all bear the format's
/// first date.
struct ZipWriter: ~Copyable {
  private let path: String
  private var directory: [UInt8] = []
  private var memberCount = 0
  private var offset = 0

  init(path: String) { self.path = path }

  /// Appends a member whose bytes come in two parts.
  mutating func append(
    _ name: String, header: [UInt8], _ body: UnsafeRawBufferPointer, to writer: borrowing AtomicFile.Writer
  ) throws(FormatError) {
    let count = header.count + body.count
    let end = offset + 30 + name.utf8.count + count
    guard end < 0xFFFF_FFFF, memberCount < 0xFFFF, name.utf8.count < 0xFFFF else {
      throw .cannotWrite(path: path, reason: "a zip archive of 4 GiB or 65,535 members; write safetensors instead")
    }
    let crc = ZipArchive.checksum(body, header.withUnsafeBytes { ZipArchive.checksum($0) })
    var common: [UInt8] = []
    // Version 2.0, names in UTF-8, stored, 1 January 1980.
    for value in [20, 0x0800, 0, 0, 0x21] { common.append(value, 2) }
    for value in [Int(crc), count, count] { common.append(value, 4) }
    common.append(name.utf8.count, 2)
    common.append(0, 2)
    try writer.write([0x50, 0x4B, 3, 4] + common + Array(name.utf8))
    try writer.write(header)
    try writer.write(body)

    directory += [0x50, 0x4B, 1, 2, 20, 0] + common
    for _ in 0..<3 { directory.append(0, 2) }
    directory.append(0, 4)
    directory.append(offset, 4)
    directory += name.utf8
    offset = end
    memberCount += 1
  }

  /// Writes the directory.
  mutating func finish(_ writer: borrowing AtomicFile.Writer) throws(FormatError) {
    guard offset + directory.count < 0xFFFF_FFFF else {
      throw .cannotWrite(path: path, reason: "a zip archive of 4 GiB; write safetensors instead")
    }
    var end: [UInt8] = [0x50, 0x4B, 5, 6]
    for value in [0, 0, memberCount, memberCount] { end.append(value, 2) }
    for value in [directory.count, offset] { end.append(value, 4) }
    end.append(0, 2)
    try writer.write(directory + end)
  }
}

extension [UInt8] {
  /// Appends a little-endian integer.
  fileprivate mutating func append(_ value: Int, _ count: Int) {
    for index in 0..<count { append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
  }
}

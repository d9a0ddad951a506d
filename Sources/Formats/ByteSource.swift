/// A stretch of bytes that is read in pieces: a file, or a member of an archive.
struct ByteSource {
  /// Of the file, and within an archive the member: for messages.
  let path: String
  let byteCount: Int
  /// The `count` bytes from `offset` on, which lie inside.
  let bytes: (_ offset: Int, _ count: Int) throws(FormatError) -> [UInt8]

  init(_ file: InputFile) {
    path = file.path
    byteCount = file.byteCount
    bytes = { (offset, count) throws(FormatError) in try file.bytes(at: offset, count: count) }
  }

  init(_ memory: [UInt8], path: String) {
    self.path = path
    byteCount = memory.count
    bytes = { (offset, count) throws(FormatError) in Array(memory[offset..<offset + count]) }
  }

  /// The first bytes of something longer, enough to read a header from.
  init(prefix: [UInt8], of byteCount: Int, path: String) {
    self.path = path
    self.byteCount = byteCount
    bytes = { (offset, count) throws(FormatError) in
      guard offset + count <= prefix.count else {
        throw .malformed(path: path, reason: "its header is longer than that of any array of numbers")
      }
      return Array(prefix[offset..<offset + count])
    }
  }
}

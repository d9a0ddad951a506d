/// The one field of EXIF that changes what a network sees: which way up the picture was taken.
///
/// EXIF is a small TIFF file: byte order, a list of 12-byte entries; entry 0x0112 is the orientation. Everything in it
/// may be hostile, so each read is checked, and whatever makes no sense means "upright".
enum EXIF {
  /// 1 to 8 as in EXIF 2.32, 4.6.5.1; 1 where there is none.
  static func orientation(_ payload: some Collection<UInt8>) -> Int {
    var bytes = Array(payload.prefix(1 << 16))
    // JPEG always puts this prefix before the TIFF header, PNG and WebP sometimes.
    if bytes.starts(with: "Exif\0\0".utf8) { bytes.removeFirst(6) }
    let isLittle = bytes.starts(with: [0x49, 0x49, 0x2A, 0])
    if !isLittle && !bytes.starts(with: [0x4D, 0x4D, 0, 0x2A]) { return 1 }

    func integer(at offset: Int, byteCount: Int) -> Int? {
      guard offset >= 0, offset + byteCount <= bytes.count else { return nil }
      let field = bytes[offset..<offset + byteCount]
      return (isLittle ? Array(field.reversed()) : Array(field)).reduce(0) { $0 << 8 | Int($1) }
    }

    guard let start = integer(at: 4, byteCount: 4), let count = integer(at: start, byteCount: 2) else { return 1 }
    for entry in 0..<count {
      let offset = start + 2 + 12 * entry
      guard let tag = integer(at: offset, byteCount: 2), let type = integer(at: offset + 2, byteCount: 2) else { break }
      guard tag == 0x0112 else { continue }
      // A short by the standard; some writers store a long.
      guard let value = integer(at: offset + 8, byteCount: type == 4 ? 4 : 2) else { break }
      return (1...8).contains(value) ? value : 1
    }
    return 1
  }

  /// The orientation in a JPEG's APP1 segment.
  static func orientation(ofJPEG bytes: UnsafeRawBufferPointer) -> Int {
    var offset = 2
    while offset + 4 <= bytes.count, bytes[offset] == 0xFF {
      let marker = bytes[offset + 1]
      switch marker {
      case 0xFF: offset += 1  // padding
      case 0x01, 0xD0...0xD8: offset += 2  // markers that stand alone
      case 0xD9, 0xDA: return 1  // the pixels begin, or the file ends
      default:
        let length = Int(bytes[offset + 2]) << 8 | Int(bytes[offset + 3])
        if length < 2 || offset + 2 + length > bytes.count { return 1 }
        let payload = bytes[(offset + 4)..<(offset + 2 + length)]
        if marker == 0xE1, payload.starts(with: "Exif\0\0".utf8) { return orientation(payload) }
        offset += 2 + length
      }
    }
    return 1
  }

  /// The orientation in a WebP's EXIF chunk.
  static func orientation(ofWebP bytes: UnsafeRawBufferPointer) -> Int {
    var offset = 12
    while offset + 8 <= bytes.count {
      let length = (0..<4).reduce(0) { $0 | Int(bytes[offset + 4 + $1]) << (8 * $1) }
      if length > bytes.count - offset - 8 { return 1 }
      if bytes[offset...].starts(with: "EXIF".utf8) { return orientation(bytes[(offset + 8)..<(offset + 8 + length)]) }
      offset += 8 + length + length % 2
    }
    return 1
  }
}

/// A picture format that is decoded.
public enum ImageFormat: String, CaseIterable, Sendable {
  case jpeg = "JPEG"
  case png = "PNG"
  case webP = "WebP"

  /// The format that the first bytes tell; names of files are never asked. Other formats are named in the error.
  public init(recognizing bytes: UnsafeRawBufferPointer) throws(ImageError) {
    if bytes.isEmpty { throw ImageError(.empty) }
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if Self.holds("RIFF", in: bytes, at: 0), Self.holds("WEBP", in: bytes, at: 8) {
      self = .webP
    } else if let name = Self.nameOfUnsupported(bytes) {
      throw ImageError(.unsupportedFormat(name))
    } else {
      throw ImageError(.unknownFormat)
    }
  }

  private static func holds(_ text: String, in bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
    bytes.count >= offset + text.utf8.count && bytes[offset...].starts(with: text.utf8)
  }

  /// What a file that people do keep among pictures is, with its article.
  private static func nameOfUnsupported(_ bytes: UnsafeRawBufferPointer) -> String? {
    let signatures: [(name: String, bytes: [UInt8])] = [
      ("a GIF", Array("GIF8".utf8)), ("a TIFF", [0x49, 0x49, 0x2A, 0]), ("a TIFF", [0x4D, 0x4D, 0, 0x2A]),
      ("a BigTIFF", [0x49, 0x49, 0x2B, 0]), ("a BigTIFF", [0x4D, 0x4D, 0, 0x2B]),
      ("a JPEG 2000", [0, 0, 0, 0x0C, 0x6A, 0x50, 0x20, 0x20]), ("a JPEG 2000", [0xFF, 0x4F, 0xFF, 0x51]),
      ("a JPEG XL", [0xFF, 0x0A]), ("a JPEG XL", [0, 0, 0, 0x0C, 0x4A, 0x58, 0x4C, 0x20]),
      ("a Photoshop file", Array("8BPS".utf8)), ("an icon (ICO)", [0, 0, 1, 0]),
      ("an OpenEXR file", [0x76, 0x2F, 0x31, 0x01]), ("a PDF", Array("%PDF".utf8)),
      ("a ZIP archive", [0x50, 0x4B, 3, 4]), ("a gzip archive", [0x1F, 0x8B]),
      ("a NumPy array", [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]), ("a BMP", Array("BM".utf8)),
    ]
    if let match = signatures.first(where: { bytes.starts(with: $0.bytes) }) { return match.name }
    if holds("ftyp", in: bytes, at: 4) {
      let brand = String(decoding: bytes.dropFirst(8).prefix(4), as: UTF8.self)
      switch brand {
      case "avif", "avis": return "an AVIF"
      case "heic", "heix", "heim", "heis", "hevc", "mif1", "msf1": return "an HEIC"
      default: return "a video (MP4 family)"
      }
    }
    if bytes.count > 2, bytes[0] == 0x50, (0x31...0x37).contains(bytes[1]), bytes[2] <= 0x20 { return "a PNM" }
    // A page that reports a failed download, saved under the picture's name, is the commonest of all.
    let start = String(decoding: bytes.prefix(256), as: UTF8.self).lowercased().drop(while: \.isWhitespace)
    if start.hasPrefix("<!doctype html") || start.hasPrefix("<html") { return "an HTML page (a failed download?)" }
    if start.contains("<svg") { return "an SVG" }
    return nil
  }
}

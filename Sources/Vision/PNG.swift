import CSpng
import Foundation

/// PNG through libspng: every colour type, bit depth and interlacing.
enum PNG {
  static func decode(_ bytes: UnsafeRawBufferPointer, limits: ImageLimits) throws(ImageError) -> DecodedImage {
    if !hasEnd(bytes) { throw damaged("it ends early") }
    guard let context = spng_ctx_new(0) else { throw damaged("no memory") }
    defer { spng_ctx_free(context) }
    func check(_ status: Int32) throws(ImageError) {
      if status != 0 { throw damaged(String(cString: spng_strerror(status))) }
    }
    // Chunks beside the picture may be compressed, and so be bombs of their own.
    try check(spng_set_chunk_limits(context, 64 << 20, 64 << 20))
    try check(spng_set_png_buffer(context, bytes.baseAddress, bytes.count))
    var header = spng_ihdr()
    try check(spng_get_ihdr(context, &header))
    let (width, height) = (Int(header.width), Int(header.height))
    try limits.check(width: width, height: height)

    let colorType = UInt32(header.color_type)
    let samples: [UInt32: Int] = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4]
    let rowBytes = (width * (samples[colorType] ?? 1) * Int(header.bit_depth) + 7) / 8
    // Deflate packs at most 1032 bytes into one; a smaller file can't hold what its header promises.
    if rowBytes * height / 1032 > bytes.count { throw damaged("too short for \(width)x\(height) pixels") }

    var transparency = spng_trns()
    let found = spng_get_trns(context, &transparency)  // reads all chunks before the pixels
    if found != SPNG_ECHUNKAVAIL.rawValue { try check(found) }
    let isTransparent = colorType & 4 != 0 || found == 0
    let isGrey = colorType & ~4 == SPNG_COLOR_TYPE_GRAYSCALE.rawValue
    let (format, channels) =
      header.bit_depth == 16
      ? (SPNG_FMT_RGBA16, 4)
      : isTransparent ? (SPNG_FMT_RGBA8, 4) : isGrey ? (SPNG_FMT_G8, 1) : (SPNG_FMT_RGB8, 3)

    let sampleBytes = header.bit_depth == 16 ? 2 : 1
    let byteCount = width * height * channels * sampleBytes
    var status: Int32 = 0
    let raw = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
      status = spng_decode_image(
        context, buffer.baseAddress, byteCount, Int32(format.rawValue), Int32(SPNG_DECODE_TRNS.rawValue))
      count = status == 0 ? byteCount : 0
    }
    try check(status)
    try check(spng_decode_chunks(context))  // up to the end mark: EXIF may stand behind the pixels

    var decoded: DecodedImage
    if sampleBytes == 2 {
      let output = isTransparent ? 4 : isGrey ? 1 : 3
      decoded = DecodedImage(image: rounded(raw, width: width, height: height, channels: output))
    } else {
      decoded = DecodedImage(image: Image(width: width, height: height, channels: channels, pixels: raw))
    }
    decoded.isGrey = isGrey && isTransparent
    var exif = spng_exif()
    if spng_get_exif(context, &exif) == 0, let data = exif.data {
      decoded.orientation = EXIF.orientation(UnsafeRawBufferPointer(start: data, count: Int(exif.length)))
    }
    return decoded
  }

  /// Whether the chain of chunks reaches a whole end mark; the library would forgive a cut inside it.
  private static func hasEnd(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var offset = 8
    while offset + 12 <= bytes.count {
      let length = bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
      if bytes[(offset + 4)...].starts(with: "IEND".utf8) { return offset + 12 + length <= bytes.count }
      offset += 12 + length
    }
    return false
  }

  /// 16-bit RGBA in the machine's byte order, to the first `channels` of 8 bits: `round(v / 257)`, so that black stays
  /// 0 and white stays 255. (Dropping the low byte would darken, clipping would turn scans white.)
  private static func rounded(_ raw: [UInt8], width: Int, height: Int, channels: Int) -> Image {
    Image(width: width, height: height, channels: channels) { output in
      raw.withUnsafeBytes { input in
        for pixel in 0..<width * height {
          for channel in 0..<channels {
            let value = input.loadUnaligned(fromByteOffset: (4 * pixel + channel) * 2, as: UInt16.self)
            output[channels * pixel + channel] = UInt8((UInt32(value) * 255 + 32895) >> 16)
          }
        }
      }
    }
  }

  private static func damaged(_ text: String) -> ImageError { ImageError(.damaged(format: "PNG", text)) }
}

extension Image {
  /// The picture as the bytes of a PNG file.
  public func pngData() throws(ImageError) -> [UInt8] {
    guard let context = spng_ctx_new(Int32(SPNG_CTX_ENCODER.rawValue)) else {
      throw ImageError(.unwritable("no memory"))
    }
    defer { spng_ctx_free(context) }
    let colorTypes = [1: SPNG_COLOR_TYPE_GRAYSCALE, 3: SPNG_COLOR_TYPE_TRUECOLOR, 4: SPNG_COLOR_TYPE_TRUECOLOR_ALPHA]
    var header = spng_ihdr()
    header.width = UInt32(width)
    header.height = UInt32(height)
    header.bit_depth = 8
    header.color_type = UInt8(colorTypes[channels]!.rawValue)

    var status = spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1)
    if status == 0 { status = spng_set_ihdr(context, &header) }
    if status == 0 {
      status = spng_encode_image(
        context, pixels, pixels.count, Int32(SPNG_FMT_PNG.rawValue), Int32(SPNG_ENCODE_FINALIZE.rawValue))
    }
    var count = 0
    guard status == 0, let data = spng_get_png_buffer(context, &count, &status) else {
      throw ImageError(.unwritable(String(cString: spng_strerror(status))))
    }
    defer { free(data) }
    return Array(UnsafeRawBufferPointer(start: data, count: count))
  }

  /// Writes the picture to a PNG file, whole or not at all.
  public func writePNG(to path: String) throws(ImageError) {
    let bytes: [UInt8]
    do throws(ImageError) { bytes = try pngData() } catch { throw error.at(path) }
    do {
      try Foundation.Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw ImageError(.unwritable(error.localizedDescription), path: path)
    }
  }
}

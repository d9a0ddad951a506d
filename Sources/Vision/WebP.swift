import CWebP

/// WebP through libwebp: lossy and lossless, with or without alpha; still pictures only.
enum WebP {
  static func decode(_ bytes: UnsafeRawBufferPointer, limits: ImageLimits) throws(ImageError) -> DecodedImage {
    // The container knows its own size; the decoder would forgive a cut behind the pixels.
    let promised = bytes.count < 12 ? 4 : (0..<4).reduce(0) { $0 | Int(bytes[4 + $1]) << (8 * $1) }
    if promised > bytes.count - 8 { throw damaged("it ends early: \(bytes.count) of \(promised + 8) bytes") }

    let source = bytes.bindMemory(to: UInt8.self)
    var config = WebPDecoderConfig()
    if WebPInitDecoderConfig(&config) == 0 { throw damaged("another version of libwebp was linked") }
    try check(WebPGetFeatures(source.baseAddress, source.count, &config.input))
    if config.input.has_animation != 0 { throw ImageError(.unsupportedFormat("an animated WebP")) }
    let (width, height) = (Int(config.input.width), Int(config.input.height))
    if width <= 0 || height <= 0 { throw damaged("bad header") }
    try limits.check(width: width, height: height)

    let channels = config.input.has_alpha != 0 ? 4 : 3
    var status = VP8_STATUS_OK
    let count = width * height * channels
    let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
      config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB
      config.output.is_external_memory = 1
      config.output.u.RGBA.rgba = buffer.baseAddress
      config.output.u.RGBA.stride = Int32(width * channels)
      config.output.u.RGBA.size = count
      status = WebPDecode(source.baseAddress, source.count, &config)
      WebPFreeDecBuffer(&config.output)
      written = status == VP8_STATUS_OK ? count : 0
    }
    try check(status)
    let image = Image(width: width, height: height, channels: channels, pixels: pixels)
    return DecodedImage(image: image, orientation: EXIF.orientation(ofWebP: bytes))
  }

  private static func check(_ status: VP8StatusCode) throws(ImageError) {
    switch status {
    case VP8_STATUS_OK: return
    case VP8_STATUS_OUT_OF_MEMORY: throw damaged("it asks for too much memory")
    case VP8_STATUS_NOT_ENOUGH_DATA: throw damaged("it ends early")
    case VP8_STATUS_UNSUPPORTED_FEATURE: throw damaged("it uses an unknown feature")
    default: throw damaged("its data make no sense")
    }
  }

  private static func damaged(_ text: String) -> ImageError { ImageError(.damaged(format: "WebP", text)) }
}

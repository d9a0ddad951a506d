import CTurboJPEG

/// JPEG through TurboJPEG: baseline and progressive; grey, YCbCr, RGB, CMYK and YCCK.
enum JPEG {
  /// - Parameter reduction: given the upright extents, the power of two up to 8 by which both are divided, rounded up.
  ///   Done on the frequencies of each block of 8x8, it is a good low-pass filter and cheaper than all of them; libjpeg
  ///   has vector code for these ratios alone.
  static func decode(
    _ bytes: UnsafeRawBufferPointer, limits: ImageLimits, reduction: (_ width: Int, _ height: Int) -> Int
  ) throws(ImageError) -> DecodedImage {
    guard let handle = tjInitDecompress(), let start = bytes.baseAddress else { throw damaged("no memory") }
    defer { tjDestroy(handle) }
    let source = start.assumingMemoryBound(to: UInt8.self)
    let size = UInt(bytes.count)

    var width: Int32 = 0
    var height: Int32 = 0
    var subsampling: Int32 = 0
    var colorspace: Int32 = -1
    // An unusual subsampling and a harmless remark are errors to this call, but not to the decoder; so what counts is
    // whether the header was understood.
    let status = tjDecompressHeader3(handle, source, size, &width, &height, &subsampling, &colorspace)
    if width <= 0 || height <= 0 || colorspace < 0 { throw damaged(status == 0 ? "bad header" : message(handle)) }
    try limits.check(width: Int(width), height: Int(height))
    let orientation = EXIF.orientation(ofJPEG: bytes)
    let factor = orientation > 4 ? reduction(Int(height), Int(width)) : reduction(Int(width), Int(height))
    let (columns, rows) = ((Int(width) + factor - 1) / factor, (Int(height) + factor - 1) / factor)

    let (format, channels) =
      switch colorspace {
      case Int32(TJCS_GRAY.rawValue): (TJPF_GRAY, 1)
      case Int32(TJCS_CMYK.rawValue), Int32(TJCS_YCCK.rawValue): (TJPF_CMYK, 4)
      default: (TJPF_RGB, 3)
      }
    // The exact DCT, as in Pillow and PyTorch; scans limited against files built to take hours.
    let flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS
    var problem: String?
    let count = columns * rows * channels
    let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
      func attempt(_ extra: Int32) -> String? {
        let status = tjDecompress2(
          handle, source, size, buffer.baseAddress, Int32(columns), 0, Int32(rows), Int32(format.rawValue),
          flags | extra)
        return status == 0 ? nil : message(handle)
      }
      // Warnings tell of missing data, for which the library would invent grey; only a few are mere remarks.
      problem = attempt(TJFLAG_STOPONWARNING)
      if let text = problem, isHarmless(text) {
        problem = attempt(0)
        if let text = problem, tjGetErrorCode(handle) == TJERR_WARNING.rawValue, isHarmless(text) { problem = nil }
      }
      written = problem == nil ? count : 0
    }
    if let problem { throw damaged(problem) }
    let image = Image(width: columns, height: rows, channels: channels, pixels: pixels)
    return DecodedImage(image: channels == 4 ? rgb(fromInvertedCMYK: image) : image, orientation: orientation)
  }

  /// Warnings that leave the pixels whole: filler between segments (many cameras), odd but unused fields.
  private static func isHarmless(_ warning: String) -> Bool {
    ["extraneous bytes before marker", "Unknown Adobe color transform", "Invalid SOS parameters", "ICC profile"]
      .contains { warning.contains($0) }
  }

  /// Adobe's polarity: 255 means no ink. Files with Adobe's marker have it whether they hold CMYK (transform 0) or
  /// YCCK (transform 2, which the library has turned into CMYK), and files without the marker are nearly all made by
  /// Adobe's conventions too. Pillow and the browsers read all three this way.
  private static func rgb(fromInvertedCMYK image: Image) -> Image {
    Image(width: image.width, height: image.height, channels: 3) { output in
      image.pixels.withUnsafeBufferPointer { input in
        for pixel in 0..<image.width * image.height {
          let light = Int(input[4 * pixel + 3])
          for channel in 0..<3 {
            let ink = 255 - Int(input[4 * pixel + channel])
            output[3 * pixel + channel] = UInt8(max(0, light - Image.dividedBy255(ink * light)))
          }
        }
      }
    }
  }

  private static func message(_ handle: tjhandle) -> String {
    guard let text = tjGetErrorStr2(handle) else { return "unknown error" }
    // "tjDecompress2(): Premature end of JPEG file" tells a user nothing by its first word.
    let words = String(cString: text)
    return words.firstRange(of: "(): ").map { String(words[$0.upperBound...]) } ?? words
  }

  private static func damaged(_ text: String) -> ImageError {
    ImageError(.damaged(format: "JPEG", text))
  }
}

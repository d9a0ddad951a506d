import Foundation

/// What a decoder hands back, before orientation and background are applied.
struct DecodedImage {
  var image: Image
  /// Whether red, green and blue are known to be equal, though alpha made the picture RGBA.
  var isGrey = false
  /// EXIF orientation, 1 to 8.
  var orientation = 1
}

extension Image {
  /// The picture in a JPEG, PNG or WebP file, recognised by its content.
  ///
  /// - The picture is turned upright as its EXIF orientation says.
  /// - CMYK and YCCK become RGB; 16-bit samples are rounded to 8; palettes are looked up; gamma and colour profiles are
  ///   ignored.
  /// - Of an animated PNG the still picture is read; an animated WebP is an error.
  /// - A file that is cut short or damaged is an error, never a half-grey picture.
  ///
  /// - Parameters:
  ///   - background: what shows through transparent pixels; `nil` keeps alpha as a fourth channel.
  ///   - limits: checked before memory is taken.
  /// - Returns: a picture of one channel where the file is grey, else of three, or of four with alpha.
  public static func decode(
    _ bytes: UnsafeRawBufferPointer, background: RGBColor? = .white, limits: ImageLimits = ImageLimits()
  ) throws(ImageError) -> Image {
    try decode(bytes, background: background, limits: limits) { _, _ in 1 }
  }

  /// - Parameter reduction: given the upright extents of a JPEG, the power of two up to 8 by which both are divided,
  ///   rounded up, while it is decoded. Not asked for other formats, which are decoded as they are.
  static func decode(
    _ bytes: UnsafeRawBufferPointer, background: RGBColor?, limits: ImageLimits,
    reduction: (_ width: Int, _ height: Int) -> Int
  ) throws(ImageError) -> Image {
    if bytes.count > limits.byteCount { throw ImageError(.tooManyBytes(count: bytes.count, limit: limits.byteCount)) }
    let decoded =
      switch try ImageFormat(recognizing: bytes) {
      case .jpeg: try JPEG.decode(bytes, limits: limits, reduction: reduction)
      case .png: try PNG.decode(bytes, limits: limits)
      case .webP: try WebP.decode(bytes, limits: limits)
      }
    var image = decoded.image
    if let background {
      image = image.composited(over: background)
      if decoded.isGrey && background.isGrey { image = image.firstChannel() }
    }
    return image.oriented(decoded.orientation)
  }

  /// The picture in the bytes of a file; see the other form.
  public static func decode(
    _ bytes: [UInt8], background: RGBColor? = .white, limits: ImageLimits = ImageLimits()
  ) throws(ImageError) -> Image {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(ImageError) in try decode(buffer, background: background, limits: limits) }
    }
    return try result.get()
  }

  /// The picture in a file; errors name the file. See ``decode(_:background:limits:)-(UnsafeRawBufferPointer,_,_)``.
  public init(
    contentsOf path: String, background: RGBColor? = .white, limits: ImageLimits = ImageLimits()
  ) throws(ImageError) {
    self = try Image(contentsOf: path, background: background, limits: limits) { _, _ in 1 }
  }

  /// The same, with a JPEG reduced while it is decoded.
  init(
    contentsOf path: String, background: RGBColor?, limits: ImageLimits,
    reduction: (_ width: Int, _ height: Int) -> Int
  ) throws(ImageError) {
    do throws(ImageError) {
      let bytes = try readFile(path, byteLimit: limits.byteCount)
      self = try bytes.withUnsafeBytes { buffer in
        Result { () throws(ImageError) in
          try Self.decode(buffer, background: background, limits: limits, reduction: reduction)
        }
      }.get()
    } catch {
      throw error.at(path)
    }
  }
}

/// All bytes of an ordinary file. A pipe or a device, which might never end, is refused.
func readFile(_ path: String, byteLimit: Int) throws(ImageError) -> [UInt8] {
  func failure() -> ImageError { ImageError(.unreadable(String(cString: strerror(errno))), path: path) }
  // Non-blocking, because opening a pipe that nobody writes to would wait for ever.
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  if descriptor < 0 { throw failure() }
  defer { close(descriptor) }
  var status = stat()
  if fstat(descriptor, &status) != 0 { throw failure() }
  if status.st_mode & S_IFMT != S_IFREG { throw ImageError(.unreadable("it is not an ordinary file"), path: path) }
  let size = Int(status.st_size)
  if size > byteLimit { throw ImageError(.tooManyBytes(count: size, limit: byteLimit), path: path) }

  var failed: ImageError?
  let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
    while count < size {
      let got = read(descriptor, buffer.baseAddress! + count, size - count)
      if got < 0 && errno == EINTR { continue }
      if got < 0 { failed = failure() }
      if got <= 0 { break }
      count += got
    }
  }
  if let failed { throw failed }
  return bytes
}

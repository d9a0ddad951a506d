/// Why a picture can't be read or written. `description` is one line: the file, what is wrong, what to do.
public struct ImageError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Reason: Hashable, Sendable {
    /// The file can't be opened or read; the system's own words.
    case unreadable(String)
    /// The file holds no bytes.
    case empty
    /// The bytes begin like no picture format that is known.
    case unknownFormat
    /// A known format that is not decoded, for example `GIF`.
    case unsupportedFormat(String)
    /// The header promises more pixels than the limit allows.
    case tooManyPixels(width: Int, height: Int, limit: Int)
    /// The header promises a longer side than the limit allows.
    case tooLong(width: Int, height: Int, limit: Int)
    /// The file is larger than the limit allows.
    case tooManyBytes(count: Int, limit: Int)
    /// Cut short, or its contents contradict the format; the decoder's own words.
    case damaged(format: String, String)
    /// The encoder failed, or the file can't be written.
    case unwritable(String)
  }

  public var reason: Reason
  /// The file, where there is one.
  public var path: String?

  public init(_ reason: Reason, path: String? = nil) {
    self.reason = reason
    self.path = path
  }

  public var description: String {
    let subject = path ?? "the image"
    switch reason {
    case .unreadable(let text):
      return "\(subject): cannot be read: \(text)"
    case .empty:
      return "\(subject) is empty (0 bytes); copy or download it again"
    case .unknownFormat:
      return "\(subject) is not an image that is known; expected JPEG, PNG or WebP"
    case .unsupportedFormat(let name):
      return "\(subject) is \(name), which is not supported; convert it to PNG or JPEG"
    case .tooManyPixels(let width, let height, let limit):
      return "\(subject) is \(width)x\(height) pixels, more than the limit of \(limit) pixels; "
        + "make it smaller or raise the limit"
    case .tooLong(let width, let height, let limit):
      return "\(subject) is \(width)x\(height) pixels, but no side may be longer than \(limit); cut it into parts"
    case .tooManyBytes(let count, let limit):
      return "\(subject) has \(count) bytes, more than the limit of \(limit); make it smaller or raise the limit"
    case .damaged(let format, let text):
      return "\(subject) is a damaged \(format) file (\(text)); copy or download it again, or remove it"
    case .unwritable(let text):
      return "\(subject): cannot be written: \(text)"
    }
  }

  /// The same error, told about a file.
  func at(_ path: String) -> ImageError { ImageError(reason, path: path) }
}

/// How much a picture may ask for before it is decoded.
public struct ImageLimits: Hashable, Sendable {
  /// Width times height. The default is that of Pillow's decompression-bomb check.
  public var pixelCount: Int
  /// Width and height each. A strip of a hundred million pixels is no picture, but would cost a resize gigabytes.
  public var sideLength: Int
  /// Size of the file.
  public var byteCount: Int

  public init(pixelCount: Int = 178_956_970, sideLength: Int = 1 << 20, byteCount: Int = 1 << 30) {
    self.pixelCount = pixelCount
    self.sideLength = sideLength
    self.byteCount = byteCount
  }

  /// Throws where a header asks for too much; called before memory for the pixels is taken.
  func check(width: Int, height: Int) throws(ImageError) {
    if max(width, height) > sideLength {
      throw ImageError(.tooLong(width: width, height: height, limit: sideLength))
    }
    if width * height > pixelCount {
      throw ImageError(.tooManyPixels(width: width, height: height, limit: pixelCount))
    }
  }
}

import Graph

/// An 8-bit picture: a value of `height` rows of `width` pixels of `channels` interleaved samples.
///
/// One channel is grey, three are red, green and blue, four add alpha (not premultiplied). Rows run from the top, and
/// there is no padding between them: sample `channel` of the pixel at (`x`, `y`) is
/// `pixels[(y * width + x) * channels + channel]`.
public struct Image: Hashable, Sendable {
  public let width: Int
  public let height: Int
  /// 1 (grey), 3 (RGB) or 4 (RGBA).
  public let channels: Int
  /// The samples, `height * width * channels` of them.
  public internal(set) var pixels: [UInt8]

  /// A picture of the given samples. Both extents are positive, and the count of samples is their product with
  /// `channels`; anything else stops the program.
  public init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
    if width <= 0 || height <= 0 || ![1, 3, 4].contains(channels) || pixels.count != width * height * channels {
      fail("an image of \(width)x\(height) with \(channels) channels can't be made of \(pixels.count) samples")
    }
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
  }

  /// A picture of one colour: RGB, or grey where `channels` is 1.
  public init(width: Int, height: Int, channels: Int = 3, color: RGBColor = .white) {
    let pixel = channels == 1 ? [color.luminance] : [color.red, color.green, color.blue, 255].prefix(channels)
    var pixels: [UInt8] = []
    pixels.reserveCapacity(width * height * channels)
    for _ in 0..<width * height { pixels += pixel }
    self.init(width: width, height: height, channels: channels, pixels: pixels)
  }

  /// A picture whose samples `initialize` writes, all of them.
  init(
    width: Int, height: Int, channels: Int, initialize: (UnsafeMutableBufferPointer<UInt8>) -> Void
  ) {
    let count = width * height * channels
    self.init(
      width: width, height: height, channels: channels,
      pixels: [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
        initialize(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
        written = count
      })
  }

  /// One sample.
  public subscript(x: Int, y: Int, channel: Int) -> UInt8 {
    get { pixels[(y * width + x) * channels + channel] }
    set { pixels[(y * width + x) * channels + channel] = newValue }
  }
}

extension Image: CustomStringConvertible {
  /// `640x480 RGB`.
  public var description: String { "\(width)x\(height) \(channels == 1 ? "grey" : channels == 3 ? "RGB" : "RGBA")" }
}

/// A colour without alpha, 8 bits a sample. In JSON it is `[red, green, blue]`.
public struct RGBColor: Hashable, Sendable, Codable {
  public var red, green, blue: UInt8

  public init(red: UInt8, green: UInt8, blue: UInt8) {
    (self.red, self.green, self.blue) = (red, green, blue)
  }

  public static let white = RGBColor(red: 255, green: 255, blue: 255)
  public static let black = RGBColor(red: 0, green: 0, blue: 0)

  /// Grey of the same lightness (ITU-R 601-2), rounded as in Pillow.
  public var luminance: UInt8 { Image.luminance(red, green, blue) }

  var isGrey: Bool { red == green && green == blue }

  public init(from decoder: any Decoder) throws {
    var values = try decoder.unkeyedContainer()
    red = try values.decode(UInt8.self)
    green = try values.decode(UInt8.self)
    blue = try values.decode(UInt8.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.unkeyedContainer()
    try values.encode(contentsOf: [red, green, blue])
  }
}

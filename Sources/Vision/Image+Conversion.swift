import Kernels

extension Image {
  /// Lightness by ITU-R 601-2 in Pillow's fixed point (its mode `L`).
  @inline(__always)
  static func luminance(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
    UInt8(truncatingIfNeeded: (Int32(red) &* 19595 &+ Int32(green) &* 38470 &+ Int32(blue) &* 7471 &+ 0x8000) >> 16)
  }

  /// `value / 255` rounded, for products of two samples.
  @inline(__always)
  static func dividedBy255(_ value: Int) -> Int {
    let sum = value + 128
    return (sum + (sum >> 8)) >> 8
  }

  /// The picture in one channel. Alpha is dropped: call ``composited(over:)`` first where it matters.
  public func grey() -> Image {
    if channels == 1 { return self }
    if channels == 4 { return rgb().grey() }
    return Image(width: width, height: height, channels: 1) { output in
      pixels.withUnsafeBufferPointer { input in
        guard let from = input.baseAddress, let to = output.baseAddress else { return }
        PixelKernel.luminance(from, into: to, pixels: width * height)
      }
    }
  }

  /// The picture in three channels. Alpha is dropped: call ``composited(over:)`` first where it matters.
  public func rgb() -> Image {
    if channels == 3 { return self }
    let step = channels == 1 ? 0 : 1
    return map(channels: 3) { output, input in
      for channel in 0..<3 { output[channel] = input[channel * step] }
    }
  }

  /// The picture as it looks in front of a plain colour; one without alpha is returned as it is.
  public func composited(over background: RGBColor) -> Image {
    if channels != 4 { return self }
    let ground = [Int(background.red), Int(background.green), Int(background.blue)]
    return ground.withUnsafeBufferPointer { ground in
      map(channels: 3) { output, input in
        let alpha = Int(input[3])
        for channel in 0..<3 {
          output[channel] = UInt8(Self.dividedBy255(Int(input[channel]) * alpha + ground[channel] * (255 - alpha)))
        }
      }
    }
  }

  /// Grey out of a picture whose colours are known to be grey.
  func firstChannel() -> Image { map(channels: 1) { output, input in output[0] = input[0] } }

  /// A new picture, pixel by pixel.
  @inline(__always)
  func map(
    channels count: Int, _ body: (UnsafeMutablePointer<UInt8>, UnsafePointer<UInt8>) -> Void
  ) -> Image {
    Image(width: width, height: height, channels: count) { output in
      pixels.withUnsafeBufferPointer { input in
        guard var to = output.baseAddress, var from = input.baseAddress else { return }
        for _ in 0..<width * height {
          body(to, from)
          to += count
          from += channels
        }
      }
    }
  }

  /// The picture turned upright, given its EXIF orientation (1 to 8; others count as 1).
  public func oriented(_ orientation: Int) -> Image {
    let last = width * height - 1
    // Where in the source the result's first pixel lies, and how far one step right and one step down lead.
    let (first, right, down): (Int, Int, Int)
    switch orientation {
    case 2: (first, right, down) = (width - 1, -1, width)
    case 3: (first, right, down) = (last, -1, -width)
    case 4: (first, right, down) = (last - width + 1, 1, -width)
    case 5: (first, right, down) = (0, width, 1)
    case 6: (first, right, down) = (last - width + 1, -width, 1)
    case 7: (first, right, down) = (last, -width, -1)
    case 8: (first, right, down) = (width - 1, width, -1)
    default: return self
    }
    let (columns, rows) = orientation > 4 ? (height, width) : (width, height)
    /// - Parameter channels: a constant where this is inlined.
    @inline(__always)
    func moved(_ channels: Int) -> Image {
      Image(width: columns, height: rows, channels: channels) { output in
        pixels.withUnsafeBufferPointer { input in
          guard var to = output.baseAddress, let source = input.baseAddress else { return }
          for y in 0..<rows {
            var from = source + (first + y * down) * channels
            for _ in 0..<columns {
              for channel in 0..<channels { to[channel] = from[channel] }
              to += channels
              from += right * channels
            }
          }
        }
      }
    }
    switch channels {
    case 1: return moved(1)
    case 3: return moved(3)
    default: return moved(4)
    }
  }

  /// The picture as in a mirror: left and right change places.
  public func mirrored() -> Image { oriented(2) }
}

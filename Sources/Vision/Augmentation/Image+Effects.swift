import Foundation
public import Runtime

// Changes of a picture's samples that training takes: the same numbers as torchvision's functions on Pillow pictures,
// but for rounding where Pillow cuts fractions. None touches alpha.

extension Image {
  /// Every sample reduced to its upper `bits` (0 to 8); as torchvision's `posterize`.
  public func posterized(bits: Int) -> Image {
    let mask = UInt8(truncatingIfNeeded: 0xFF << (8 - min(max(bits, 0), 8)))
    return mapSamples { $0 & mask }
  }

  /// Samples of at least `threshold` (0 to 255) as in a negative; as torchvision's `solarize`.
  public func solarized(threshold: Float) -> Image {
    mapSamples { Float($0) >= threshold ? 255 - $0 : $0 }
  }

  /// The negative; as torchvision's `invert`.
  public func inverted() -> Image { mapSamples { 255 - $0 } }

  /// Each channel stretched so that it runs from 0 to 255; as torchvision's `autocontrast`.
  public func autocontrasted() -> Image {
    mapChannels(
      histograms().map { histogram in
        guard let low = histogram.firstIndex(where: { $0 > 0 }), let high = histogram.lastIndex(where: { $0 > 0 }),
          low < high
        else { return Array(0...255) }
        let scale = 255 / Double(high - low)
        return (0...255).map { UInt8(min(max(Double($0) * scale - Double(low) * scale, 0), 255)) }
      })
  }

  /// Each channel with its histogram made as even as it can be; as torchvision's `equalize`.
  public func equalized() -> Image {
    mapChannels(
      histograms().map { histogram in
        let last = histogram.last { $0 > 0 } ?? 0
        let step = (width * height - last) / 255
        if step == 0 { return Array(0...255) }
        var sum = step / 2
        return histogram.map { count in
          defer { sum += count }
          return UInt8(min(sum / step, 255))
        }
      })
  }

  /// Away from (above 1) or towards (below 1) a slightly smoothed picture; as torchvision's `adjust_sharpness`. The
  /// outermost pixels stay.
  public func adjustingSharpness(by factor: Float) -> Image {
    if width < 3 || height < 3 { return self }
    let line = width * channels
    return Image(width: width, height: height, channels: channels) { output in
      pixels.withUnsafeBufferPointer { input in
        _ = output.update(from: input)
        for y in 1..<height - 1 {
          for index in y * line + channels..<(y + 1) * line - channels {
            if channels == 4 && index & 3 == 3 { continue }
            // Pillow's SMOOTH: 5 in the middle and 1 around, divided by 13.
            var sum = 4 * Int32(input[index])
            for row in [index - line, index, index + line] {
              sum += Int32(input[row - channels]) + Int32(input[row]) + Int32(input[row + channels])
            }
            let smooth = Float((2 * sum + 13) / 26)
            output[index] = Self.sample(smooth + factor * (Float(input[index]) - smooth))
          }
        }
      }
    }
  }

  /// Smoothed by a Gaussian; the picture is mirrored at its borders. As torchvision's `gaussian_blur`.
  /// - Parameters:
  ///   - sigma: the standard deviation in pixels, above 0.
  ///   - kernel: the odd number of pixels that are averaged in each direction; three deviations to each side unless
  ///     given.
  public func blurred(sigma: Float, kernel: Int? = nil) -> Image {
    let radius = kernel.map { $0 / 2 } ?? Int((3 * sigma).rounded(.up))
    if radius < 1 || !(sigma > 0) { return self }
    var weights = (-radius...radius).map { exp(-0.5 * (Float($0) / sigma) * (Float($0) / sigma)) }
    let total = weights.reduce(0, +)
    for index in weights.indices { weights[index] /= total }
    let line = width * channels
    var rows = [Float](repeating: 0, count: height * line)
    var padded = [Float](repeating: 0, count: line + 2 * radius * channels)
    let columns = (-radius..<width + radius).map { Self.reflected($0, width) * channels }
    for y in 0..<height {
      for (position, column) in columns.enumerated() {
        for channel in 0..<channels {
          padded[position * channels + channel] = Float(pixels[y * line + column + channel])
        }
      }
      rows.withUnsafeMutableBufferPointer { rows in
        for (tap, weight) in weights.enumerated() {
          for x in 0..<line { rows[y * line + x] += weight * padded[tap * channels + x] }
        }
      }
    }
    var sums = [Float](repeating: 0, count: line)
    return Image(width: width, height: height, channels: channels) { output in
      for y in 0..<height {
        for x in 0..<line { sums[x] = 0 }
        for (tap, weight) in weights.enumerated() {
          let row = Self.reflected(y + tap - radius, height) * line
          for x in 0..<line { sums[x] += weight * rows[row + x] }
        }
        for x in 0..<line {
          output[y * line + x] = channels == 4 && x & 3 == 3 ? pixels[y * line + x] : Self.sample(sums[x])
        }
      }
    }
  }

  /// Where a position beyond a border lies when the picture is mirrored at its outermost pixels, as often as needed.
  private static func reflected(_ position: Int, _ extent: Int) -> Int {
    if extent == 1 { return 0 }
    let period = 2 * (extent - 1)
    let phase = ((position % period) + period) % period
    return min(phase, period - phase)
  }

  /// Independent normal noise on every sample; as torchvision's `gaussian_noise` on floats.
  /// - Parameter deviation: on the scale where white is 1.
  public func addingNoise(deviation: Float, random: RandomStream) -> Image {
    var random = random
    return Image(width: width, height: height, channels: channels) { output in
      for (index, pixel) in pixels.enumerated() {
        output[index] =
          channels == 4 && index & 3 == 3
          ? pixel : Self.sample(Float(pixel) + 255 * deviation * Float(random.normal()))
      }
    }
  }

  /// The picture with a part of it in one colour; the part must lie inside.
  public func erasing(columns: Range<Int>, rows: Range<Int>, color: RGBColor) -> Image {
    var result = self
    result.paste(
      Image(width: columns.count, height: rows.count, channels: channels, color: color), left: columns.lowerBound,
      top: rows.lowerBound)
    return result
  }

  /// How often each value occurs in each channel but alpha.
  private func histograms() -> [[Int]] {
    (0..<min(channels, 3)).map { channel in
      var histogram = [Int](repeating: 0, count: 256)
      for index in stride(from: channel, to: pixels.count, by: channels) { histogram[Int(pixels[index])] += 1 }
      return histogram
    }
  }
}

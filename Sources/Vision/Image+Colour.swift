import Kernels

extension Image {
  /// The nearest sample, clamped.
  @inline(__always)
  static func sample(_ value: Float) -> UInt8 { value > 0 ? (value < 255 ? UInt8(value + 0.5) : 255) : 0 }

  /// Every sample times `factor`: 0 is black, 1 changes nothing. Not for alpha; as torchvision's `adjust_brightness`.
  public func adjustingBrightness(by factor: Float) -> Image {
    mapSamples { Self.sample(Float($0) * factor) }
  }

  /// Away from (above 1) or towards (below 1) the picture's mean grey; as torchvision's `adjust_contrast`.
  public func adjustingContrast(by factor: Float) -> Image {
    let total = grey().pixels.reduce(0) { $0 + Int($1) }
    let mean = Float((2 * total + width * height) / (2 * width * height))  // rounded, as Pillow's
    return mapSamples { Self.sample(mean + factor * (Float($0) - mean)) }
  }

  /// Away from (above 1) or towards (below 1) each pixel's own grey; as torchvision's `adjust_saturation`.
  public func adjustingSaturation(by factor: Float) -> Image {
    if channels == 1 { return self }
    return changingColors { PixelKernel.saturate($0, into: $1, pixels: $2, by: factor) }
  }

  /// All hues turned by `turns` of the colour circle (-0.5 to 0.5); as torchvision's `adjust_hue` on floats.
  public func adjustingHue(by turns: Float) -> Image {
    if channels == 1 { return self }
    let sixths = turns.truncatingRemainder(dividingBy: 1) * 6
    return changingColors { PixelKernel.turnHue($0, into: $1, pixels: $2, bySixths: sixths) }
  }

  /// A kernel of pixels of three samples, applied to a coloured picture; alpha stays.
  private func changingColors(
    _ kernel: (UnsafePointer<UInt8>, UnsafeMutablePointer<UInt8>, _ pixels: Int) -> Void
  ) -> Image {
    let colors = rgb()
    let changed = Image(width: width, height: height, channels: 3) { output in
      colors.pixels.withUnsafeBufferPointer { input in
        guard let from = input.baseAddress, let to = output.baseAddress else { return }
        kernel(from, to, width * height)
      }
    }
    if channels == 3 { return changed }
    var result = self
    for pixel in 0..<width * height {
      for channel in 0..<3 { result.pixels[4 * pixel + channel] = changed.pixels[3 * pixel + channel] }
    }
    return result
  }

  /// Every sample but alpha through a table.
  func mapSamples(_ body: (UInt8) -> UInt8) -> Image {
    let table = (0...255).map { body($0) }
    if channels == 4 { return mapChannels([table, table, table]) }
    return Image(width: width, height: height, channels: channels) { output in
      pixels.withUnsafeBufferPointer { input in
        table.withUnsafeBufferPointer { table in
          for index in input.indices { output[index] = table[Int(input[index])] }
        }
      }
    }
  }

  /// Every channel but alpha through a table of its own, of 256 entries.
  func mapChannels(_ tables: [[UInt8]]) -> Image {
    let table = tables.flatMap { $0 }
    return table.withUnsafeBufferPointer { table in
      map(channels: channels) { output, input in
        for channel in 0..<min(channels, 3) { output[channel] = table[256 * channel + Int(input[channel])] }
        if channels == 4 { output[3] = input[3] }
      }
    }
  }
}

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
    return map(channels: channels) { output, input in
      let grey = Float(Self.luminance(input[0], input[1], input[2]))
      for channel in 0..<3 { output[channel] = Self.sample(grey + factor * (Float(input[channel]) - grey)) }
      if channels == 4 { output[3] = input[3] }
    }
  }

  /// All hues turned by `turns` of the colour circle (-0.5 to 0.5); as torchvision's `adjust_hue` on floats.
  public func adjustingHue(by turns: Float) -> Image {
    if channels == 1 { return self }
    let sixths = turns.truncatingRemainder(dividingBy: 1) * 6
    return map(channels: channels) { output, input in
      let (red, green, blue) = (Float(input[0]), Float(input[1]), Float(input[2]))
      let value = max(red, green, blue)
      let chroma = value - min(red, green, blue)
      var hue: Float = 0  // in sixths of the circle
      if chroma > 0 {
        hue =
          value == red
          ? (green - blue) / chroma : value == green ? 2 + (blue - red) / chroma : 4 + (red - green) / chroma
      }
      hue += sixths
      // Each primary falls off by its distance from the hue (Smith 1978, in one formula for all six sectors).
      for (channel, offset) in [(0, Float(5)), (1, 3), (2, 1)] {
        // Between -6 and 16; brought to one turn exactly, and much faster than by a remainder.
        var k = offset + hue
        k += k < 0 ? 6 : k < 6 ? 0 : k < 12 ? -6 : -12
        output[channel] = Self.sample(value - chroma * max(0, min(k, 4 - k, 1)))
      }
      if channels == 4 { output[3] = input[3] }
    }
  }

  /// Every sample but alpha through a table.
  func mapSamples(_ body: (UInt8) -> UInt8) -> Image {
    mapChannels([[UInt8]](repeating: (0...255).map { body($0) }, count: min(channels, 3)))
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

import Graph

extension Image {
  /// What a warped picture shows where the original does not reach.
  public enum Border: Hashable, Sendable {
    /// The nearest border pixel again: right for a black and for a white surround alike, which no fixed colour is.
    case repeated
    case color(RGBColor)
  }

  /// The picture under a transform, at its own size.
  ///
  /// Positions and weights are those of Pillow's `Image.transform`; samples are rounded where Pillow cuts fractions.
  ///
  /// - Parameters:
  ///   - transform: where points of the picture go; must have an inverse.
  ///   - interpolation: `nearest` for masks; `bicubic` counts as `bilinear`.
  public func warped(
    by transform: ProjectiveTransform, interpolation: Interpolation = .bilinear, border: Border = .repeated
  ) -> Image {
    // Moves of whole pixels onto whole pixels need no arithmetic.
    if transform == .identity { return self }
    if transform == .horizontalFlip(width: width) { return oriented(2) }
    if transform == .verticalFlip(height: height) { return oriented(4) }
    let isNearest = interpolation == .nearest
    switch channels {
    case 1: return isNearest ? nearest(transform, border, 1) : bilinear(transform, border, 1)
    case 3: return isNearest ? nearest(transform, border, 3) : bilinear(transform, border, 3)
    default: return isNearest ? nearest(transform, border, 4) : bilinear(transform, border, 4)
    }
  }

  /// The source position of each pixel of the result, row by row.
  @inline(__always)
  private func positions(_ transform: ProjectiveTransform, _ body: (_ x: Float, _ y: Float) -> Void) {
    let rows = transform.inverse.rows
    let isAffine = transform.isAffine
    let scale = isAffine ? 1 / rows[2].z : 1
    // Steps to the right; whole rows are placed in double precision, so that errors do not add up.
    let (stepX, stepY, stepDepth) = (Float(rows[0].x * scale), Float(rows[1].x * scale), Float(rows[2].x))
    for y in 0..<height {
      let middle = SIMD3(0.5, Double(y) + 0.5, 1)
      let (startX, startY) = (Float((rows[0] * middle).sum() * scale), Float((rows[1] * middle).sum() * scale))
      if isAffine {
        for x in 0..<width { body(startX + Float(x) * stepX, startY + Float(x) * stepY) }
      } else {
        let start = Float((rows[2] * middle).sum())
        for x in 0..<width {
          let depth = start + Float(x) * stepDepth
          body((startX + Float(x) * stepX) / depth, (startY + Float(x) * stepY) / depth)
        }
      }
    }
  }

  /// From `low` to `high`, and `low` for what is not a number: a plane seen from the side has points at infinity.
  @inline(__always)
  private static func clamp(_ value: Float, _ low: Float, _ high: Float) -> Float {
    value > low ? (value < high ? value : high) : low
  }

  @inline(__always)
  private func nearest(_ transform: ProjectiveTransform, _ border: Border, _ channels: Int) -> Image {
    let fill = filling(border)
    let (right, bottom) = (Float(width), Float(height))
    return Image(width: width, height: height, channels: channels) { output in
      pixels.withUnsafeBufferPointer { input in
        guard var to = output.baseAddress, let source = input.baseAddress else { return }
        positions(transform) { x, y in
          if let fill, !(x >= 0 && y >= 0 && x < right && y < bottom) {
            for channel in 0..<channels { to[channel] = fill[channel] }
          } else {
            let column = min(Int(Self.clamp(x, 0, right)), width - 1)
            let row = min(Int(Self.clamp(y, 0, bottom)), height - 1)
            let from = source + (row * width + column) * channels
            for channel in 0..<channels { to[channel] = from[channel] }
          }
          to += channels
        }
      }
    }
  }

  @inline(__always)
  private func bilinear(_ transform: ProjectiveTransform, _ border: Border, _ channels: Int) -> Image {
    let fill = filling(border)
    let (right, bottom) = (Float(width), Float(height))
    return Image(width: width, height: height, channels: channels) { output in
      pixels.withUnsafeBufferPointer { input in
        guard var to = output.baseAddress, let source = input.baseAddress else { return }
        positions(transform) { x, y in
          if let fill, !(x >= 0 && y >= 0 && x < right && y < bottom) {
            for channel in 0..<channels { to[channel] = fill[channel] }
          } else {
            // Fixed point with 11 bits of fraction: two weights and a sample fit into 32 bits.
            let fixedX = Int(Self.clamp(x - 0.5, 0, right - 1) * 2048 + 0.5)
            let fixedY = Int(Self.clamp(y - 0.5, 0, bottom - 1) * 2048 + 0.5)
            let (column, row) = (fixedX >> 11, fixedY >> 11)
            let (u, v) = (UInt32(truncatingIfNeeded: fixedX & 2047), UInt32(truncatingIfNeeded: fixedY & 2047))
            let upper = source + (row * width + column) * channels
            let lower = row + 1 < height ? upper + width * channels : upper
            let next = column + 1 < width ? channels : 0
            for channel in 0..<channels {
              let top = UInt32(upper[channel]) &* (2048 &- u) &+ UInt32(upper[channel + next]) &* u
              let below = UInt32(lower[channel]) &* (2048 &- u) &+ UInt32(lower[channel + next]) &* u
              let sum = top &* (2048 &- v) &+ below &* v &+ 1 << 21
              to[channel] = UInt8(truncatingIfNeeded: sum >> 22)
            }
          }
          to += channels
        }
      }
    }
  }

  private func filling(_ border: Border) -> [UInt8]? {
    guard case .color(let color) = border else { return nil }
    return channels == 1 ? [color.luminance] : [color.red, color.green, color.blue, 255]
  }
}

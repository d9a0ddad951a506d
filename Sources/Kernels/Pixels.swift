import CKernels

/// Pictures of interleaved 8-bit samples: the same bytes on every instruction set. On the calling thread alone, since
/// loaders treat a picture on each of theirs.
package enum PixelKernel {
  /// What filters one direction of a picture: for each new sample the first old one, how many there are, and `stride`
  /// weights in fixed point with 22 bits of fraction, of which so many count.
  package struct Filter: Sendable {
    package var starts: [Int32] = []
    package var taps: [Int32] = []
    package var weights: [Int32] = []
    package let stride: Int

    package init(stride: Int) { self.stride = stride }
  }

  /// Rows filtered from left to right: `rows` rows of `width` pixels become rows of one pixel for each of the filter's
  /// spans, which begin with pixel `firstColumn`.
  package static func filterAcross(
    _ source: UnsafePointer<UInt8>, into output: UnsafeMutablePointer<UInt8>, width: Int, rows: Int, channels: Int,
    firstColumn: Int, _ filter: Filter, isa: InstructionSet = .best
  ) {
    let kernels = isa.pixels
    let starts = filter.starts.map { $0 - Int32(firstColumn) }
    filter.withPointers(starts: starts) { spans in
      for row in 0..<rows {
        // All that follows may be read.
        kernels.filter_across(
          source + row * width * channels, (rows - row) * width * channels, output + row * starts.count * channels,
          starts.count, channels, spans)
      }
    }
  }

  /// Columns filtered from top to bottom: `count` samples of each row, rows `line` samples apart; the first is
  /// `firstRow`.
  package static func filterDown(
    _ source: UnsafePointer<UInt8>, line: Int, into output: UnsafeMutablePointer<UInt8>, count: Int, firstRow: Int,
    _ filter: Filter, isa: InstructionSet = .best
  ) {
    let kernels = isa.pixels
    filter.withPointers(starts: filter.starts) { spans in
      for (row, start) in filter.starts.enumerated() {
        kernels.filter_down(
          source + (Int(start) - firstRow) * line, line, output + row * count, count,
          spans.pointee.weights + row * filter.stride, Int(filter.taps[row]))
      }
    }
  }

  /// The lightness of pixels of three samples.
  package static func luminance(
    _ source: UnsafePointer<UInt8>, into output: UnsafeMutablePointer<UInt8>, pixels: Int, isa: InstructionSet = .best
  ) { isa.pixels.luminance(source, output, pixels) }

  /// Pixels of three samples, away from (above 1) or towards (below 1) their lightness.
  package static func saturate(
    _ source: UnsafePointer<UInt8>, into output: UnsafeMutablePointer<UInt8>, pixels: Int, by factor: Float,
    isa: InstructionSet = .best
  ) { isa.pixels.saturate(source, output, pixels, factor) }

  /// Pixels of three samples, their hues turned by so many sixths of the colour circle, from -6 to 6.
  package static func turnHue(
    _ source: UnsafePointer<UInt8>, into output: UnsafeMutablePointer<UInt8>, pixels: Int, bySixths sixths: Float,
    isa: InstructionSet = .best
  ) { isa.pixels.turn_hue(source, output, pixels, sixths) }
}

extension PixelKernel.Filter {
  fileprivate func withPointers(starts: [Int32], _ body: (UnsafePointer<ck_pixel_filter>) -> Void) {
    starts.withUnsafeBufferPointer { starts in
      taps.withUnsafeBufferPointer { taps in
        weights.withUnsafeBufferPointer { weights in
          withUnsafePointer(
            to: ck_pixel_filter(
              starts: starts.baseAddress, taps: taps.baseAddress, weights: weights.baseAddress, stride: stride), body)
        }
      }
    }
  }
}

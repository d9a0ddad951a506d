import Graph
import Kernels

/// A part of a picture, in pixels from its upper left corner; fractions of pixels are allowed.
public struct PixelBox: Hashable, Sendable {
  public var left, top, right, bottom: Float

  public init(left: Float, top: Float, right: Float, bottom: Float) {
    (self.left, self.top, self.right, self.bottom) = (left, top, right, bottom)
  }
}

extension Image {
  /// The picture, or `box` of it, at another size: the same bytes as Pillow's `Image.resize(size, filter, box)`.
  /// Channels are resized independently, alpha like the others.
  ///
  /// - Parameters:
  ///   - width, height: extents of the result; positive.
  ///   - box: the part to show; must lie inside the picture and not be empty. All of it by default.
  public func resized(
    width: Int, height: Int, interpolation: Interpolation = .bilinear, box: PixelBox? = nil
  ) -> Image {
    resized(width: width, height: height, interpolation: interpolation, box: box, columns: 0..<width, rows: 0..<height)
  }

  /// Only `columns` and `rows` of the resized picture: the same bytes as resizing and then cropping, without the cost
  /// (a picture of 1x100,000 pixels would grow beyond all memory before a crop).
  func resized(
    width: Int, height: Int, interpolation: Interpolation, box: PixelBox?, columns: Range<Int>, rows: Range<Int>
  ) -> Image {
    let whole = PixelBox(left: 0, top: 0, right: Float(self.width), bottom: Float(self.height))
    let box = box ?? whole
    if width <= 0 || height <= 0 { fail("an image can't be resized to \(width)x\(height)") }
    guard box.left >= 0, box.top >= 0, box.right <= whole.right, box.bottom <= whole.bottom, box.left < box.right,
      box.top < box.bottom
    else { fail("\(box) does not lie inside an image of \(self.width)x\(self.height)") }
    if interpolation == .nearest {
      return nearest(width: width, height: height, box: box, columns: columns, rows: rows)
    }

    let across = ResamplingWeights(
      extent: self.width, low: box.left, high: box.right, size: width, window: columns, interpolation: interpolation)
    let down = ResamplingWeights(
      extent: self.height, low: box.top, high: box.bottom, size: height, window: rows, interpolation: interpolation)
    // A direction in which nothing changes is copied, not filtered.
    let keepsColumns = width == self.width && box.left == 0 && box.right == whole.right
    let keepsRows = height == self.height && box.top == 0 && box.bottom == whole.bottom
    if keepsColumns || keepsRows {
      let part = cropped(
        columns: keepsColumns ? columns : 0..<self.width, rows: keepsRows ? rows : 0..<self.height)
      if !keepsColumns { return part.filteredAcross(across, rows: 0..<part.height) }
      return keepsRows ? part : part.filteredDown(down, columns: 0..<part.width)
    }
    // Across first, unless that leaves much more for the second pass: the rule of Pillow 13, which older versions lack
    // (their results differ by 1 there). Each first pass makes only what the second one reads.
    if height < self.height && self.height - height > 2 * (self.width - width) {
      let reach = across.reach
      return filteredDown(down, columns: reach).filteredAcross(
        across, firstColumn: reach.lowerBound, rows: 0..<rows.count)
    }
    let reach = down.reach
    return filteredAcross(across, rows: reach).filteredDown(
      down, firstRow: reach.lowerBound, columns: 0..<columns.count)
  }

  /// A part of the picture; must lie inside it.
  public func cropped(columns: Range<Int>, rows: Range<Int>) -> Image {
    guard !columns.isEmpty, !rows.isEmpty, columns.lowerBound >= 0, rows.lowerBound >= 0, columns.upperBound <= width,
      rows.upperBound <= height
    else { fail("columns \(columns) and rows \(rows) do not lie inside an image of \(width)x\(height)") }
    if columns.count == width && rows.count == height { return self }
    var part: [UInt8] = []
    part.reserveCapacity(columns.count * rows.count * channels)
    for y in rows {
      let row = y * width * channels
      part += pixels[(row + columns.lowerBound * channels)..<(row + columns.upperBound * channels)]
    }
    return Image(width: columns.count, height: rows.count, channels: channels, pixels: part)
  }

  private func nearest(width: Int, height: Int, box: PixelBox, columns: Range<Int>, rows: Range<Int>) -> Image {
    // Added up step by step, as Pillow does, so that ties fall the same way.
    func positions(_ low: Float, _ high: Float, size: Int, window: Range<Int>, extent: Int) -> [Int] {
      let step = Double(high - low) / Double(size)
      var position = Double(low) + step * (Double(window.lowerBound) + 0.5)
      return window.map { _ in
        defer { position += step }
        return min(Int(position), extent - 1)
      }
    }
    let xs = positions(box.left, box.right, size: width, window: columns, extent: self.width)
    let ys = positions(box.top, box.bottom, size: height, window: rows, extent: self.height)
    return Image(width: columns.count, height: rows.count, channels: channels) { output in
      pixels.withUnsafeBufferPointer { input in
        var to = 0
        for y in ys {
          for x in xs {
            let from = (y * self.width + x) * channels
            for channel in 0..<channels { output[to + channel] = input[from + channel] }
            to += channels
          }
        }
      }
    }
  }

  /// Rows filtered from left to right; the picture begins at column `firstColumn` of the one that the weights mean.
  private func filteredAcross(_ across: ResamplingWeights, firstColumn: Int = 0, rows: Range<Int>) -> Image {
    Image(width: across.count, height: rows.count, channels: channels) { output in
      pixels.withUnsafeBufferPointer { input in
        guard let source = input.baseAddress, let to = output.baseAddress else { return }
        PixelKernel.filterAcross(
          source + rows.lowerBound * width * channels, into: to, width: width, rows: rows.count, channels: channels,
          firstColumn: firstColumn, across.filter)
      }
    }
  }

  /// Columns filtered from top to bottom; the picture begins at row `firstRow` of the one that the weights mean.
  private func filteredDown(_ down: ResamplingWeights, firstRow: Int = 0, columns: Range<Int>) -> Image {
    Image(width: columns.count, height: down.count, channels: channels) { output in
      pixels.withUnsafeBufferPointer { input in
        guard let source = input.baseAddress, let to = output.baseAddress else { return }
        PixelKernel.filterDown(
          source + columns.lowerBound * channels, line: width * channels, into: to, count: columns.count * channels,
          firstRow: firstRow, down.filter)
      }
    }
  }
}

import Layers
public import Vision

extension Image {
  /// Pictures of one size and kind side by side on white, row by row.
  ///
  /// - Parameters:
  ///   - tiles: at least one.
  ///   - columns: as many as rows, or one more row, unless given.
  ///   - gap: pixels between and around the tiles.
  public static func sheet(of tiles: [Image], columns: Int? = nil, gap: Int = 4) -> Image {
    guard let first = tiles.first else { fail("a sheet needs at least one picture") }
    let columns = columns ?? Int(Double(tiles.count).squareRoot().rounded(.up))
    let rows = (tiles.count + columns - 1) / columns
    var sheet = Image(
      width: columns * (first.width + gap) + gap, height: rows * (first.height + gap) + gap, channels: first.channels)
    for (index, tile) in tiles.enumerated() {
      sheet.paste(
        tile, left: gap + index % columns * (first.width + gap), top: gap + index / columns * (first.height + gap))
    }
    return sheet
  }

  /// Every pixel as a square of `zoom` by `zoom`.
  public func enlarged(by zoom: Int) -> Image {
    zoom <= 1 ? self : resized(width: width * zoom, height: height * zoom, interpolation: .nearest)
  }

  /// The picture with its longer side brought down to `side`; smaller ones stay as they are.
  public func thumbnail(side: Int) -> Image {
    let longest = max(width, height)
    if longest <= side { return self }
    return resized(width: max(1, width * side / longest), height: max(1, height * side / longest))
  }
}

import Formats
import Foundation
import Inspect
import Layers
public import Vision

extension EdgeFeatures {
  /// One response as a picture; white is the largest of all eight.
  ///
  /// - Parameter isPooled: whether each patch shows its maximum.
  public func picture(direction: Int, isPooled: Bool = false) -> Image {
    let maps = isPooled ? pooled(to: patches) : responses
    let (height, width) = (maps.shape[2], maps.shape[3])
    let scale = 255 / max(1e-12, responses.max().item(as: Float.self))
    let map = maps.sliced([0..<1, direction..<direction + 1]).scalars(as: Float.self)
    return Image(width: width, height: height, channels: 1, pixels: map.map { UInt8(($0 * scale).rounded()) })
  }

  /// All eight around the picture itself, each on the side that it brightens towards; small pictures enlarged.
  public func compass(isPooled: Bool = false) -> Image {
    let places = [(2, 1), (2, 0), (1, 0), (0, 0), (0, 1), (0, 2), (1, 2), (2, 2)]
    let (width, height) = (responses.shape[3], responses.shape[2])
    let maps = (0..<8).map { direction in
      picture(direction: direction, isPooled: isPooled).resized(width: width, height: height, interpolation: .nearest)
    }
    let tiles = Array(zip(maps, places)) + [(image, (1, 1))]
    let gap = 4
    let zoom = max(1, 160 / max(image.width, image.height))
    let (wide, high) = (3 * (image.width * zoom + gap) + gap, 3 * (image.height * zoom + gap) + gap)
    var pixels = [UInt8](repeating: 96, count: wide * high)
    for (tile, (column, row)) in tiles {
      // A response lacks the picture's border.
      let border = (image.width - tile.width) / 2 * zoom
      let left = gap + column * (image.width * zoom + gap) + border
      let top = gap + row * (image.height * zoom + gap) + border
      for y in 0..<tile.height * zoom {
        for x in 0..<tile.width * zoom {
          pixels[(top + y) * wide + left + x] = tile.pixels[y / zoom * tile.width + x / zoom]
        }
      }
    }
    return Image(width: wide, height: high, channels: 1, pixels: pixels)
  }

  /// Writes `edges-000.png` to `edges-315.png`, `compass.png`, with several patches `pooled.png`, and all steps in one
  /// drawing, `edges.svg`.
  public func write(to folder: String) throws {
    do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
      throw LabError("\(folder): this folder cannot be made: \(error.localizedDescription)")
    }
    for (index, degrees) in Self.directions.enumerated() {
      try picture(direction: index).writePNG(to: String(format: "%@/edges-%03d.png", folder, degrees))
    }
    try compass().writePNG(to: "\(folder)/compass.png")
    if patches > 1 { try compass(isPooled: true).writePNG(to: "\(folder)/pooled.png") }
    try AtomicFile.write(svg(), to: "\(folder)/edges.svg")
  }
}

// MARK: - The way from picture to features

extension EdgeFeatures {
  /// All steps as one SVG file, a row for each direction: the kernel `w`, the map `x ∗ w` with 0 in grey, what ReLU leaves
  /// of it, the sums of the patches and the sum `f` of them all. Colours follow the viewer's light or dark scheme.
  public func svg() throws -> String {
    let map = DrawnMap(width: responses.shape[3], height: responses.shape[2])
    let rows = try Self.directions.indices.map { index -> Markup in
      let top = Double(index) * (map.height + 24) + 40
      return """
        <g transform="translate(0 \(top))">
        \(kernel(index, centre: map.height / 2))
        \(try map.markup(signedPicture(direction: index), x: Column.map))
        \(try map.markup(picture(direction: index), x: Column.rectified))
        \(sums(index, map))
        <text class="number" x="\(Column.sum)" y="\(map.height / 2 + 5)" font-size="16">\(Self.number(sums[index].reduce(0, +)))</text>
        </g>
        """
    }
    let height = 8 * (map.height + 24) + 40
    let titles: [(String, Double)] = [
      ("picture x", Column.picture), ("kernel w", Column.kernel), ("x ∗ w, 0 is grey", Column.map),
      ("max(0, x ∗ w)", Column.rectified),
      (patches == 1 ? "" : "sums of \(patches)×\(patches) patches", Column.patches), ("f, sum of all", Column.sum),
    ]
    let document: Markup = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 \(height)" width="960" height="\(height)" role="img">
      <style>
      \(Markup(stringLiteral: NumberGrid.drawingStyle))
      image { image-rendering: pixelated; }
      </style>
      <rect class="paper" width="960" height="\(height)"/>
      \(titles.map { "<text class=\"label\" x=\"\($0.1)\" y=\"26\" font-size=\"14\">\($0.0)</text>" })
      <g transform="translate(0 40)">
      \(try DrawnMap(width: image.width, height: image.height).markup(image, x: Column.picture))
      </g>
      \(rows)
      </svg>

      """
    return document.text
  }

  /// Left edges, in pixels.
  private enum Column {
    static let (picture, kernel, map, rectified, patches, sum) = (24.0, 192.0, 380.0, 524.0, 668.0, 840.0)
  }

  private static func number(_ value: Float) -> String { String(format: value < 100 ? "%.2f" : "%.0f", value) }

  /// The map before ReLU: as kernels of opposite directions differ in sign alone, ReLU's results for both contain it.
  private func signedPicture(direction: Int) -> Image {
    let (height, width) = (responses.shape[2], responses.shape[3])
    let scale = 127 / max(1e-12, responses.max().item(as: Float.self))
    func map(_ direction: Int) -> [Float] {
      responses.sliced([0..<1, direction..<direction + 1]).scalars(as: Float.self)
    }
    let pixels = zip(map(direction), map((direction + 4) % 8)).map { UInt8(128 + (($0 - $1) * scale).rounded()) }
    return Image(width: width, height: height, channels: 1, pixels: pixels)
  }

  private func kernel(_ direction: Int, centre: Double) -> Markup {
    let weights = Self.kernels.scalars(as: Float.self)[direction * 9..<direction * 9 + 9]
    let side = 32.0
    let cells: [Markup] = weights.enumerated().map { index, weight in
      let (x, y) = (Column.kernel + 68 + Double(index % 3) * side, centre + (Double(index / 3) - 1.5) * side)
      return """
        <rect class="cell" x="\(x)" y="\(y)" width="\(side)" height="\(side)"/>
        <text class="number" x="\(x + side / 2)" y="\(y + side / 2 + 5)" font-size="14" text-anchor="middle">\(weight.short)</text>
        """
    }
    return """
      <text class="label" x="\(Column.kernel)" y="\(centre + 5)" font-size="14">\(Self.names[direction])</text>
      \(cells)
      """
  }

  /// A grid of the patches, the more coloured the larger the sum is beside the largest of all; with its numbers where
  /// they have room.
  private func sums(_ direction: Int, _ map: DrawnMap) -> Markup {
    if patches == 1 { return "" }
    let largest = max(1e-12, sums.joined().max() ?? 0)
    let (width, height) = (map.width / Double(patches), map.height / Double(patches))
    let cells: [Markup] = sums[direction].enumerated().map { index, sum in
      let (x, y) = (Column.patches + Double(index % patches) * width, Double(index / patches) * height)
      let number: Markup =
        width < 28 || height < 12
        ? ""
        : """
        <text class="number" x="\(x + width / 2)" y="\(y + height / 2 + 4)" font-size="10" text-anchor="middle">\(Double(sum), digits: 1)</text>
        """
      return """
        <rect class="cell" x="\(x)" y="\(y)" width="\(width)" height="\(height)"/>
        <rect class="mark" x="\(x)" y="\(y)" width="\(width)" height="\(height)" \
        style="stroke:none;fill-opacity:\(Double(sum / largest) * 0.8, digits: 3)"/>
        \(number)
        """
    }
    return Markup(cells)
  }
}

/// Where a map of some extents is drawn: in a square of 120 pixels, with the map's proportions.
private struct DrawnMap {
  let width, height: Double

  init(width: Int, height: Int) {
    let scale = 120 / Double(max(width, height))
    (self.width, self.height) = (max(1, Double(width) * scale), max(1, Double(height) * scale))
  }

  /// The picture, with no more pixels than a sharp screen shows.
  func markup(_ image: Image, x: Double) throws -> Markup {
    let (wide, high) = (Int(2 * width), Int(2 * height))
    let small = image.width <= wide && image.height <= high ? image : image.resized(width: wide, height: high)
    let data = Data(try small.pngData()).base64EncodedString()
    return """
      <image x="\(x)" y="0" width="\(width)" height="\(height)" preserveAspectRatio="none" \
      href="data:image/png;base64,\(data)"/>
      """
  }
}

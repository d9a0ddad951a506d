import Foundation

/// Pictures in rows with captions: as one picture, or as HTML that needs no other file.
public struct ContactSheet: Sendable {
  public struct Cell: Sendable {
    public var image: Image
    /// Shown in HTML only.
    public var caption: String

    public init(_ image: Image, caption: String = "") {
      self.image = image
      self.caption = caption
    }
  }

  /// Rows may differ in length, and pictures in size and colours.
  public var rows: [[Cell]]

  public init(rows: [[Cell]]) { self.rows = rows }

  /// Pictures in reading order, `columns` in a row.
  public init(_ cells: [Cell], columns: Int) {
    rows = stride(from: 0, to: cells.count, by: max(1, columns)).map {
      Array(cells[$0..<min(cells.count, $0 + max(1, columns))])
    }
  }

  /// All pictures on one, with `gap` pixels around each; small pictures are enlarged, pixel by pixel, to at least
  /// `smallestSide`. Grey if all are.
  public func image(gap: Int = 8, smallestSide: Int = 64, background: RGBColor = .white) -> Image {
    let cells = rows.flatMap { $0 }
    let channels = cells.allSatisfy { $0.image.channels == 1 } && background.isGrey ? 1 : 3
    let side = cells.map { max($0.image.width, $0.image.height) }.max() ?? 1
    let zoom = max(1, (smallestSide + side - 1) / side)
    let width = zoom * (cells.map(\.image.width).max() ?? 0)
    let height = zoom * (cells.map(\.image.height).max() ?? 0)
    let columns = rows.map(\.count).max() ?? 0
    var sheet = Image(
      width: columns * (width + gap) + gap, height: rows.count * (height + gap) + gap, channels: channels,
      color: background)
    for (y, row) in rows.enumerated() {
      for (x, cell) in row.enumerated() {
        let opaque = cell.image.composited(over: background)
        let picture = (channels == 1 ? opaque : opaque.rgb()).resized(
          width: opaque.width * zoom, height: opaque.height * zoom, interpolation: .nearest)
        sheet.paste(picture, left: gap + x * (width + gap), top: gap + y * (height + gap))
      }
    }
    return sheet
  }

  /// A table of figures, with the pictures inside as PNG: a part of a page, without styles.
  public func htmlTable() throws(ImageError) -> String {
    var html = "<table class=\"sheet\">\n"
    for row in rows {
      html += "<tr>\n"
      for cell in row {
        let data = Foundation.Data(try cell.image.pngData()).base64EncodedString()
        let caption = Self.escaped(cell.caption)
        html += "<td><figure><img width=\"\(cell.image.width)\" height=\"\(cell.image.height)\" alt=\"\(caption)\" "
        html += "src=\"data:image/png;base64,\(data)\">"
        html += caption.isEmpty ? "</figure></td>\n" : "<figcaption>\(caption)</figcaption></figure></td>\n"
      }
      html += "</tr>\n"
    }
    return html + "</table>\n"
  }

  /// A whole page.
  public func htmlPage(title: String) throws(ImageError) -> String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(Self.escaped(title))</title>
    <style>
    :root { color-scheme: light dark; }
    body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; }
    .scroll { overflow-x: auto; }
    td { vertical-align: top; padding: 0 .5rem .75rem 0; }
    figure { margin: 0; }
    img { display: block; image-rendering: pixelated; min-width: 64px; height: auto; }
    figcaption { font-size: .8rem; max-width: 14rem; overflow-wrap: anywhere; opacity: .8; }
    </style>
    <h1>\(Self.escaped(title))</h1>
    <div class="scroll">
    \(try htmlTable())</div>
    </html>

    """
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}

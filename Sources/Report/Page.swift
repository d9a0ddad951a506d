import Foundation
import Inspect
import Vision

/// The frame of a page: one file that needs nothing else, reads in light and dark, on paper and on a telephone.
struct Page {
  var title: String
  /// Shown in order; each has a heading and an entry in the list of contents.
  var sections: [Section]
  var header: Markup
  /// Pictures that the sections refer to by `#p0`, `#p1`, ...; each is stored once.
  var pictures: [Image]
  var footer: Markup

  struct Section {
    /// Its anchor.
    var id: String
    /// In the list of contents.
    var name: String
    var title: String
    /// What it shows and how to read it, in a sentence or two.
    var lead: Markup
    var body: Markup
  }

  func html() throws -> String {
    let stored = try pictures.enumerated().map { try Self.stored($0.element, id: $0.offset) }
    let contents = sections.map { "<li><a href=\"#\($0.id)\">\($0.name)</a></li>" as Markup }
    let body = sections.map { section -> Markup in
      """
      <section id="\(section.id)" aria-labelledby="\(section.id)-title">
      <h2 id="\(section.id)-title">\(section.title)</h2>
      <p class="lead">\(section.lead)</p>
      \(section.body)
      </section>
      """
    }
    let page: Markup = """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
      <title>\(title)</title>
      <style>
      \(Markup(stringLiteral: LineChart.style + "\n" + Self.style))
      </style>
      </head>
      <body>
      <svg class="store" width="0" height="0" aria-hidden="true" focusable="false"><defs>
      \(stored)
      </defs></svg>
      <header id="top">
      \(header)
      </header>
      <nav aria-label="Contents"><ul>
      \(contents)
      </ul></nav>
      <main>
      \(body)
      </main>
      <footer>\(footer)</footer>
      </body>
      </html>

      """
    return page.text
  }

  /// The file of a picture, whichever format is smaller, where every use of it refers to.
  private static func stored(_ image: Image, id: Int) throws -> Markup {
    let style: Markup = isPixelArt(image) ? " class=\"px\"" : ""
    return """
      <image id="p\(id)" width="\(image.width)" height="\(image.height)"\(style) href="\(try dataURL(image))"/>
      """
  }

  /// Small pictures are enlarged pixel by pixel.
  static func isPixelArt(_ image: Image) -> Bool { max(image.width, image.height) < 80 }

  static func dataURL(_ image: Image) throws -> String {
    let png = try image.pngData()
    if png.count > 1500 {
      let jpeg = try image.jpegData(quality: 80)
      if jpeg.count < png.count { return "data:image/jpeg;base64," + Data(jpeg).base64EncodedString() }
    }
    return "data:image/png;base64," + Data(png).base64EncodedString()
  }

  /// A picture by itself, for those that the page shows once.
  static func image(_ image: Image, alt: String, style: String = "") throws -> Markup {
    let classes = style + (isPixelArt(image) ? " px" : "")
    return """
      <img class="\(classes)" src="\(try dataURL(image))" width="\(image.width)" height="\(image.height)" alt="\(alt)">
      """
  }
}

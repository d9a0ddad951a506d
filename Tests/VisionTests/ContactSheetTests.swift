import Testing
import Vision

@Suite struct ContactSheetTests {
  @Test func picturesStandInRows() {
    let red = RGBColor(red: 255, green: 0, blue: 0)
    let sheet = ContactSheet(
      [
        .init(Image(width: 2, height: 1, color: red)), .init(Image(width: 1, height: 2, channels: 1, color: .black)),
        .init(Image(width: 2, height: 2, color: red)),
      ], columns: 2)
    let image = sheet.image(gap: 1, smallestSide: 4)
    #expect(image.width == 11 && image.height == 11 && image.channels == 3)
    func color(_ x: Int, _ y: Int) -> [UInt8] { (0..<3).map { image[x, y, $0] } }
    #expect(color(0, 0) == [255, 255, 255])
    #expect(color(1, 1) == [255, 0, 0] && color(4, 2) == [255, 0, 0] && color(1, 3) == [255, 255, 255])
    #expect(color(6, 1) == [0, 0, 0] && color(7, 4) == [0, 0, 0] && color(8, 1) == [255, 255, 255])
    #expect(color(4, 9) == [255, 0, 0])
    #expect(ContactSheet([.init(Image(width: 3, height: 3, channels: 1))], columns: 5).image().channels == 1)
  }

  @Test func captionsAreOnlyText() throws {
    let cell = ContactSheet.Cell(Image(width: 1, height: 1), caption: "<b>\"&")
    let page = try ContactSheet(rows: [[cell]]).htmlPage(title: "<x>")
    #expect(page.contains("<figcaption>&lt;b&gt;&quot;&amp;</figcaption>"))
    #expect(page.contains("<title>&lt;x&gt;</title>") && !page.contains("<x>"))
    #expect(page.contains("src=\"data:image/png;base64,iVBORw0KGgo"))
  }
}

import ConvNet
import Foundation
import Testing

@Suite struct AugmentTests {
  @Test func drawsASheet() throws {
    let folder = try TemporaryFolder()
    func sheet(_ name: String, _ arguments: String...) throws -> String {
      let path = "\(folder.path)/\(name)"
      let result = try Convnet.run(["augment", "--output", path, "--count", "2", "--variants", "3"] + arguments)
      #expect(result.status == 0 && result.output.contains(path), "\(result.errors)")
      return path
    }
    // Two rows of four pictures of 32x32, twice as large, with gaps of 8.
    let picture = try Image(contentsOf: try sheet("a.png", "--augment", "strong", "--seed", "3"))
    #expect(picture.width == 4 * 72 + 8 && picture.height == 2 * 72 + 8)
    #expect(try Image(contentsOf: try sheet("b.png", "--augment", "strong", "--seed", "3")) == picture)
    #expect(try Image(contentsOf: try sheet("c.png", "--augment", "strong", "--seed", "4")) != picture)

    // A preset that was printed is the preset.
    let printed = try Convnet.run("augment", "--augment", "strong", "--print")
    try Data(printed.output.utf8).write(to: URL(fileURLWithPath: "\(folder.path)/steps.json"))
    let again = try sheet("d.png", "--augment", "\(folder.path)/steps.json", "--seed", "3")
    #expect(try Image(contentsOf: again) == picture)

    let page = try String(contentsOfFile: try sheet("e.html", "--augment", "none"), encoding: .utf8)
    #expect(page.components(separatedBy: "data:image/png;base64,").count == 9)
    #expect(page.contains("<figcaption>unchanged</figcaption>"))
  }

  @Test func errorsAreOneLine() throws {
    for (arguments, status, part) in [
      (["--augment", "loud"], 1, "loud: neither a preset"), (["--output", "a.gif"], 64, ".png or .html"),
      (["--count", "0"], 64, "--count"), (["/nowhere"], 1, "/nowhere: there is no such folder"),
      (["--print"], 64, "--augment"),
      (["--output", "/nowhere/a.png"], 1, "/nowhere/a.png"),
    ] as [([String], Int32, String)] {
      let result = try Convnet.run(["augment"] + arguments)
      #expect(result.status == status && result.errorLines.first?.contains(part) == true, "\(result.errors)")
      #expect(status == 64 || result.errorLines.count == 1)
    }
  }
}

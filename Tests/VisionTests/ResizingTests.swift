import Foundation
import Runtime
import Testing
import Vision

@Suite struct ResizingTests {
  @Test func everySizeFilterAndBoxEqualsPillow() throws {
    let table = try Fixtures.Table("resize")
    #expect(table.rows.count == 134)
    for row in table.rows where row.filter != "source" {
      let source = try Fixtures.source(row.mode!)
      let box = row.box.map { PixelBox(left: $0[0], top: $0[1], right: $0[2], bottom: $0[3]) }
      let image = source.resized(
        width: row.shape[1], height: row.shape[0], interpolation: Interpolation(rawValue: row.filter!)!, box: box)
      #expect(image == table.image(row), "\(row) is off by \(difference(image, table.image(row)))")
    }
  }

  @Test func fourChannelsAreResizedLikeFourPictures() throws {
    let image = try Image(contentsOf: Fixtures.path("rgba.png"), background: nil)
    let resized = image.resized(width: 11, height: 9, interpolation: .bicubic)
    for channel in 0..<4 {
      let plane = stride(from: channel, to: image.pixels.count, by: 4).map { image.pixels[$0] }
      let alone = Image(width: image.width, height: image.height, channels: 1, pixels: plane)
        .resized(width: 11, height: 9, interpolation: .bicubic)
      #expect(alone.pixels == stride(from: channel, to: resized.pixels.count, by: 4).map { resized.pixels[$0] })
    }
  }

  @Test func preparationEqualsTorchvision() throws {
    let table = try Fixtures.Table("prepare")
    let source = try Fixtures.source()
    let (mean, std): ([Float], [Float]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    func rule(
      _ height: Int, _ width: Int, _ resize: ImagePreprocessing.Resize, _ interpolation: Interpolation = .bilinear,
      _ background: RGBColor = .black
    ) -> ImagePreprocessing {
      ImagePreprocessing(
        height: height, width: width, resize: resize, interpolation: interpolation, background: background, mean: mean,
        std: std)
    }
    let green = RGBColor(red: 10, green: 200, blue: 90)
    let rules: [String: ImagePreprocessing] = [
      "shortest 24, crop 20x22": rule(20, 22, .shortestSide(24)),
      "shortest 24 bicubic, crop 21x21": rule(21, 21, .shortestSide(24), .bicubic),
      "shortest 40, crop 33x31": rule(33, 31, .shortestSide(40)),
      "shortest 12, crop 19x30 padded": rule(19, 30, .shortestSide(12)),
      "stretch 16x24": rule(16, 24, .stretch),
      "grey stretch 28x28": ImagePreprocessing(channels: 1, height: 28, width: 28, mean: [0.2860], std: [0.3530]),
      "fit 30x20": rule(30, 20, .fit, .bilinear, green),
      "fit 16x40": rule(16, 40, .fit, .bilinear, green),
    ]
    #expect(table.rows.count == rules.count)
    for row in table.rows {
      let tensor = try #require(rules[row.name!]).tensor(from: source)
      #expect(tensor.shape.dimensions == row.shape)
      let worst = zip(tensor.scalars(as: Float.self), table.floats(row)).map { abs($0 - $1) }.max()!
      #expect(worst < 1e-5, "\(row.name!) is off by \(worst)")
    }
  }

  @Test func preparationCopesWithAnyShapeAndMode() throws {
    let rule = ImagePreprocessing.imageNet
    // A strip that, scaled to 256 rows, would have 76 million columns.
    let strip = Image(width: 300_000, height: 1, color: RGBColor(red: 9, green: 8, blue: 7))
    let tensor = rule.tensor(from: strip)
    #expect(tensor.shape == [3, 224, 224])
    #expect(rule.image(from: tensor) == Image(width: 224, height: 224, color: RGBColor(red: 9, green: 8, blue: 7)))
    for resize: ImagePreprocessing.Resize in [.stretch, .fit, .shortestSide(1), .shortestSide(40)] {
      for interpolation in Interpolation.allCases {
        for channels in [1, 3] {
          let rule = ImagePreprocessing(
            channels: channels, height: 5, width: 9, resize: resize, interpolation: interpolation,
            background: RGBColor(red: 1, green: 200, blue: 3))
          for (width, height) in [(1, 1), (1, 40), (40, 1), (5, 9), (9, 5)] {
            for count in [1, 3, 4] {
              #expect(
                rule.tensor(from: Image(width: width, height: height, channels: count)).shape == [channels, 5, 9])
            }
          }
        }
      }
    }
    // Transparent pixels show the background, also in grey.
    let clear = Image(width: 1, height: 1, channels: 4, pixels: [0, 0, 0, 0])
    let grey = ImagePreprocessing(channels: 1, height: 1, width: 1, background: .white)
    #expect(grey.tensor(from: clear).item(as: Float.self) == 1)
  }

  @Test func preprocessingIsReadableJSON() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let rule = ImagePreprocessing(
      height: 224, width: 192, resize: .shortestSide(256), mean: [0.5, 0.25, 0.75], std: [0.5, 0.25, 0.125])
    let text = String(decoding: try encoder.encode(rule), as: UTF8.self)
    #expect(
      text
        == #"{"background":[255,255,255],"channels":3,"interpolation":"bilinear","mean":[0.5,0.25,0.75],"#
        + #""resize":{"shortestSide":256},"size":[224,192],"std":[0.5,0.25,0.125]}"#)
    #expect(try JSONDecoder().decode(ImagePreprocessing.self, from: Data(text.utf8)) == rule)
    for resize: ImagePreprocessing.Resize in [.stretch, .fit] {
      let rule = ImagePreprocessing(channels: 1, height: 28, width: 28, resize: resize)
      #expect(try JSONDecoder().decode(ImagePreprocessing.self, from: encoder.encode(rule)) == rule)
    }
    for (from, to) in [
      ("[224,192]", "[0,192]"), ("[224,192]", "[224]"), ("\"channels\":3", "\"channels\":2"),
      ("0.125", "0"), ("256", "-1"), ("256", "99999999999"), ("\"bilinear\"", "\"lanczos\""),
      ("{\"shortestSide\":256}", "\"squash\""), ("[255,255,255]", "[255,256,255]"), ("[0.5,0.25,0.75]", "[0.5]"),
    ] {
      let changed = text.replacingOccurrences(of: from, with: to)
      #expect(throws: DecodingError.self, "\(changed)") {
        try JSONDecoder().decode(ImagePreprocessing.self, from: Data(changed.utf8))
      }
    }
  }
}

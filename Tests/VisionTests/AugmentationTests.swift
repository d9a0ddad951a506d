import Foundation
import Runtime
import Testing
import Vision

@Suite struct AugmentationTests {
  static let presets: [Augmentation] = [.none, .light, .standard, .strong]
  static let rule = ImagePreprocessing(height: 24, width: 20)

  @Test func coloursEqualPillowAndTorchvision() throws {
    let table = try Fixtures.Table("colour")
    let source = try Fixtures.source()
    for row in table.rows {
      let factor = row.factor ?? 0
      let image =
        switch row.name {
        case "grey": source.grey()
        case "brightness": source.adjustingBrightness(by: factor)
        case "contrast": source.adjustingContrast(by: factor)
        case "saturation": source.adjustingSaturation(by: factor)
        default: source.adjustingHue(by: factor)
        }
      // Pillow cuts fractions where we round.
      let off = difference(image, table.image(row))
      #expect(off <= (row.name == "grey" ? 0 : 1), "\(row.name!) \(factor) is off by \(off)")
    }
  }

  @Test func sameStreamSamePicture() throws {
    let source = try Fixtures.source()
    for augmentation in Self.presets {
      func picture(_ stream: UInt64) -> Image {
        augmentation.apply(to: source, preprocessing: Self.rule, random: RandomStream(seed: 3, stream: stream))
      }
      #expect(picture(1) == picture(1))
      #expect((1...8).allSatisfy { picture($0) == picture(1) } == augmentation.steps.isEmpty)
      #expect(picture(1).width == 20 && picture(1).height == 24)
      // A stream that was used before is a value: the caller's copy is untouched.
      let random = RandomStream(seed: 3, stream: 1)
      #expect(augmentation.apply(to: source, preprocessing: Self.rule, random: random) == picture(1))
    }
  }

  @Test func stepsDoWhatTheySay() throws {
    let source = try Fixtures.source()
    let fitted = Self.rule.fitted(source)
    func apply(_ step: Augmentation.Step, _ stream: UInt64 = 0) -> Image {
      Augmentation([step]).apply(to: source, preprocessing: Self.rule, random: RandomStream(seed: 1, stream: stream))
    }
    #expect(apply(.horizontalFlip(probability: 0)) == fitted)
    #expect(apply(.horizontalFlip(probability: 1)) == fitted.mirrored())
    #expect(apply(.randomCrop(padding: 0)) == fitted)
    #expect(apply(.affine(degrees: 0, translation: 0, scale: 1...1, shear: 0)) == fitted)
    #expect(apply(.colorJitter(brightness: 0, contrast: 0, saturation: 0, hue: 0)) == fitted)
    #expect(difference(apply(.randomResizedCrop(scale: 1...1, ratio: (37.0 / 29)...(37.0 / 29))), fitted) == 0)

    let flips = (0..<2000).count { apply(.horizontalFlip(probability: 0.3), $0) != fitted }
    #expect((520...680).contains(flips))

    // All moves of up to a tenth (2 right, 2 down) occur, and each is a plain move.
    var moves = Set<[Int]>()
    for stream in 0..<400 as Range<UInt64> {
      let picture = apply(.randomCrop(padding: 0.1), stream)
      for right in -2...2 {
        for down in -2...2 where fitted.moved(Double(right), Double(down)) == picture { moves.insert([right, down]) }
      }
    }
    #expect(moves.count == 25)
  }

  @Test func movesAndTurnsAreExactWhereTheyCanBe() throws {
    let image = Image(width: 3, height: 3, channels: 1, pixels: [1, 2, 3, 4, 5, 6, 7, 8, 9])
    #expect(image.moved(1, 0).pixels == [1, 1, 2, 4, 4, 5, 7, 7, 8])
    #expect(image.moved(0, -1).pixels == [4, 5, 6, 7, 8, 9, 7, 8, 9])
    #expect(image.warped(by: .affine(degrees: 90, about: (1.5, 1.5))) == image.oriented(6))
    // Half a pixel to the right: means of neighbours.
    let row = Image(width: 3, height: 1, channels: 1, pixels: [0, 100, 200])
    #expect(row.moved(0.5, 0).pixels == [0, 50, 150])
    // Twice as large: half as far from the middle.
    #expect(row.warped(by: .affine(scale: 2, about: (1.5, 0.5))).pixels == [50, 100, 150])
  }

  @Test func presetsNeverFailWhateverThePicture() {
    for augmentation in Self.presets {
      for channels in [1, 3] {
        let rule = ImagePreprocessing(channels: channels, height: 7, width: 6)
        for (width, height, count) in [(1, 1, 1), (1, 90, 3), (90, 1, 4), (28, 28, 1), (2, 2, 3)] {
          for stream in 0..<20 as Range<UInt64> {
            let image = Image(width: width, height: height, channels: count)
            let picture = augmentation.apply(
              to: image, preprocessing: rule, random: RandomStream(seed: 1, stream: stream))
            #expect(rule.normalized(picture).shape == [channels, 7, 6])
          }
        }
      }
    }
  }

  @Test func augmentationIsReadableJSON() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let augmentation = Augmentation([
      .horizontalFlip(probability: 0.5), .gaussianBlur(sigma: 0.75...1.25, probability: 0.25), .trivialAugment,
    ])
    let text = String(decoding: try encoder.encode(augmentation), as: UTF8.self)
    #expect(
      text == #"[{"horizontalFlip":{"probability":0.5}},{"gaussianBlur":{"probability":0.25,"sigma":[0.75,1.25]}},"#
        + #"{"trivialAugment":{}}]"#)
    #expect(try JSONDecoder().decode(Augmentation.self, from: Data("\"strong\"".utf8)) == .strong)
    for preset in Self.presets + [augmentation] {
      #expect(try JSONDecoder().decode(Augmentation.self, from: encoder.encode(preset)) == preset)
    }
    for (from, to) in [
      ("0.5", "1.5"), ("0.75", "0"), ("0.25,", "1e30,"), ("1.25", "0.5"), ("gaussianBlur", "bokeh"), ("[{", "[3, {"),
    ] {
      let changed = text.replacingOccurrences(of: from, with: to)
      #expect(throws: DecodingError.self, "\(changed)") {
        try JSONDecoder().decode(Augmentation.self, from: Data(changed.utf8))
      }
    }
  }
}

extension Image {
  fileprivate func moved(_ right: Double, _ down: Double) -> Image {
    warped(by: .translation(right: right, down: down))
  }
}

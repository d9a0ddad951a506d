import Foundation
import Testing
import Vision

/// Each change against torchvision's pixels for the same numbers (`Fixtures/make_augmentation.py`).
@Suite struct AugmentationPeerTests {
  private static let fill = Image.Border.color(RGBColor(red: 10, green: 200, blue: 90))

  private static func affine(_ numbers: [Double]) -> ProjectiveTransform {
    .affine(degrees: numbers[0], scale: numbers[1], shear: (numbers[2], numbers[3]), about: (18.5, 14.5))
      .followed(by: .translation(right: numbers[4], down: numbers[5]))
  }

  private static func perspective(_ numbers: [Double]) -> ProjectiveTransform {
    .perspective(width: 37, height: 29, corners: (0..<4).map { SIMD2(numbers[2 * $0], numbers[2 * $0 + 1]) })
  }

  @Test func geometryEqualsTorchvision() throws {
    let table = try Fixtures.Table("augmentation")
    let source = try Fixtures.source()
    var count = 0
    for row in table.rows where row.name == "affine" || row.name == "perspective" {
      let numbers = try #require(row.numbers)
      let transform = row.name == "affine" ? Self.affine(numbers) : Self.perspective(numbers)
      let mode = try #require(row.mode.flatMap(Interpolation.init))
      let image = source.warped(by: transform, interpolation: mode, border: Self.fill)
      let expected = table.image(row)
      // Pillow cuts fractions where we round, and decides in fixed point which pixels lie outside or nearest; of 1073
      // pixels a few on the line between two may fall to the other side.
      let off = (0..<37 * 29).count { pixel in
        (3 * pixel..<3 * pixel + 3).contains { abs(Int(image.pixels[$0]) - Int(expected.pixels[$0])) > 1 }
      }
      #expect(off <= 4, "\(row.name!) \(numbers) \(mode): \(off) pixels differ")
      count += 1
    }
    #expect(count == 16)
    #expect(source.warped(by: .horizontalFlip(width: 37)) == table.image(try #require(table.row("horizontal flip"))))
    #expect(source.warped(by: .verticalFlip(height: 29)) == table.image(try #require(table.row("vertical flip"))))
  }

  @Test func maskEqualsTorchvision() throws {
    let table = try Fixtures.Table("augmentation")
    let labels = table.image(try #require(table.row("labels")))
    let row = try #require(table.row("mask"))
    let border = Image.Border.color(RGBColor(red: 9, green: 9, blue: 9))
    let mask = labels.warped(by: Self.affine(try #require(row.numbers)), interpolation: .nearest, border: border)
    #expect(zip(mask.pixels, table.image(row).pixels).count { $0 != $1 } <= 2)
  }

  @Test func effectsEqualTorchvision() throws {
    let table = try Fixtures.Table("augmentation")
    var names: Set<String> = []
    for row in table.rows {
      guard let name = row.name else { continue }
      let source = try Fixtures.source(row.mode == "L" ? "L" : "RGB")
      let numbers = (row.numbers ?? []).map(Float.init)
      let image: Image
      // Where fractions are cut or rounded, results may be off by one.
      var tolerance = 0
      switch name {
      case "posterize": image = source.posterized(bits: Int(numbers[0]))
      case "solarize": image = source.solarized(threshold: numbers[0])
      case "invert": image = source.inverted()
      case "equalize": image = source.equalized()
      case "autocontrast":
        let dull = source.pixels.map { 40 + $0 / 2 }
        image = Image(width: 37, height: 29, channels: source.channels, pixels: dull).autocontrasted()
      case "sharpness":
        image = source.adjustingSharpness(by: numbers[0])
        tolerance = 1
      case "blur":
        image = source.blurred(sigma: numbers[1], kernel: Int(numbers[0]))
        tolerance = 1
      case "grey": image = source.grey().rgb()
      default: continue
      }
      names.insert(name)
      let off = difference(image, table.image(row))
      #expect(off <= tolerance, "\(name) \(numbers) \(row.mode ?? "") is off by \(off)")
    }
    #expect(names.count == 8)
  }

  @Test func transformsCompose() {
    let turn = ProjectiveTransform.affine(degrees: 30, scale: 1.2, shear: (5, -7), about: (4, 3))
    let corners = [SIMD2(0.5, 1), SIMD2(8, 0), SIMD2(9, 7), SIMD2(-1, 6)]
    let tilt = ProjectiveTransform.perspective(width: 9, height: 7, corners: corners)
    for (corner, target) in zip([SIMD2(0.0, 0), SIMD2(9, 0), SIMD2(9, 7), SIMD2(0, 7)], corners) {
      #expect(distance(tilt(corner), target) < 1e-12)
    }
    let point = SIMD2(2.5, 6.25)
    #expect(distance(turn.followed(by: tilt)(point), tilt(turn(point))) < 1e-12)
    #expect(distance(tilt.inverse(tilt(point)), point) < 1e-12)
    #expect(distance(turn(SIMD2(4, 3)), SIMD2(4, 3)) < 1e-12)
  }

  private func distance(_ a: SIMD2<Double>, _ b: SIMD2<Double>) -> Double { ((a - b) * (a - b)).sum().squareRoot() }
}

extension Fixtures.Table {
  fileprivate func row(_ name: String) -> Fixtures.Row? { rows.first { $0.name == name } }
}

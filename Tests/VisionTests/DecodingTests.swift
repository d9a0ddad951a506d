import Foundation
import Testing
import Vision

@Suite struct DecodingTests {
  @Test func everyFixtureEqualsPillow() throws {
    let table = try Fixtures.Table("decode")
    #expect(table.rows.count == 44)
    for row in table.rows {
      let name = try #require(row.file)
      let image = try Image(contentsOf: Fixtures.path(name))
      #expect(image.channels == row.channels, "\(name)")
      let off = difference(image.rgb(), table.image(row))
      #expect(off <= row.tolerance!, "\(name) is off by \(off)")
    }
  }

  @Test func backgroundIsTheCallers() throws {
    let bytes = try Fixtures.bytes("rgba.png")
    let raw = try Image.decode(bytes, background: nil)
    #expect(raw.channels == 4)
    let color = RGBColor(red: 200, green: 10, blue: 60)
    let image = try Image.decode(bytes, background: color)
    for y in 0..<raw.height {
      for x in 0..<raw.width {
        for (channel, ground) in [color.red, color.green, color.blue].enumerated() {
          let alpha = Double(raw[x, y, 3]) / 255
          let exact = Double(raw[x, y, channel]) * alpha + Double(ground) * (1 - alpha)
          #expect(abs(Double(image[x, y, channel]) - exact) <= 0.51)
        }
      }
    }
    // Over a coloured ground, a grey picture with alpha is no longer grey.
    #expect(try Image.decode(Fixtures.bytes("grey-alpha.png"), background: color).channels == 3)
    #expect(try Image.decode(Fixtures.bytes("grey-alpha.png"), background: .black).channels == 1)
  }

  @Test func orientationsDiffer() throws {
    let upright = try Image(contentsOf: Fixtures.path("orientation1.jpg"))
    for (orientation, inverse) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)] {
      #expect(upright.oriented(orientation).oriented(inverse) == upright)
    }
    // A picture of 2x3 pixels, turned by hand.
    let small = Image(width: 2, height: 3, channels: 1, pixels: [1, 2, 3, 4, 5, 6])
    let expected: [[UInt8]] = [
      [1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5], [6, 5, 4, 3, 2, 1], [5, 6, 3, 4, 1, 2],
      [1, 3, 5, 2, 4, 6], [5, 3, 1, 6, 4, 2], [6, 4, 2, 5, 3, 1], [2, 4, 6, 1, 3, 5],
    ]
    for (index, pixels) in expected.enumerated() { #expect(small.oriented(index + 1).pixels == pixels) }
  }

  @Test func limitsAreCheckedBeforeDecoding() throws {
    for name in ["rgb444.jpg", "rgb.png", "lossy.webp"] {
      let text = message { _ = try Image(contentsOf: Fixtures.path(name), limits: ImageLimits(pixelCount: 100)) }
      #expect(
        text.hasSuffix("\(name) is 23x17 pixels, more than the limit of 100 pixels; make it smaller or raise the limit")
      )
    }
    // A header that promises 60000x60000 pixels in a file of a kilobyte.
    var bomb = try Fixtures.bytes("rgb.png")
    bomb.replaceSubrange(16..<24, with: [0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60])
    bomb.replaceSubrange(29..<33, with: crc32(bomb[12..<29]))
    let text = message { _ = try Image.decode(bomb) }
    #expect(text.contains("is 60000x60000 pixels, more than the limit of 178956970 pixels"))
    let short = message { _ = try Image.decode(bomb, limits: ImageLimits(pixelCount: .max)) }
    #expect(short.contains("too short for 60000x60000 pixels"))
  }

  @Test func unsupportedFormatsAreNamed() throws {
    for (name, kind) in [("gif", "a GIF"), ("bmp", "a BMP"), ("tiff", "a TIFF"), ("ico", "an icon (ICO)")] {
      let path = Fixtures.path("unsupported.\(name)")
      #expect(
        message { _ = try Image(contentsOf: path) }
          == "\(path) is \(kind), which is not supported; convert it to PNG or JPEG")
    }
    #expect(message { _ = try Image(contentsOf: Fixtures.path("animated.webp")) }.contains("is an animated WebP"))
    let page = Array("\n<!DOCTYPE html><html><body>404</body></html>".utf8)
    #expect(message { _ = try Image.decode(page) }.contains("is an HTML page (a failed download?)"))
    let heic: [UInt8] = [0, 0, 0, 24] + Array("ftypheic".utf8) + [0, 0, 0, 0]
    #expect(message { _ = try Image.decode(heic) }.contains("is an HEIC, which"))
    #expect(message { _ = try Image.decode([]) } == "the image is empty (0 bytes); copy or download it again")
    #expect(message { _ = try Image.decode([1, 2, 3]) }.hasSuffix("expected JPEG, PNG or WebP"))
    #expect(
      message { _ = try Image(contentsOf: "/nowhere/a.jpg") }
        == "/nowhere/a.jpg: cannot be read: No such file or directory")
    #expect(message { _ = try Image(contentsOf: "/tmp") } == "/tmp: cannot be read: it is not an ordinary file")
  }

  @Test func oddPNGChunksAreForgivenOnlyIfThePixelsDoNotNeedThem() throws {
    let bytes = try Fixtures.bytes("rgb.png")
    let clean = try Image.decode(bytes)
    func inserting(_ kind: String, _ payload: [UInt8]) -> [UInt8] {
      let body = Array(kind.utf8) + payload
      return bytes[..<33] + [0, 0, 0, UInt8(payload.count)] + body + crc32(body) + bytes[33...]
    }
    for (kind, payload) in [
      ("gAMA", [0]), ("iCCP", [0, 0, 1, 2, 3]), ("sRGB", [9]), ("tIME", [1, 2, 3, 99, 99, 99, 99]), ("zzZz", [1, 2]),
      ("eXIf", [1, 2]), ("tEXt", [32, 0]), ("zTXt", [65, 0, 0, 1, 2, 3]),
    ] as [(String, [UInt8])] {
      #expect(try Image.decode(inserting(kind, payload)) == clean, "\(kind)")
    }
    #expect(
      message { _ = try Image.decode(inserting("ABCD", [1])) }
        == "the image is a damaged PNG file (unknown critical chunk); copy or download it again, or remove it")
  }

  @Test func commentsBetweenSegmentsAreNoDamage() throws {
    // Filler before the end mark: libjpeg remarks on it, many cameras write it.
    var bytes = try Fixtures.bytes("rgb420.jpg")
    let clean = try Image.decode(bytes)
    bytes.insert(contentsOf: [0x11, 0x22, 0x33], at: bytes.count - 2)
    #expect(try Image.decode(bytes) == clean)
    // And bytes behind it.
    #expect(try Image.decode(bytes + [1, 2, 3]) == clean)
  }

  @Test func pngIsWrittenAsItIs() throws {
    let folder = try TemporaryFolder()
    for (channels, name) in [(1, "grey.png"), (3, "rgb.png"), (4, "rgba.png")] {
      let image = try Image(contentsOf: Fixtures.path(name), background: nil)
      #expect(image.channels == channels)
      #expect(try Image.decode(image.pngData(), background: nil) == image)
      try image.writePNG(to: "\(folder.path)/\(name)")
      #expect(try Image(contentsOf: "\(folder.path)/\(name)", background: nil) == image)
    }
    let text = message { try Image(width: 2, height: 2).writePNG(to: "\(folder.path)/none/a.png") }
    #expect(text.hasPrefix("\(folder.path)/none/a.png: cannot be written: "))
  }
}

/// The checksum of a PNG chunk, big-endian.
func crc32(_ bytes: some Sequence<UInt8>) -> [UInt8] {
  var crc: UInt32 = 0xFFFF_FFFF
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
  }
  let value = ~crc
  return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
}

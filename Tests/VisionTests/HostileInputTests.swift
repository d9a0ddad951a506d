import Foundation
import Runtime
import Testing
import Vision

/// Nothing that a file holds may trap, hang or give a picture that is not there.
@Suite struct HostileInputTests {
  static let names: [String] = {
    let table = try? Fixtures.Table("decode")
    return (table?.rows ?? []).compactMap(\.file)
  }()

  @Test(arguments: names) func truncatedFilesAreErrors(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    for count in 0..<bytes.count {
      let part = Array(bytes[..<count])
      #expect(throws: ImageError.self, "\(name) cut to \(count) of \(bytes.count) bytes") { try Image.decode(part) }
    }
  }

  /// Every byte once, changed at random; small limits, so that a grown header costs nothing.
  @Test(arguments: names) func changedBytesNeverTrap(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    var random = RandomStream(seed: 7)
    let limits = ImageLimits(pixelCount: 1 << 20)
    var failures = 0
    for position in bytes.indices {
      var changed = bytes
      changed[position] ^= UInt8(random.next() % 255 + 1)
      do {
        let image = try Image.decode(changed, limits: limits)
        #expect(image.pixels.count == image.width * image.height * image.channels)
      } catch {
        failures += 1
      }
    }
    // A PNG's checksums notice every change of a needed byte.
    if name.hasSuffix(".png") { #expect(failures > bytes.count / 2) }
  }

  @Test func manyChangesAtOnceNeverTrap() throws {
    var random = RandomStream(seed: 11)
    let limits = ImageLimits(pixelCount: 1 << 20)
    for name in Self.names {
      let bytes = try Fixtures.bytes(name)
      for _ in 0..<60 {
        var changed = bytes
        for _ in 0..<Int(random.next() % 12 + 1) {
          changed[Int(random.next() % UInt64(changed.count))] = UInt8(truncatingIfNeeded: random.next())
        }
        if random.next() % 3 == 0 { changed.removeLast(Int(random.next() % UInt64(changed.count))) }
        _ = try? Image.decode(changed, limits: limits)
      }
    }
  }

  /// EXIF is parsed by our own code: every byte of the segment, every value that breaks offsets and counts.
  @Test(arguments: ["orientation6.jpg", "orientation8.webp"]) func hostileExifIsIgnored(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    let start = try #require(
      bytes.indices.first {
        bytes[$0...].starts(with: [0x49, 0x49, 0x2A, 0]) || bytes[$0...].starts(with: [0x4D, 0x4D, 0, 0x2A])
      })
    for position in start..<min(start + 40, bytes.count) {
      for value: UInt8 in [0, 1, 9, 0x7F, 0x80, 0xFF] {
        var changed = bytes
        changed[position] = value
        _ = try? Image.decode(changed)
      }
    }
  }

  @Test func pipesAreRefusedAtOnce() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/pipe.jpg"
    #expect(mkfifo(path, 0o600) == 0)
    #expect(message { _ = try Image(contentsOf: path) } == "\(path): cannot be read: it is not an ordinary file")
  }
}

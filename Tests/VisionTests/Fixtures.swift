import Foundation
import Testing
import Vision

/// The files that `Fixtures/make_fixtures.py` made.
enum Fixtures {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures"

  static func path(_ name: String) -> String { "\(folder)/images/\(name)" }

  static func bytes(_ name: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(fileURLWithPath: path(name))))
  }

  /// One array of a table, with whatever the script says about it.
  struct Row: Decodable {
    let shape: [Int]
    let offset: Int
    var file: String?
    var channels: Int?
    var tolerance: Int?
    var mode: String?
    var filter: String?
    var box: [Float]?
    var name: String?
    var factor: Float?
    var numbers: [Double]?
  }

  struct Table {
    let rows: [Row]
    let data: [UInt8]

    init(_ name: String) throws {
      let json = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name).json"))
      rows = try JSONDecoder().decode([Row].self, from: json)
      data = Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name).bin")))
    }

    /// An array of `[height, width, channels]` as a picture.
    func image(_ row: Row) -> Image {
      let count = row.shape.reduce(1, *)
      return Image(
        width: row.shape[1], height: row.shape[0], channels: row.shape[2],
        pixels: Array(data[row.offset..<row.offset + count]))
    }

    func floats(_ row: Row) -> [Float] {
      let count = row.shape.reduce(1, *)
      return data.withUnsafeBytes { bytes in
        (0..<count).map { bytes.loadUnaligned(fromByteOffset: row.offset + 4 * $0, as: Float.self) }
      }
    }
  }

  /// The picture of 37x29 pixels that resizing, preparation and colour start from.
  static func source(_ mode: String = "RGB") throws -> Image {
    let table = try Table("resize")
    return table.image(try #require(table.rows.first { $0.mode == mode && $0.filter == "source" }))
  }
}

/// The largest difference of two samples; 256 where the shapes differ.
func difference(_ a: Image, _ b: Image) -> Int {
  if a.width != b.width || a.height != b.height || a.channels != b.channels { return 256 }
  return zip(a.pixels, b.pixels).map { abs(Int($0) - Int($1)) }.max() ?? 0
}

/// A folder that is removed at the end of a test.
final class TemporaryFolder {
  let path = NSTemporaryDirectory() + "convnet-vision-" + UUID().uuidString

  init(_ files: [String: [UInt8]] = [:]) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (name, bytes) in files { try write(name, bytes) }
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let url = URL(fileURLWithPath: "\(path)/\(name)")
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The text of the error that `body` throws; empty where it throws none.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch {
    return "\(error)"
  }
}

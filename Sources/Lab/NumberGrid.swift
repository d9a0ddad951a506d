import Foundation
import Layers

/// A small array of numbers that a person wrote: rows separated by `;`, planes by `;;`, channels by `|`.
public struct NumberGrid: Hashable, Sendable {
  public let channels, planes, rows, columns: Int
  /// Channel after channel, plane after plane, row after row.
  public let values: [Float]

  /// Parses `"0 1 2; 3 4 5 | 1 2 3; 4 5 6"`; commas may stand between numbers, and `1/9` is a number.
  ///
  /// - Parameter name: what the text is, for the error.
  /// - Throws: ``LabError`` if a number is not finite or rows, planes and channels are not of one size.
  public init(_ text: String, name: String) throws(LabError) {
    var values: [Float] = []
    var sizes: [[Int]] = []
    for (channel, part) in text.split(separator: "|", omittingEmptySubsequences: false).enumerated() {
      let place = "\(name): channel \(channel + 1)"
      let planes = try Self.planes(part, name: name, values: &values)
      guard let size = planes.first else {
        throw LabError("\(place) is empty; write rows as \"0 1 2; 3 4 5\"")
      }
      if let plane = planes.firstIndex(where: { $0 != size }) {
        throw LabError(
          "\(place): plane \(plane + 1) is \(planes[plane][0])x\(planes[plane][1]), but the first is "
            + "\(size[0])x\(size[1])")
      }
      sizes.append(planes.count == 1 ? size : [planes.count] + size)
    }
    guard let size = sizes.first else { throw LabError("\(name): there are no numbers") }
    if let channel = sizes.firstIndex(where: { $0 != size }) {
      throw LabError(
        "\(name): channel \(channel + 1) is \(Self.text(sizes[channel])), but the first is \(Self.text(size))")
    }
    self.init(
      channels: sizes.count, planes: size.count == 3 ? size[0] : 1, rows: size[size.count - 2],
      columns: size[size.count - 1], values: values)
  }

  /// Rows and columns of each plane of one channel, whose numbers are appended to `values`.
  private static func planes(_ text: Substring, name: String, values: inout [Float]) throws(LabError) -> [[Int]] {
    var planes: [[Int]] = []
    for plane in text.replacingOccurrences(of: ";;", with: "\u{0}").split(separator: "\u{0}") {
      var widths: [Int] = []
      for row in plane.split(separator: ";") {
        let words = row.split { $0.isWhitespace || $0 == "," }
        if words.isEmpty { continue }
        for word in words { values.append(try number(word, name: name)) }
        widths.append(words.count)
      }
      guard let width = widths.first else { continue }
      if let row = widths.firstIndex(where: { $0 != width }) {
        throw LabError("\(name): row \(row + 1) has \(widths[row]) numbers, but the first row has \(width)")
      }
      planes.append([widths.count, width])
    }
    return planes
  }

  /// `3`, `-0.5` or `1/9`.
  private static func number(_ word: Substring, name: String) throws(LabError) -> Float {
    let parts = word.split(separator: "/", omittingEmptySubsequences: false).map { Float($0) }
    if parts.count == 1, let value = parts[0], value.isFinite { return value }
    if parts.count == 2, let top = parts[0], let bottom = parts[1], (top / bottom).isFinite { return top / bottom }
    throw LabError("\(name): \"\(word)\" is no finite number; write rows as \"0 1 2; 3 4 5\"")
  }

  init(channels: Int = 1, planes: Int = 1, rows: Int, columns: Int, values: [Float]) {
    (self.channels, self.planes, self.rows, self.columns) = (channels, planes, rows, columns)
    self.values = values
  }

  /// Planes, rows and columns.
  var extents: [Int] { [planes, rows, columns] }

  /// `2x3` for rows and columns.
  static func text(_ extents: [Int]) -> String { extents.map(String.init).joined(separator: "x") }

  /// `[1, channels, ...]` with the last `rank` of planes, rows and columns.
  func tensor(rank: Int) -> Tensor { Tensor(values, shape: Shape([1, channels] + extents.suffix(rank))) }

  /// - Parameter place: plane, row and column.
  subscript(channel: Int, place: [Int]) -> Float {
    values[((channel * planes + place[0]) * rows + place[1]) * columns + place[2]]
  }

  /// The numbers of one plane of one channel, row after row.
  func lines(channel: Int, plane: Int = 0) -> [[Float]] {
    (0..<rows).map { row in (0..<columns).map { self[channel, [plane, row, $0]] } }
  }

  /// Aligned columns, a blank line between channels and between planes.
  public var text: String {
    let width = values.map { $0.short.count }.max() ?? 0
    return (0..<channels * planes).map { index in
      lines(channel: index / planes, plane: index % planes).map { row in
        "  " + row.map { String(repeating: " ", count: width - $0.short.count) + $0.short }.joined(separator: " ")
      }.joined(separator: "\n")
    }.joined(separator: "\n\n")
  }
}

extension Float {
  /// At most six significant digits: `19`, `0.3`.
  var short: String { String(format: "%.6g", self == 0 ? 0 : self) }
}

import Foundation
import Layers

/// A small array of numbers that a person wrote: rows separated by `;`, channels by `|`.
public struct NumberGrid: Hashable, Sendable {
  public let channels, rows, columns: Int
  /// Channel after channel, row after row.
  public let values: [Float]

  /// Parses `"0 1 2; 3 4 5 | 1 2 3; 4 5 6"`; commas may stand between numbers.
  ///
  /// - Parameter name: what the text is, for the error.
  /// - Throws: ``LabError`` if a number is not finite or the rows and channels are not of one size.
  public init(_ text: String, name: String) throws(LabError) {
    var values: [Float] = []
    var sizes: [[Int]] = []
    for (channel, part) in text.split(separator: "|", omittingEmptySubsequences: false).enumerated() {
      var widths: [Int] = []
      for row in part.split(separator: ";") {
        let words = row.split { $0.isWhitespace || $0 == "," }
        if words.isEmpty { continue }
        for word in words {
          guard let value = Float(word), value.isFinite else {
            throw LabError("\(name): \"\(word)\" is no finite number; write rows as \"0 1 2; 3 4 5\"")
          }
          values.append(value)
        }
        widths.append(words.count)
      }
      guard let width = widths.first else {
        throw LabError("\(name): channel \(channel + 1) is empty; write rows as \"0 1 2; 3 4 5\"")
      }
      if let row = widths.firstIndex(where: { $0 != width }) {
        throw LabError("\(name): row \(row + 1) has \(widths[row]) numbers, but the first row has \(width)")
      }
      sizes.append([widths.count, width])
    }
    guard let size = sizes.first else { throw LabError("\(name): there are no numbers") }
    if let channel = sizes.firstIndex(where: { $0 != size }) {
      throw LabError(
        "\(name): channel \(channel + 1) is \(sizes[channel][0])x\(sizes[channel][1]), but the first is "
          + "\(size[0])x\(size[1])")
    }
    self.init(channels: sizes.count, rows: size[0], columns: size[1], values: values)
  }

  init(channels: Int = 1, rows: Int, columns: Int, values: [Float]) {
    (self.channels, self.rows, self.columns, self.values) = (channels, rows, columns, values)
  }

  /// `[1, channels, rows, columns]`, or `[1, channels, columns]` for rank 1.
  func tensor(rank: Int) -> Tensor {
    Tensor(values, shape: rank == 1 ? [1, channels, columns] : [1, channels, rows, columns])
  }

  subscript(channel: Int, row: Int, column: Int) -> Float { values[(channel * rows + row) * columns + column] }

  /// The numbers of one channel, row after row.
  func lines(channel: Int) -> [[Float]] {
    (0..<rows).map { row in (0..<columns).map { self[channel, row, $0] } }
  }

  /// Aligned columns, a blank line between channels.
  public var text: String {
    let width = values.map { $0.short.count }.max() ?? 0
    return (0..<channels).map { channel in
      lines(channel: channel).map { row in
        "  " + row.map { String(repeating: " ", count: width - $0.short.count) + $0.short }.joined(separator: " ")
      }.joined(separator: "\n")
    }.joined(separator: "\n\n")
  }
}

extension Float {
  /// At most six significant digits: `19`, `0.3`.
  var short: String { String(format: "%.6g", self == 0 ? 0 : self) }
}

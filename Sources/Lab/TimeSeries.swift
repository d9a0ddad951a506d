import Formats
import Foundation

/// Pairs of a time and a value in ascending order of time.
public struct TimeSeries: Hashable, Sendable {
  /// As the file writes them.
  public let labels: [String]
  /// Numbers as they are; days for dates.
  public let times: [Double]
  public let values: [Float]

  /// Reads a file of lines `time,value`, or `value` alone; a first line without numbers is a header. Times are numbers
  /// or dates such as `2026-11-21`.
  ///
  /// - Throws: ``LabError`` with file and line; `FormatError` if the file can't be read.
  public init(contentsOf path: String) throws {
    let file = try InputFile(path)
    guard file.byteCount <= 1 << 27 else { throw LabError("\(path): larger than 128 MB") }
    let text = String(decoding: try file.bytes(at: 0, count: file.byteCount), as: UTF8.self)
    var (labels, times, values): ([String], [Double], [Float]) = ([], [], [])
    var columns: Int?
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      let cells = line.split(separator: ",", omittingEmptySubsequences: false)
        .map { $0.trimmingCharacters(in: .whitespaces) }
      if cells.allSatisfy(\.isEmpty) { continue }
      let place = "\(path): line \(index + 1)"
      // A header has no number anywhere.
      if columns == nil && values.isEmpty && cells.allSatisfy({ Double($0) == nil && Self.day($0) == nil }) {
        columns = cells.count
        continue
      }
      guard cells.count == 1 || cells.count == 2, cells.count == columns ?? cells.count else {
        throw LabError("\(place) has \(cells.count) columns; expected time,value on each line, or value alone")
      }
      columns = cells.count
      guard let cell = cells.last, let value = Float(cell), value.isFinite else {
        throw LabError("\(place): \(quoted(cells.last ?? "")) is no finite number; expected time,value")
      }
      let label = cells.count == 2 ? cells[0] : "\(values.count)"
      guard let time = Double(label) ?? Self.day(label), time.isFinite else {
        throw LabError("\(place): \(quoted(label)) is neither a number nor a date such as 2026-11-21")
      }
      if let last = times.last, time <= last {
        throw LabError("\(place): times must ascend, but \(label) comes after \(labels.last ?? ""); sort the file")
      }
      labels.append(label)
      times.append(time)
      values.append(value)
    }
    if values.isEmpty { throw LabError("\(path): there are no values") }
    (self.labels, self.times, self.values) = (labels, times, values)
  }

  /// The number of a day in the Gregorian calendar, of `2026-11-21`.
  private static func day(_ text: String) -> Double? {
    let parts = text.split(separator: "-").map { Int($0) ?? 0 }
    guard parts.count == 3, text.count <= 10, (1...9999).contains(parts[0]), (1...12).contains(parts[1]),
      (1...31).contains(parts[2])
    else { return nil }
    // Years that begin in March put the leap day at the end.
    let year = parts[1] > 2 ? parts[0] : parts[0] - 1
    let month = (parts[1] + 9) % 12
    return Double(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + parts[2])
  }
}

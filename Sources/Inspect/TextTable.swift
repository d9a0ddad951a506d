/// Aligned columns of plain text, two spaces apart.
public struct TextTable: Sendable {
  public enum Alignment: Sendable { case left, right }

  public var columns: [(title: String, alignment: Alignment)]
  public private(set) var rows: [[String]] = []

  public init(_ columns: [(title: String, alignment: Alignment)]) { self.columns = columns }

  /// Appends a row with one cell for each column.
  public mutating func append(_ row: [String]) { rows.append(row) }

  /// The titles, a rule and the rows; no line ends in spaces.
  public var text: String {
    let titles = columns.map(\.title)
    let widths = columns.indices.map { column in ([titles] + rows).map { $0[column].count }.max() ?? 0 }
    let rule = widths.map { String(repeating: "-", count: $0) }
    return ([titles, rule] + rows).map { line($0, widths) }.joined(separator: "\n")
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    var line = ""
    for (column, cell) in cells.enumerated() {
      let space = String(repeating: " ", count: widths[column] - cell.count)
      line += (column > 0 ? "  " : "") + (columns[column].alignment == .left ? cell + space : space + cell)
    }
    while line.last == " " { line.removeLast() }
    return line
  }
}

extension Int {
  /// With thousands separators: `11,689,512`.
  public var grouped: String {
    let digits = Array(String(magnitude))
    var text = self < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return text
  }

  /// A number of bytes with three digits and a decimal unit: `46.8 MB`.
  public var formattedByteCount: String {
    var (value, unit) = (Double(self), 0)
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"]
    while value >= 999.5 && unit + 1 < units.count { (value, unit) = (value / 1000, unit + 1) }
    if unit == 0 { return "\(self) bytes" }
    // Tenths below 100, whole units above.
    let tenths = Int((value * 10).rounded())
    return (tenths < 1000 ? "\(tenths / 10).\(tenths % 10)" : "\(Int(value.rounded()))") + " \(units[unit])"
  }
}

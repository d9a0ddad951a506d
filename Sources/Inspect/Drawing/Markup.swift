/// HTML or SVG. Text from outside (names of classes, files, folders) enters by interpolation alone, which escapes it, so
/// that no name can become a tag or leave its attribute.
///
/// ```swift
/// let cell: Markup = "<td title=\"\(fileName)\">\(className)</td>"
/// ```
public struct Markup: Sendable, ExpressibleByStringInterpolation {
  public private(set) var text: String

  public init(stringLiteral value: String) { text = value }
  public init(stringInterpolation: Interpolation) { text = stringInterpolation.text }

  /// Pieces one after another.
  public init(_ parts: [Markup], separator: String = "\n") {
    text = parts.map(\.text).joined(separator: separator)
  }

  public struct Interpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    public init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity) }
    public mutating func appendLiteral(_ literal: String) { text += literal }
    public mutating func appendInterpolation(_ markup: Markup) { text += markup.text }
    public mutating func appendInterpolation(_ parts: [Markup]) { text += Markup(parts).text }
    public mutating func appendInterpolation(_ value: String) { text += Markup.escaped(value) }
    public mutating func appendInterpolation(_ value: Int) { text += String(value) }
    /// A number with so many digits behind the point.
    public mutating func appendInterpolation(_ value: Double, digits: Int = 1) { text += value.rounded(digits: digits) }
  }

  /// Text that means nothing but itself, inside an element as well as inside quotes. Characters that could reorder or
  /// hide text (controls, and Unicode's marks of direction) become U+FFFD.
  package static func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\t", "\n", "\r": result += " "
      case "\u{200E}", "\u{200F}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}", "\u{FEFF}", "\u{2028}", "\u{2029}":
        result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
      }
    }
    return result
  }
}

extension Double {
  /// With so many digits behind the point; an infinite or undefined number as a dash.
  package func rounded(digits: Int) -> String {
    guard isFinite, abs(self) < 1e15 else { return "–" }
    let factor = [1.0, 10, 100, 1000, 10_000, 100_000, 1_000_000][min(6, max(0, digits))]
    let whole = (abs(self) * factor).rounded()
    let sign = self < 0 && whole > 0 ? "-" : ""
    if digits == 0 { return sign + String(Int(whole)) }
    guard whole < 9e18 else { return "–" }
    let number = Int(whole)
    let fraction = String(number % Int(factor))
    let zeros = String(repeating: "0", count: min(6, digits) - fraction.count)
    return "\(sign)\(number / Int(factor)).\(zeros)\(fraction)"
  }

  /// A share as a percentage: `93.4 %`.
  package var percent: String { (self * 100).rounded(digits: 1) + " %" }
}

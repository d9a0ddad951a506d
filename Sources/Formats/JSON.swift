/// A JSON value, for headers that strangers wrote. Unlike the usual decoders it keeps the order of members, refuses
/// repeated keys (two tensors of one name) and bounds the nesting.
package indirect enum JSON: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  /// A number with a fraction or an exponent, or one that `Int` cannot hold.
  case number(Double)
  case string(String)
  case array([JSON])
  case object([Member])

  package struct Member: Hashable, Sendable {
    package let key: String
    package let value: JSON

    package init(_ key: String, _ value: JSON) {
      self.key = key
      self.value = value
    }
  }

  /// Where and why a text is not JSON.
  package struct Flaw: Error {
    package let offset: Int
    package let reason: String
  }

  /// Parses UTF-8 that holds one value and nothing else but white space.
  package init(parsing text: [UInt8]) throws(Flaw) {
    var parser = Parser(text: text)
    self = try parser.value(depth: 0)
    parser.skipSpace()
    if parser.next != nil { throw parser.flaw("text after the end") }
  }

  package subscript(_ key: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  /// Appends compact JSON to UTF-8 text. A number must be finite.
  package func write(to text: inout [UInt8]) {
    switch self {
    case .null: text += "null".utf8
    case .bool(let value): text += (value ? "true" : "false").utf8
    case .integer(let value): text += String(value).utf8
    case .number(let value): text += String(value).utf8
    case .string(let value): Self.write(value, to: &text)
    case .array(let elements):
      text.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { text.append(UInt8(ascii: ",")) }
        element.write(to: &text)
      }
      text.append(UInt8(ascii: "]"))
    case .object(let members):
      text.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { text.append(UInt8(ascii: ",")) }
        Self.write(member.key, to: &text)
        text.append(UInt8(ascii: ":"))
        member.value.write(to: &text)
      }
      text.append(UInt8(ascii: "}"))
    }
  }

  private static func write(_ string: String, to text: inout [UInt8]) {
    text.append(UInt8(ascii: "\""))
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
      case 0x0A: text += "\\n".utf8
      case 0x0D: text += "\\r".utf8
      case 0x09: text += "\\t".utf8
      case ..<0x20: text += "\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8
      default: text.append(byte)
      }
    }
    text.append(UInt8(ascii: "\""))
  }
}

/// RFC 8259.
private struct Parser {
  static let depthLimit = 64

  let text: [UInt8]
  var offset = 0

  init(text: [UInt8]) { self.text = text }

  var next: UInt8? { offset < text.count ? text[offset] : nil }

  func flaw(_ reason: String) -> JSON.Flaw { JSON.Flaw(offset: offset, reason: reason) }

  mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
  }

  /// Takes the next byte other than space if it is the one given.
  mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: character) else { return false }
    offset += 1
    return true
  }

  mutating func value(depth: Int) throws(JSON.Flaw) -> JSON {
    if depth > Self.depthLimit { throw flaw("nested deeper than \(Self.depthLimit) levels") }
    skipSpace()
    guard let next else { throw flaw("the text ends too early") }
    switch next {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: throw flaw("expected a value")
    }
  }

  private mutating func word(_ word: String, _ value: JSON) throws(JSON.Flaw) -> JSON {
    guard text[offset...].starts(with: word.utf8) else { throw flaw("expected a value") }
    offset += word.utf8.count
    return value
  }

  private mutating func object(depth: Int) throws(JSON.Flaw) -> JSON {
    offset += 1
    var members: [JSON.Member] = []
    var keys: Set<String> = []
    if take("}") { return .object([]) }
    repeat {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw flaw("expected a key") }
      let key = try string()
      if !keys.insert(key).inserted { throw flaw("the key \(quoted(key)) is there twice") }
      guard take(":") else { throw flaw("expected a colon") }
      members.append(JSON.Member(key, try value(depth: depth + 1)))
    } while take(",")
    guard take("}") else { throw flaw("expected a comma or a closing brace") }
    return .object(members)
  }

  private mutating func array(depth: Int) throws(JSON.Flaw) -> JSON {
    offset += 1
    var elements: [JSON] = []
    if take("]") { return .array([]) }
    repeat { elements.append(try value(depth: depth + 1)) } while take(",")
    guard take("]") else { throw flaw("expected a comma or a closing bracket") }
    return .array(elements)
  }

  private mutating func number() throws(JSON.Flaw) -> JSON {
    let start = offset
    func isDigit(_ byte: UInt8?) -> Bool { byte.map { (0x30...0x39).contains($0) } ?? false }
    func digits() throws(JSON.Flaw) {
      guard isDigit(next) else { throw flaw("expected a digit") }
      while isDigit(next) { offset += 1 }
    }
    if next == UInt8(ascii: "-") { offset += 1 }
    if next == UInt8(ascii: "0") { offset += 1 } else { try digits() }
    var isInteger = true
    if next == UInt8(ascii: ".") {
      isInteger = false
      offset += 1
      try digits()
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      isInteger = false
      offset += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { offset += 1 }
      try digits()
    }
    let literal = String(decoding: text[start..<offset], as: UTF8.self)
    if isInteger, let integer = Int(literal) { return .integer(integer) }
    guard let number = Double(literal), number.isFinite else { throw flaw("the number is out of range") }
    return .number(number)
  }

  private mutating func string() throws(JSON.Flaw) -> String {
    offset += 1
    var bytes: [UInt8] = []
    while let byte = next, byte != UInt8(ascii: "\"") {
      if byte < 0x20 { throw flaw("a control character inside a string") }
      offset += 1
      if byte == UInt8(ascii: "\\") {
        bytes += String(try escape()).utf8
      } else {
        bytes.append(byte)
      }
    }
    guard next != nil else { throw flaw("a string that does not end") }
    offset += 1
    guard let string = String(validating: bytes, as: UTF8.self) else { throw flaw("a string that is not UTF-8") }
    return string
  }

  private mutating func escape() throws(JSON.Flaw) -> Unicode.Scalar {
    guard let byte = next else { throw flaw("a string that does not end") }
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let unit = try hexadecimal()
      if let scalar = Unicode.Scalar(unit) { return scalar }
      // Beyond 16 bits: two units, the second in an escape of its own.
      guard text[offset...].starts(with: "\\u".utf8), unit < 0xDC00 else { throw flaw("half a surrogate pair") }
      offset += 2
      let low = try hexadecimal()
      guard (0xDC00...0xDFFF).contains(low),
        let scalar = Unicode.Scalar(0x1_0000 + (unit - 0xD800) << 10 + (low - 0xDC00))
      else { throw flaw("half a surrogate pair") }
      return scalar
    default: throw flaw("an unknown escape")
    }
  }

  private mutating func hexadecimal() throws(JSON.Flaw) -> UInt32 {
    guard offset + 4 <= text.count, text[offset..<offset + 4].allSatisfy(Self.isHexadecimal),
      let value = UInt32(String(decoding: text[offset..<offset + 4], as: UTF8.self), radix: 16)
    else { throw flaw("an escape without its four hex digits") }
    offset += 4
    return value
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
    default: false
    }
  }
}

import Graph

/// The header of a `.npy` file: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
struct NPYHeader: Equatable {
  enum Element: String {
    case half = "f2"
    case float = "f4"
    case double = "f8"
    case int32 = "i4"
    case int64 = "i8"
    case uint8 = "u1"
    case bool = "b1"

    var typeName: String {
      switch self {
      case .half: "float16"
      case .float: "float32"
      case .double: "float64"
      case .int32: "int32"
      case .int64: "int64"
      case .uint8: "uint8"
      case .bool: "bool"
      }
    }

    var byteCount: Int {
      switch self {
      case .uint8, .bool: 1
      case .half: 2
      case .float, .int32: 4
      case .double, .int64: 8
      }
    }
  }

  struct Flaw: Error {
    let reason: String
    let isUnsupported: Bool

    static func malformed(_ reason: String) -> Flaw { Flaw(reason: reason, isUnsupported: false) }
    static func unsupported(_ reason: String) -> Flaw { Flaw(reason: reason, isUnsupported: true) }
  }

  var element: Element
  var isBigEndian: Bool
  /// First axis fastest, instead of last.
  var isFortranOrder: Bool
  var shape: Shape

  init(element: Element, shape: Shape) {
    self.element = element
    self.shape = shape
    isBigEndian = false
    isFortranOrder = false
  }

  /// Parses the Python dictionary `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
  init(parsing text: [UInt8]) throws(Flaw) {
    var literal = PythonLiteral(text: text)
    var kind: (element: Element, isBigEndian: Bool)?
    var isFortranOrder: Bool?
    var shape: Shape?
    guard literal.take("{") else { throw .malformed("the header is not a Python dictionary") }
    while !literal.take("}") {
      guard let key = literal.string(), literal.take(":") else {
        throw .malformed("the header is not a Python dictionary")
      }
      switch key {
      case "descr" where kind == nil: kind = try Self.kind(literal.string())
      case "fortran_order" where isFortranOrder == nil: isFortranOrder = literal.bool()
      case "shape" where shape == nil: shape = literal.integers().flatMap(Shape.init(checked:))
      default: throw .malformed("unexpected or repeated header field \(quoted(key))")
      }
      if literal.take(",") { continue }
      guard literal.take("}") else { throw .malformed("the header field \(quoted(key)) is not what it should be") }
      break
    }
    guard literal.isAtEnd else { throw .malformed("text after the header's dictionary") }
    guard let kind else { throw .malformed("the header lacks descr") }
    guard let isFortranOrder else { throw .malformed("the header lacks fortran_order True or False") }
    guard let shape else { throw .malformed("the header lacks a shape of at most 64 extents that memory could hold") }
    (element, isBigEndian) = kind
    self.isFortranOrder = isFortranOrder
    self.shape = shape
  }

  /// The meaning of `descr`, `nil` if it is no string: then it describes records.
  private static func kind(_ descr: String?) throws(Flaw) -> (element: Element, isBigEndian: Bool) {
    guard let descr else { throw .unsupported("an array of records; save its fields one by one") }
    let order = descr.first
    guard let element = Element(rawValue: String(descr.dropFirst())), order == "<" || order == ">" || order == "|"
    else {
      throw .unsupported(
        descr.contains("O")
          ? "an array of Python objects, which only running their code would restore; save plain numbers"
          : "elements of type \(quoted(descr)); save float16, 32 or 64, int32 or 64, uint8 or bool")
    }
    return (element, order == ">")
  }

  var text: String {
    let order = element.byteCount == 1 ? "|" : "<"
    let extents = shape.dimensions.map { "\($0)" }.joined(separator: ", ") + (shape.rank == 1 ? "," : "")
    return "{'descr': '\(order)\(element.rawValue)', 'fortran_order': False, 'shape': (\(extents)), }"
  }
}

/// The few Python literals that a header may hold. Each function takes what it reads or nothing.
private struct PythonLiteral {
  let text: [UInt8]
  var offset = 0

  init(text: [UInt8]) { self.text = text }

  private mutating func skipSpace() {
    while offset < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[offset]) { offset += 1 }
  }

  var isAtEnd: Bool {
    var rest = self
    rest.skipSpace()
    return rest.offset == text.count
  }

  mutating func take(_ token: String) -> Bool {
    skipSpace()
    guard text[offset...].starts(with: token.utf8) else { return false }
    offset += token.utf8.count
    return true
  }

  /// `'text'` or `"text"`, without escapes.
  mutating func string() -> String? {
    skipSpace()
    guard offset < text.count, text[offset] == UInt8(ascii: "'") || text[offset] == UInt8(ascii: "\""),
      let end = text[(offset + 1)...].firstIndex(of: text[offset])
    else { return nil }
    defer { offset = end + 1 }
    return String(validating: text[offset + 1..<end], as: UTF8.self)
  }

  mutating func bool() -> Bool? { take("True") ? true : take("False") ? false : nil }

  /// `()`, `(3,)` or `(3, 4)`; a version of Python wrote `3L`.
  mutating func integers() -> [Int]? {
    guard take("(") else { return nil }
    var integers: [Int] = []
    while !take(")") {
      skipSpace()
      let digits = text[offset...].prefix { (0x30...0x39).contains($0) }
      guard let integer = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
      integers.append(integer)
      offset = digits.endIndex
      _ = take("L")
      if take(",") { continue }
      return take(")") ? integers : nil
    }
    return integers
  }
}

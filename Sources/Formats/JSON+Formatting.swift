extension JSON {
  /// Text for people and scripts: two spaces of indentation, members in their order, arrays of plain values in one
  /// line.
  package func formatted(indentation: Int = 0) -> String {
    let inner = String(repeating: "  ", count: indentation + 1)
    let outer = String(repeating: "  ", count: indentation)
    switch self {
    case .array(let elements) where elements.contains(where: \.isCompound):
      let lines = elements.map { inner + $0.formatted(indentation: indentation + 1) }
      return "[\n" + lines.joined(separator: ",\n") + "\n\(outer)]"
    case .array(let elements): return "[" + elements.map { $0.formatted() }.joined(separator: ", ") + "]"
    case .object(let members) where !members.isEmpty:
      let lines = members.map {
        inner + JSON.string($0.key).formatted() + ": " + $0.value.formatted(indentation: indentation + 1)
      }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
    default:
      var text: [UInt8] = []
      write(to: &text)
      return String(decoding: text, as: UTF8.self)
    }
  }

  private var isCompound: Bool {
    switch self {
    case .array, .object: true
    default: false
    }
  }

  /// A measured number; `null` if it is not finite, which JSON cannot say.
  package init(_ number: Double) { self = number.isFinite ? .number(number) : .null }
  package init(_ number: Float) { self = JSON(Double("\(number)") ?? Double(number)) }
  package init(_ numbers: [Int]) { self = .array(numbers.map(JSON.integer)) }
}

// Literals, so that a document reads as it will be written; a dictionary literal keeps its order.

extension JSON: ExpressibleByDictionaryLiteral {
  package init(dictionaryLiteral members: (String, JSON)...) { self = .object(members.map { Member($0.0, $0.1) }) }
}

extension JSON: ExpressibleByArrayLiteral {
  package init(arrayLiteral elements: JSON...) { self = .array(elements) }
}

extension JSON: ExpressibleByStringInterpolation {
  package init(stringLiteral value: String) { self = .string(value) }
}

extension JSON: ExpressibleByBooleanLiteral {
  package init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSON: ExpressibleByIntegerLiteral {
  package init(integerLiteral value: Int) { self = .integer(value) }
}

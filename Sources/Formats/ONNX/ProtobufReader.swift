/// Reads the fields of one message in the wire format of Protocol Buffers
/// (https://protobuf.dev/programming-guides/encoding), in place and without recursion.
///
/// Nothing in the bytes can trap or make it read outside of its message. All messages of a file share a budget of
/// items, so that a file of many empty messages cannot make structures many times its own size.
struct ProtobufReader {
  /// What breaks the rules of the format.
  struct Flaw: Error {
    var reason: String
  }

  /// One field: its number and its payload.
  struct Field {
    enum Payload {
      case varint(UInt64)
      case fixed64(UInt64)
      case fixed32(UInt32)
      /// A string, bytes, a message or packed numbers.
      case bytes(Range<Int>)
    }
    var number: Int
    var payload: Payload
  }

  /// Items that a file may hold: nodes, names, attributes, tensors.
  final class Budget {
    private var rest = 4_000_000
    func spend() throws(Flaw) {
      rest -= 1
      if rest < 0 { throw Flaw(reason: "more than four million items") }
    }
  }

  let bytes: [UInt8]
  private var offset: Int
  private let end: Int
  private let budget: Budget

  init(_ bytes: [UInt8]) {
    self.init(bytes, 0..<bytes.count, Budget())
  }

  private init(_ bytes: [UInt8], _ range: Range<Int>, _ budget: Budget) {
    self.bytes = bytes
    offset = range.lowerBound
    end = range.upperBound
    self.budget = budget
  }

  /// The next field; `nil` at the end of the message.
  mutating func next() throws(Flaw) -> Field? {
    guard offset < end else { return nil }
    let key = try varint()
    let number = Int(truncatingIfNeeded: key >> 3)
    guard key >> 3 >= 1, key >> 3 < 1 << 29 else { throw flaw("a field has the number \(key >> 3)") }
    switch key & 7 {
    case 0: return Field(number: number, payload: .varint(try varint()))
    case 1: return Field(number: number, payload: .fixed64(try fixed(8)))
    case 2:
      let length = try varint()
      guard length <= UInt64(end - offset) else { throw flaw("a field of \(length) bytes runs over the end") }
      let start = offset
      offset += Int(length)
      return Field(number: number, payload: .bytes(start..<offset))
    case 5: return Field(number: number, payload: .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
    default: throw flaw("a field has the unknown wire type \(key & 7)")
    }
  }

  private mutating func varint() throws(Flaw) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard offset < end else { throw flaw("a number runs over the end") }
      let byte = bytes[offset]
      offset += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw flaw("a number takes more than ten bytes")
  }

  private mutating func fixed(_ count: Int) throws(Flaw) -> UInt64 {
    guard end - offset >= count else { throw flaw("a number runs over the end") }
    defer { offset += count }
    return bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func flaw(_ reason: String) -> Flaw { Flaw(reason: "\(reason) at byte \(offset)") }

  // MARK: Payloads as what a schema says

  func message(_ field: Field) throws(Flaw) -> ProtobufReader {
    try budget.spend()
    return ProtobufReader(bytes, try range(field), budget)
  }

  func range(_ field: Field) throws(Flaw) -> Range<Int> {
    guard case .bytes(let range) = field.payload else { throw flaw("field \(field.number) has no bytes") }
    return range
  }

  func string(_ field: Field) throws(Flaw) -> String {
    try budget.spend()
    return String(decoding: bytes[try range(field)], as: UTF8.self)
  }

  func integer(_ field: Field) throws(Flaw) -> Int64 {
    guard case .varint(let value) = field.payload else { throw flaw("field \(field.number) is no integer") }
    return Int64(bitPattern: value)
  }

  func float(_ field: Field) throws(Flaw) -> Float {
    guard case .fixed32(let bits) = field.payload else { throw flaw("field \(field.number) is no float") }
    return Float(bitPattern: bits)
  }

  /// Appends one integer, or a packed list of them.
  func append(_ field: Field, to list: inout [Int64]) throws(Flaw) {
    guard case .bytes(let range) = field.payload else { return list.append(try integer(field)) }
    var reader = ProtobufReader(bytes, range, budget)
    while reader.offset < reader.end { list.append(Int64(bitPattern: try reader.varint())) }
  }

  /// Appends one float, or a packed list of them.
  func append(_ field: Field, to list: inout [Float]) throws(Flaw) {
    guard case .bytes(let range) = field.payload else { return list.append(try float(field)) }
    var reader = ProtobufReader(bytes, range, budget)
    while reader.offset < reader.end {
      list.append(Float(bitPattern: UInt32(truncatingIfNeeded: try reader.fixed(4))))
    }
  }

  /// Appends one double, or a packed list of them.
  func append(_ field: Field, to list: inout [Double]) throws(Flaw) {
    switch field.payload {
    case .fixed64(let bits): list.append(Double(bitPattern: bits))
    case .bytes(let range):
      var reader = ProtobufReader(bytes, range, budget)
      while reader.offset < reader.end { list.append(Double(bitPattern: try reader.fixed(8))) }
    default: throw flaw("field \(field.number) is no double")
    }
  }
}

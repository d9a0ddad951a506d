import Graph

/// A machine for the part of Python's pickle protocol that weights are written in. It builds containers and tensors and
/// calls nothing: a name outside ``PickleGlobal`` is refused as soon as it is read.
struct PickleMachine {
  private var stream: PickleStream
  private(set) var heap = PickleHeap()
  private var stack: [PickleValue] = []
  /// Where `(` was read: heights of the stack.
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  private var objectCount = 0

  /// Far more than the largest networks need.
  private static let objectLimit = 1 << 22

  init(_ source: ByteSource, at offset: Int = 0) { stream = PickleStream(source, at: offset) }

  /// Where the next pickle or what follows it begins.
  var position: Int { stream.position }

  /// Reads one pickle. Objects of those before stay in the heap.
  mutating func load() throws(FormatError) -> PickleValue {
    (stack, marks, memo) = ([], [], [:])
    while true {
      let code = try stream.byte()
      if code == UInt8(ascii: ".") { return try pop() }
      try execute(code)
      guard stack.count + objectCount + memo.count <= Self.objectLimit, marks.count <= Self.objectLimit else {
        throw stream.malformed("more than \(Self.objectLimit) objects")
      }
    }
  }

  func malformed(_ reason: String) -> FormatError { stream.malformed(reason) }

  private mutating func execute(_ code: UInt8) throws(FormatError) {
    switch code {
    case 0x80: _ = try stream.byte()  // PROTO
    case 0x95: _ = try stream.bytes(8)  // FRAME
    case UInt8(ascii: "("): marks.append(stack.count)
    case UInt8(ascii: "0"): _ = try pop()
    case UInt8(ascii: "1"): _ = try popToMark()
    case UInt8(ascii: "2"): stack.append(try top())
    case UInt8(ascii: "N"): stack.append(.none)
    case 0x88: stack.append(.bool(true))
    case 0x89: stack.append(.bool(false))
    case UInt8(ascii: "J"): stack.append(.integer(Int(Int32(truncatingIfNeeded: try stream.integer(4)))))
    case UInt8(ascii: "K"): stack.append(.integer(try stream.integer(1)))
    case UInt8(ascii: "M"): stack.append(.integer(try stream.integer(2)))
    case 0x8a: try pushLong(stream.integer(1))
    case 0x8b: try pushLong(stream.integer(4))
    case UInt8(ascii: "G"):
      let bits = UInt64(bitPattern: Int64(try stream.integer(8)))
      stack.append(.real(Double(bitPattern: bits.byteSwapped)))
    case UInt8(ascii: "X"): stack.append(.text(try stream.text(stream.integer(4))))
    case 0x8c: stack.append(.text(try stream.text(stream.integer(1))))
    case 0x8d: stack.append(.text(try stream.text(stream.integer(8))))
    // Python 2's texts.
    case UInt8(ascii: "T"): stack.append(.text(try stream.text(stream.integer(4))))
    case UInt8(ascii: "U"): stack.append(.text(try stream.text(stream.integer(1))))
    case UInt8(ascii: "C"): try skipBytes(stream.integer(1))
    case UInt8(ascii: "B"): try skipBytes(stream.integer(4))
    case 0x8e: try skipBytes(stream.integer(8))
    case UInt8(ascii: ")"): pushTuple([])
    case UInt8(ascii: "t"): pushTuple(try popToMark())
    case 0x85, 0x86, 0x87: pushTuple(try pop(Int(code) - 0x84))
    case UInt8(ascii: "]"), 0x8f: pushList([])
    case UInt8(ascii: "l"), 0x91: pushList(try popToMark())
    case UInt8(ascii: "a"): try append(pop(1))
    case UInt8(ascii: "e"), 0x90: try append(popToMark())
    case UInt8(ascii: "}"): pushDictionary([])
    case UInt8(ascii: "d"): pushDictionary(try pairs(popToMark()))
    case UInt8(ascii: "s"): try set(pop(2))
    case UInt8(ascii: "u"): try set(popToMark())
    case UInt8(ascii: "c"): try pushGlobal(module: stream.line(), name: stream.line())
    case 0x93:
      let names = try pop(2)
      guard let module = names[0].text, let name = names[1].text else { throw malformed("a name is no text") }
      try pushGlobal(module: module, name: name)
    // Both name what they would make: `i` in the stream, `o` below its arguments.
    case UInt8(ascii: "i"): try pushGlobal(module: stream.line(), name: stream.line())
    // REDUCE, and NEWOBJ, whose class makes an object of the same arguments.
    case UInt8(ascii: "R"), 0x81: try reduce()
    case UInt8(ascii: "b"): try build()
    case UInt8(ascii: "Q"): try pushStorage(pop())
    case UInt8(ascii: "h"): try recall(stream.integer(1))
    case UInt8(ascii: "j"): try recall(stream.integer(4))
    case UInt8(ascii: "q"): memo[try stream.integer(1)] = try top()
    case UInt8(ascii: "r"): memo[try stream.integer(4)] = try top()
    case 0x94: memo[memo.count] = try top()
    default:
      throw malformed("an instruction 0x\(String(code, radix: 16)) that weights have no use for")
    }
  }

  // MARK: The stack

  private func top() throws(FormatError) -> PickleValue {
    guard let value = stack.last, stack.count > marks.last ?? 0 else { throw malformed("its stack runs empty") }
    return value
  }

  private mutating func pop() throws(FormatError) -> PickleValue {
    let value = try top()
    stack.removeLast()
    return value
  }

  private mutating func pop(_ count: Int) throws(FormatError) -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else { throw malformed("its stack runs empty") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws(FormatError) -> [PickleValue] {
    guard let mark = marks.popLast() else { throw malformed("a mark is missing") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private mutating func recall(_ index: Int) throws(FormatError) {
    guard let value = memo[index] else { throw malformed("it recalls what it never stored") }
    stack.append(value)
  }

  // MARK: Values

  private mutating func pushLong(_ count: Int) throws(FormatError) {
    let bytes = Array(try stream.bytes(count))
    guard count <= 8 else {
      stack.append(.wideInteger(bytes))
      return
    }
    let isNegative = (bytes.last ?? 0) >= 0x80
    let padding = [UInt8](repeating: isNegative ? 0xFF : 0, count: 8 - count)
    stack.append(.integer((bytes + padding).integer(at: 0, 8)))
  }

  private mutating func skipBytes(_ count: Int) throws(FormatError) {
    _ = try stream.bytes(count)
    stack.append(.bytes)
  }

  private mutating func pushTuple(_ elements: [PickleValue]) {
    heap.tuples.append(elements)
    objectCount += 1 + elements.count
    stack.append(.tuple(heap.tuples.count - 1))
  }

  private mutating func pushList(_ elements: [PickleValue]) {
    heap.lists.append(elements)
    objectCount += 1 + elements.count
    stack.append(.list(heap.lists.count - 1))
  }

  private mutating func pushDictionary(_ pairs: [(key: PickleValue, value: PickleValue)]) {
    heap.dictionaries.append(pairs)
    objectCount += 1 + pairs.count
    stack.append(.dictionary(heap.dictionaries.count - 1))
  }

  private func pairs(_ values: [PickleValue]) throws(FormatError) -> [(key: PickleValue, value: PickleValue)] {
    guard values.count.isMultiple(of: 2) else { throw malformed("a dictionary with a key and no value") }
    return stride(from: 0, to: values.count, by: 2).map { (values[$0], values[$0 + 1]) }
  }

  private mutating func append(_ values: [PickleValue]) throws(FormatError) {
    let target = try top()
    if target == .object { return }
    guard case .list(let index) = target else { throw malformed("something is appended to no list") }
    heap.lists[index] += values
    objectCount += values.count
  }

  private mutating func set(_ values: [PickleValue]) throws(FormatError) {
    let target = try top()
    if target == .object { return }
    guard case .dictionary(let index) = target else { throw malformed("something is put into no dictionary") }
    heap.dictionaries[index] += try pairs(values)
    objectCount += values.count / 2
  }

  // MARK: Names and what they make

  private mutating func pushGlobal(module: String, name: String) throws(FormatError) {
    guard let global = PickleGlobal(module: module, name: name) else {
      if let reason = PickleGlobal.reasonAgainst(module: module, name: name) { throw stream.unsupported(reason) }
      let call = quoted("\(module).\(name)").dropFirst().dropLast()
      throw stream.refused(String(call))
    }
    stack.append(.global(global))
  }

  private mutating func reduce() throws(FormatError) {
    let operands = try pop(2)
    guard case .global(let global) = operands[0], case .tuple(let index) = operands[1] else {
      throw malformed("a call of what is no function")
    }
    let arguments = heap.tuples[index]
    switch global {
    case .orderedDictionary:
      var contents: [(key: PickleValue, value: PickleValue)] = []
      for pair in arguments.first.flatMap(heap.elements) ?? [] {
        guard let pair = heap.elements(pair), pair.count == 2 else { throw malformed("a dictionary of no pairs") }
        contents.append((pair[0], pair[1]))
      }
      pushDictionary(contents)
    case .rebuildTensor: try pushTensor(arguments)
    case .rebuildParameter:
      guard let first = arguments.first, case .tensor = first else { throw malformed("a parameter that is no tensor") }
      stack.append(first)
    case .size:
      guard let first = arguments.first, let elements = heap.elements(first) else {
        throw malformed("a size of nothing")
      }
      pushTuple(elements)
    case .defaultDictionary: pushDictionary([])
    case .counter:
      guard let first = arguments.first else { return pushDictionary([]) }
      guard case .dictionary = first else { throw malformed("a counter of something else than a dictionary") }
      stack.append(first)
    case .plain: stack.append(.object)
    case .storage, .elementType: throw malformed("a call of a type of elements")
    }
  }

  /// State beside a dictionary's own contents, which weights do not need: PyTorch notes versions of layers there.
  private mutating func build() throws(FormatError) {
    _ = try pop()
    switch try top() {
    case .dictionary, .object: break
    default: throw malformed("a state for what has none")
    }
  }

  /// `('storage', class, key, device, element count, view)`.
  private mutating func pushStorage(_ id: PickleValue) throws(FormatError) {
    guard case .tuple(let index) = id, heap.tuples[index].count >= 5, heap.tuples[index][0] == .text("storage"),
      case .global(.storage(let element)) = heap.tuples[index][1], let key = heap.tuples[index][2].text,
      let count = heap.tuples[index][4].integer, (0...1 << 48).contains(count)
    else { throw malformed("a reference to something else than a storage of numbers") }
    if heap.tuples[index].count > 5, heap.tuples[index][5] != .none {
      throw malformed("a view of a storage, as PyTorch before 0.4 wrote; save it with a newer one")
    }
    let storage = TorchStorage(element: element, key: key, elementCount: count)
    heap.storages.append(storage)
    objectCount += 1
    stack.append(.storage(heap.storages.count - 1))
  }

  /// `(storage, offset, size, strides, requires gradient, hooks, marks)`.
  private mutating func pushTensor(_ arguments: [PickleValue]) throws(FormatError) {
    guard arguments.count >= 4, case .storage(let storage) = arguments[0], let offset = arguments[1].integer,
      let extents = heap.integers(arguments[2]), let strides = heap.integers(arguments[3]),
      let shape = Shape(checked: extents), strides.count == extents.count, offset >= 0,
      strides.allSatisfy({ $0 >= 0 })
    else { throw malformed("a tensor without storage, offset, size and strides") }
    // Marks say that the numbers mean others: their negatives, or conjugates.
    if arguments.count > 6, case .dictionary(let marks) = arguments[6], !heap.dictionaries[marks].isEmpty {
      throw stream.unsupported("a tensor that is another one's negative or conjugate; save tensor.clone() in its place")
    }
    var last = offset
    for (extent, stride) in zip(extents, strides) {
      let (distance, overflows) = stride.multipliedReportingOverflow(by: max(extent - 1, 0))
      let (sum, overflowsToo) = last.addingReportingOverflow(distance)
      guard !overflows, !overflowsToo else { throw malformed("a tensor of strides beyond memory") }
      last = sum
    }
    let count = heap.storages[storage].elementCount
    guard shape.elementCount == 0 || last < count else { throw malformed("a tensor that reaches beyond its storage") }
    // A stride of 0 could make any number of elements out of one.
    guard shape.elementCount <= max(count, 1 << 16) else {
      throw malformed("a tensor of \(shape.elementCount) elements in a storage of \(count)")
    }
    heap.tensors.append(TorchTensor(storage: storage, offset: offset, shape: shape, strides: strides))
    objectCount += 1
    stack.append(.tensor(heap.tensors.count - 1))
  }
}

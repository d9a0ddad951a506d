import Formats
import Layers

/// One node as it runs: its attributes, the tensors it is given, and what every operator needs to say what it means in
/// operations of the graph.
struct ONNXCall {
  let node: ONNXFile.Node
  /// `nil` for an input left out.
  let inputs: [Tensor?]
  /// The version of the operator set.
  let version: Int64

  /// How errors name a node.
  static func label(_ node: ONNXFile.Node) -> String {
    node.name.isEmpty ? "\(node.operation) -> \(quoted(node.outputs.first ?? ""))" : quoted(node.name)
  }

  func invalid(_ reason: String) -> ONNXError { .invalid(node: Self.label(node), reason: reason) }
  func unsupported(_ reason: String) -> ONNXError { .unsupported(node: Self.label(node), reason: reason) }

  // MARK: Inputs

  func optional(_ index: Int) -> Tensor? { index < inputs.count ? inputs[index] : nil }

  func input(_ index: Int = 0) throws -> Tensor {
    guard let tensor = optional(index) else { throw invalid("\(node.operation) needs input \(index)") }
    return tensor
  }

  func allInputs() throws -> [Tensor] {
    guard !inputs.isEmpty else { throw invalid("\(node.operation) needs an input") }
    return try inputs.indices.map(input)
  }

  // MARK: Attributes

  func integer(_ name: String, _ standard: Int) throws -> Int {
    switch node.attributes[name] {
    case nil: return standard
    case .integer(let value)?: return Int(value)
    default: throw invalid("the attribute \(name) is no integer")
    }
  }

  func number(_ name: String, _ standard: Double) throws -> Double {
    switch node.attributes[name] {
    case nil: return standard
    case .float(let value)?: return Double(value)
    default: throw invalid("the attribute \(name) is no number")
    }
  }

  func string(_ name: String, _ standard: String) throws -> String {
    switch node.attributes[name] {
    case nil: return standard
    case .string(let value)?: return value
    default: throw invalid("the attribute \(name) is no string")
    }
  }

  func integers(_ name: String) throws -> [Int]? {
    switch node.attributes[name] {
    case nil: return nil
    case .integers(let values)?: return values.map { Int($0) }
    default: throw invalid("the attribute \(name) is no list of integers")
    }
  }

  func numbers(_ name: String) throws -> [Double]? {
    switch node.attributes[name] {
    case nil: return nil
    case .floats(let values)?: return values.map { Double($0) }
    default: throw invalid("the attribute \(name) is no list of numbers")
    }
  }

  func dtype(_ name: String) throws -> DType? {
    guard let value = node.attributes[name] else { return nil }
    guard case .integer(let code) = value, let dtype = ONNXFile.dtype(ofCode: code) else {
      throw unsupported("the element type of \(name)")
    }
    return dtype
  }

  /// Integers that are an input since a version and were an attribute before.
  func integers(_ index: Int, orAttribute name: String) throws -> [Int]? {
    if let tensor = optional(index) { return try integers(of: tensor) }
    return try integers(name)
  }

  // MARK: Axes and shapes

  func axis(_ axis: Int, rank: Int) throws -> Int {
    guard axis >= -rank, axis < rank else { throw invalid("there is no axis \(axis) among \(rank)") }
    return axis < 0 ? axis + rank : axis
  }

  func axes(_ axes: [Int], rank: Int) throws -> [Int] {
    let axes = try axes.map { try axis($0, rank: rank) }
    guard Set(axes).count == axes.count else { throw invalid("an axis occurs twice in \(axes)") }
    return axes
  }

  /// The most elements that one tensor may have, and the most where elements are computed one by one. A file can ask
  /// for any shape with a few bytes.
  private static let elementLimit = 1 << 28
  private static let slowElementLimit = 1 << 25

  /// A shape that a file or its data ask for, if its elements can be held.
  @discardableResult func checked(_ dimensions: [Int], isSlow: Bool = false) throws -> Shape {
    var product = 1
    let limit = isSlow ? Self.slowElementLimit : Self.elementLimit
    for extent in dimensions {
      guard extent >= 0 else { throw invalid("the shape \(dimensions) has a negative extent") }
      guard extent <= limit / max(1, product) else { throw unsupported("a tensor of shape \(dimensions.prefix(8))") }
      product *= max(1, extent)
    }
    guard dimensions.count <= 16 else { throw unsupported("a tensor of \(dimensions.count) axes") }
    return Shape(dimensions)
  }

  // MARK: Computing

  /// Applies an operation of the graph: by its kernel where it has one for these types, so that it can be compiled and
  /// differentiated. What kernels do not take (integers, float64, empty tensors) is computed by the reference backend,
  /// or refused if it is not known yet.
  func compute(_ operation: Operation, _ tensors: [Tensor]) throws -> [Tensor] {
    let types = tensors.map { TensorType($0.shape, $0.dtype) }
    let outputs: [TensorType]
    do {
      outputs = try operation.outputTypes(of: types)
    } catch {
      throw invalid(error.message)
    }
    let isFast = hasKernel(operation, types, outputs)
    for type in outputs { try checked(type.shape.dimensions, isSlow: !isFast) }
    if isFast { return apply(operation, tensors) }
    if tensors.allSatisfy({ $0.isConcrete && ($0.symbol == nil || !$0.dtype.isFloatingPoint) }) {
      return try ReferenceBackend.apply(operation, tensors)
    }
    if types.allSatisfy({ $0.dtype == .float64 }) && tensors.allSatisfy(\.isConcrete) {
      return apply(operation, tensors)
    }
    if moves(operation), tensors.allSatisfy({ [.bool, .uint8].contains($0.dtype) || $0.dtype == .int32 }),
      types[0].dtype != .int32, types.allSatisfy({ $0.shape.elementCount > 0 })
    {
      // Kernels move float32 only, which holds these numbers exactly. Indices stay what they are.
      let wide = try tensors.map { $0.dtype == .int32 ? $0 : try cast($0, to: .float32) }
      return try compute(operation, wide).map { try cast($0, to: types[0].dtype) }
    }
    throw unsupported("\(operation.name) of \(types.map(\.description).joined(separator: ", ")) in a compiled model")
  }

  private func hasKernel(_ operation: Operation, _ inputs: [TensorType], _ outputs: [TensorType]) -> Bool {
    guard (inputs + outputs).allSatisfy({ $0.dtype != .float64 && $0.shape.elementCount > 0 }) else { return false }
    switch operation {
    case .reshape, .cast: return true
    case .gatherElements, .scatterElements, .argmax, .maxPoolIndices, .dropout: return inputs[0].dtype == .float32
    default: return (inputs + outputs).allSatisfy { $0.dtype == .float32 }
    }
  }

  private func moves(_ operation: Operation) -> Bool {
    switch operation {
    case .transpose, .broadcast, .concatenate, .slice, .pad, .gatherElements: true
    case .resample(.select): true
    default: false
    }
  }

  func compute(_ operation: Operation, _ tensors: Tensor...) throws -> Tensor { try compute(operation, tensors)[0] }

  func unary(_ function: UnaryFunction, _ x: Tensor) throws -> Tensor { try compute(.unary(function), x) }
  /// The p-th root of a sum of powers; its gradient at 0 counts as 0.
  func root(_ x: Tensor, _ p: Int = 2) throws -> Tensor {
    guard x.dtype.isFloatingPoint else { return try unary(.sqrt, x) }
    let isZero = try unary(.not, x)
    let shifted = try add(x, isZero)
    let root = try p == 2 ? unary(.sqrt, shifted) : binary(.power, shifted, scalar(1 / Double(p), like: x))
    return try multiply(root, unary(.not, isZero))
  }
  func binary(_ function: BinaryFunction, _ a: Tensor, _ b: Tensor) throws -> Tensor {
    try compute(.binary(function), a, b)
  }
  func affine(_ x: Tensor, scale: Double = 1, shift: Double = 0) throws -> Tensor {
    scale == 1 && shift == 0 ? x : try unary(.affine(scale: scale, shift: shift), x)
  }
  func add(_ a: Tensor, _ b: Tensor) throws -> Tensor { try binary(.add, a, b) }
  func subtract(_ a: Tensor, _ b: Tensor) throws -> Tensor { try binary(.subtract, a, b) }
  func multiply(_ a: Tensor, _ b: Tensor) throws -> Tensor { try binary(.multiply, a, b) }
  func divide(_ a: Tensor, _ b: Tensor) throws -> Tensor { try binary(.divide, a, b) }

  func reshape(_ x: Tensor, _ dimensions: [Int]) throws -> Tensor {
    x.shape.dimensions == dimensions ? x : try compute(.reshape(try checked(dimensions)), x)
  }

  func transpose(_ x: Tensor, _ permutation: [Int]) throws -> Tensor {
    permutation == Array(0..<x.rank) ? x : try compute(.transpose(permutation), x)
  }

  func cast(_ x: Tensor, to dtype: DType) throws -> Tensor { x.dtype == dtype ? x : try compute(.cast(dtype), x) }

  func reduce(_ reduction: Reduction, _ x: Tensor, _ axes: [Int], keeps: Bool = true) throws -> Tensor {
    try compute(.reduce(reduction, axes: axes.sorted(), keepsDimensions: keeps), x)
  }

  /// One number of the same element type as another tensor, to be broadcast.
  func scalar(_ value: Double, like x: Tensor) -> Tensor { .made([value], .scalar, x.dtype) }

  func slice(_ x: Tensor, axis: Int, _ range: Range<Int>) throws -> Tensor {
    var (starts, counts) = ([Int](repeating: 0, count: x.rank), x.shape.dimensions)
    starts[axis] = range.lowerBound
    counts[axis] = range.count
    return try compute(.slice(.init(starts: starts, counts: counts, steps: .init(repeating: 1, count: x.rank))), x)
  }

  /// As floating point, which holds the numbers exactly: what comparisons and choices of any type compute with.
  func numbers(_ x: Tensor) throws -> Tensor {
    switch x.dtype {
    case .float32, .float64: x
    case .bool, .uint8: try cast(x, to: .float32)
    case .int32, .int64: try cast(x, to: isKnown(x) ? .float64 : .float32)
    }
  }

  func concatenate(_ tensors: [Tensor], axis: Int) throws -> Tensor {
    tensors.count == 1 ? tensors[0] : try compute(.concatenate(axis: axis), tensors)[0]
  }
}

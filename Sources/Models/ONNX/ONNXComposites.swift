import Formats
import Layers

/// Functions that files spell out in arithmetic because their operator set has no operator for them: GELU, SiLU,
/// hard swish, Mish, and the standardisation in layer norm.
///
/// Each is replaced by the operator that says it, where its last node stood; the nodes before it go, unless others read
/// them. So the network is the same function of the same parameters, with one kernel instead of many and less to keep
/// for its gradient.
struct ONNXComposites {
  private let nodes: [ONNXFile.Node]
  private var constants: [String: Tensor]
  /// By the value that it alone computes, a node.
  private var producers: [String: ONNXFile.Node] = [:]
  /// Names that a damaged file gives to more than one value.
  private var ambiguous: Set<String> = []

  /// A product is followed through so many factors.
  private static let productDepth = 4
  /// How far a constant may be off, relatively: exporters round to single precision.
  private static let tolerance = 1e-6

  /// - Parameters:
  ///   - constants: the tensors that no training changes, by name.
  ///   - others: names of inputs and parameters.
  init(_ nodes: [ONNXFile.Node], _ constants: [String: Tensor], others: [String]) {
    self.nodes = nodes
    self.constants = constants
    for node in nodes {
      for name in node.outputs where producers.updateValue(node, forKey: name) != nil { ambiguous.insert(name) }
    }
    ambiguous.formUnion((Array(constants.keys) + others).filter { producers[$0] != nil })
    for name in ambiguous {
      producers[name] = nil
      self.constants[name] = nil
    }
  }

  /// The nodes with composites replaced.
  /// - Parameter outputs: names of the model's outputs.
  func recognized(outputs: [String]) -> [ONNXFile.Node] {
    let replaced = nodes.map { node in
      node.outputs.count == 1 && node.domain.isEmpty ? activation(node) ?? standardization(node) ?? node : node
    }
    // From the end: nodes that only what was replaced has read.
    var isRead = Set(outputs)
    let wasRead = Set(nodes.flatMap(\.inputs) + outputs)
    var kept: [ONNXFile.Node] = []
    for node in replaced.reversed()
    where node.outputs.contains(where: isRead.contains) || !node.outputs.contains(where: wasRead.contains) {
      kept.append(node)
      isRead.formUnion(node.inputs)
    }
    return kept.reversed()
  }

  // MARK: Reading arithmetic

  /// The number that a constant is.
  private func scalar(_ name: String) -> Double? {
    guard let tensor = constants[name], tensor.rank == 0, tensor.dtype == .float32 else { return nil }
    return Double(tensor.scalars(as: Float.self)[0])
  }

  private func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= Self.tolerance * abs(b) }

  /// The inputs of the node of a kind that computes a value.
  private func operands(_ name: String, _ operation: String, count: Int) -> [String]? {
    guard let node = producers[name], node.operation == operation, node.domain.isEmpty, node.inputs.count == count
    else { return nil }
    return node.inputs
  }

  /// `value + shift`, in either order.
  private func sum(_ name: String) -> (value: String, shift: Double)? {
    guard let terms = operands(name, "Add", count: 2) else { return nil }
    if let shift = scalar(terms[1]) { return (terms[0], shift) }
    return scalar(terms[0]).map { (terms[1], $0) }
  }

  /// A value as a product of others, sorted, and a number.
  /// - Parameter whole: a value that is not taken apart.
  private func product(_ name: String, whole: String? = nil, depth: Int = Self.productDepth)
    -> (factors: [String], number: Double)
  {
    if name == whole { return ([name], 1) }
    if let number = scalar(name) { return ([], number) }
    if depth > 0, let pair = operands(name, "Mul", count: 2) {
      let (a, b) = (product(pair[0], whole: whole, depth: depth - 1), product(pair[1], whole: whole, depth: depth - 1))
      return ((a.factors + b.factors).sorted(), a.number * b.number)
    }
    if depth > 0, let pair = operands(name, "Div", count: 2), let divisor = scalar(pair[1]) {
      let a = product(pair[0], whole: whole, depth: depth - 1)
      return (a.factors, a.number / divisor)
    }
    return ([name], 1)
  }

  // MARK: Activations

  /// A function `g` in an activation `number * x * g(x)`.
  private struct Gate {
    var x: String
    var number = 1.0
    var operation: String
    var attributes: [String: ONNXFile.Attribute] = [:]
  }

  private func activation(_ node: ONNXFile.Node) -> ONNXFile.Node? {
    guard ["Mul", "Div"].contains(node.operation), let name = node.outputs.first else { return nil }
    for factor in product(name).factors {
      guard let gate = gate(factor) else { continue }
      let (factors, number) = product(name, whole: gate.x)
      guard factors == [factor, gate.x].sorted(), isNear(number, gate.number), !ambiguous.contains(gate.x) else {
        continue
      }
      var result = node
      (result.operation, result.inputs, result.attributes) = (gate.operation, [gate.x], gate.attributes)
      return result
    }
    return nil
  }

  private func gate(_ name: String) -> Gate? {
    if let x = operands(name, "Sigmoid", count: 1) { return Gate(x: x[0], operation: "Swish") }
    if let y = operands(name, "Tanh", count: 1), let x = operands(y[0], "Softplus", count: 1) {
      return Gate(x: x[0], operation: "Mish")
    }
    if let x = operands(name, "HardSigmoid", count: 1)?[0] {
      guard case .float(let alpha)? = producers[name]?.attributes["alpha"], isNear(Double(alpha), 1 / 6) else {
        return nil
      }
      if case .float(let beta)? = producers[name]?.attributes["beta"], beta != 0.5 { return nil }
      return Gate(x: x, operation: "HardSwish")
    }
    if let limited = operands(name, "Clip", count: 3), scalar(limited[1]) == 0, scalar(limited[2]) == 6,
      let (x, shift) = sum(limited[0]), shift == 3
    {
      return Gate(x: x, number: 1 / 6, operation: "HardSwish")
    }
    guard let (y, one) = sum(name), one == 1 else { return nil }
    if let argument = operands(y, "Erf", count: 1) {
      let (factors, number) = product(argument[0], depth: 1)
      guard factors.count == 1, isNear(number, 0.5.squareRoot()) else { return nil }
      return Gate(x: factors[0], number: 0.5, operation: "Gelu")
    }
    if let argument = operands(y, "Tanh", count: 1), let x = cubic(argument[0]) {
      return Gate(x: x, number: 0.5, operation: "Gelu", attributes: ["approximate": .string("tanh")])
    }
    return nil
  }

  /// The `x` of `sqrt(2 / pi) * (x + 0.044715 * x^3)`.
  private func cubic(_ name: String) -> String? {
    let (factors, number) = product(name)
    guard factors.count == 1, isNear(number, (2 / Double.pi).squareRoot()),
      let terms = operands(factors[0], "Add", count: 2)
    else { return nil }
    for (x, cube) in [(terms[0], terms[1]), (terms[1], terms[0])] {
      let (powers, number) = product(cube, whole: x)
      guard isNear(number, 0.044715) else { continue }
      if powers == [x, x, x] { return x }
      if powers.count == 1, let power = operands(powers[0], "Pow", count: 2), power[0] == x, scalar(power[1]) == 3 {
        return x
      }
    }
    return nil
  }

  // MARK: Standardisation

  /// `(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)` along one axis.
  private func standardization(_ node: ONNXFile.Node) -> ONNXFile.Node? {
    guard node.operation == "Div", node.inputs.count == 2, let (x, axis) = centred(node.inputs[0]),
      let root = operands(node.inputs[1], "Sqrt", count: 1), let (variance, epsilon) = sum(root[0]), epsilon > 0,
      let (squares, over) = mean(variance), over == axis, let difference = squared(squares),
      let (y, along) = centred(difference), y == x, along == axis, !ambiguous.contains(x)
    else { return nil }
    var result = node
    (result.domain, result.operation, result.inputs) = (ONNXOperators.ownDomain, "Standardize", [x])
    result.attributes = ["axis": .integer(axis), "epsilon": .float(Float(epsilon))]
    return result
  }

  private func centred(_ name: String) -> (x: String, axis: Int64)? {
    guard let pair = operands(name, "Sub", count: 2), let (x, axis) = mean(pair[1]), x == pair[0] else { return nil }
    return (x, axis)
  }

  private func squared(_ name: String) -> String? {
    if let pair = operands(name, "Mul", count: 2), pair[0] == pair[1] { return pair[0] }
    guard let pair = operands(name, "Pow", count: 2), scalar(pair[1]) == 2 else { return nil }
    return pair[0]
  }

  /// Of a mean along one axis, which keeps that as an axis of extent 1.
  private func mean(_ name: String) -> (x: String, axis: Int64)? {
    guard let node = producers[name], node.operation == "ReduceMean", node.domain.isEmpty, let x = node.inputs.first
    else { return nil }
    if case .integer(0)? = node.attributes["keepdims"] { return nil }
    var axes: [Int64] = []
    if case .integers(let list)? = node.attributes["axes"] { axes = list }
    if node.inputs.count == 2, let list = constants[node.inputs[1]], list.dtype == .int64 { axes = list.scalars() }
    return axes.count == 1 ? (x, axes[0]) : nil
  }
}

/// The type of a value: its shape and element type.
public struct TensorType: Hashable, Sendable, CustomStringConvertible {
  public var shape: Shape
  public var dtype: DType

  public init(_ shape: Shape, _ dtype: DType = .float32) {
    self.shape = shape
    self.dtype = dtype
  }

  public var description: String { dtype == .float32 ? "\(shape)" : "\(shape) \(dtype)" }
}

/// A network, a training step, or a single operation: nodes in an order in which they can run.
///
/// Running, training, fusing, planning memory, summaries, receptive fields and export are all readings of a graph. It
/// holds no numbers.
public struct Graph: Sendable {
  /// The index of a value in ``values``.
  public struct ValueID: Hashable, Sendable {
    public let index: Int
    public init(_ index: Int) { self.index = index }
  }

  /// Where a value comes from.
  public enum Source: Hashable, Sendable {
    case input(name: String)
    /// A tensor of the model, by its path; running statistics are parameters too.
    case parameter(path: String)
    /// A tensor that the traced program captured; the trace holds its numbers.
    case constant(index: Int)
    case node(index: Int, output: Int)
  }

  public struct Value: Sendable {
    public var type: TensorType
    public var source: Source
    public var shape: Shape { type.shape }
  }

  public struct Node: Sendable {
    public var operation: Operation
    public var inputs: [ValueID]
    public var outputs: [ValueID]
    /// Unique in the graph: the scope of its parameters (`layer1.0.conv1`), or for a node without any, the scope
    /// around it and the operation's name (`layer1.0.relu`).
    public var name: String
  }

  public struct Output: Sendable {
    public var name: String
    public var value: ValueID

    public init(name: String, value: ValueID) {
      self.name = name
      self.value = value
    }
  }

  public private(set) var values: [Value] = []
  public private(set) var nodes: [Node] = []
  public private(set) var inputs: [ValueID] = []
  public private(set) var parameters: [ValueID] = []
  public private(set) var constants: [ValueID] = []
  public var outputs: [Output] = []

  /// The names in use, each with the number that its next double gets.
  private var nameCounts: [String: Int] = [:]

  public init() {}

  public subscript(_ id: ValueID) -> Value { values[id.index] }
  public func shape(of id: ValueID) -> Shape { values[id.index].type.shape }

  // MARK: Building

  public mutating func addInput(_ name: String, _ type: TensorType) -> ValueID {
    let id = addValue(type, .input(name: name))
    inputs.append(id)
    return id
  }

  public mutating func addParameter(_ path: String, _ type: TensorType) -> ValueID {
    let id = addValue(type, .parameter(path: path))
    parameters.append(id)
    return id
  }

  public mutating func addConstant(_ type: TensorType) -> ValueID {
    let id = addValue(type, .constant(index: constants.count))
    constants.append(id)
    return id
  }

  /// Appends a node; its name is derived from its parameters unless given.
  public mutating func append(_ operation: Operation, _ inputs: [ValueID], name: String? = nil) throws(ShapeError)
    -> [ValueID]
  {
    let unique = uniqueName(name ?? derivedName(operation, inputs))
    return try append(operation, inputs, reservedName: unique)
  }

  /// Appends a node under a name that is known to be free or reserved for it.
  mutating func append(_ operation: Operation, _ inputs: [ValueID], reservedName name: String) throws(ShapeError)
    -> [ValueID]
  {
    let types: [TensorType]
    do {
      types = try operation.outputTypes(of: inputs.map { values[$0.index].type })
    } catch {
      throw ShapeError(message: error.message, path: error.path ?? name)
    }
    if let huge = types.first(where: { $0.shape.elementCount > Self.elementLimit }) {
      throw ShapeError(
        message: "\(operation.name): a tensor of \(huge.shape) is more than any machine holds", path: name)
    }
    let index = nodes.count
    let outputs = types.enumerated().map { addValue($1, .node(index: index, output: $0)) }
    nodes.append(Node(operation: operation, inputs: inputs, outputs: outputs, name: name))
    return outputs
  }

  /// The most elements of one tensor: far from overflow in whatever is counted of it.
  private static let elementLimit = 1 << 40

  private mutating func addValue(_ type: TensorType, _ source: Source) -> ValueID {
    values.append(Value(type: type, source: source))
    return ValueID(values.count - 1)
  }

  // MARK: Names

  private func derivedName(_ operation: Operation, _ inputs: [ValueID]) -> String {
    for input in inputs {
      if case .parameter(let path) = values[input.index].source, let dot = path.lastIndex(of: ".") {
        return String(path[..<dot])
      }
    }
    let scope = scopeAround(inputs)
    return scope.isEmpty ? operation.name : "\(scope).\(operation.name)"
  }

  /// The scope of a node without parameters: the one around the latest of its inputs, unless that is a branch, such as
  /// the shortcut `layer2.0.downsample`, of another input's scope. Blocks are numbered, branches have names.
  private func scopeAround(_ inputs: [ValueID]) -> String {
    let producers = inputs.compactMap { id -> Int? in
      if case .node(let index, _) = values[id.index].source { index } else { nil }
    }
    let scopes = producers.sorted(by: >).map { index -> String in
      nodes[index].name.lastIndex(of: ".").map { String(nodes[index].name[..<$0]) } ?? ""
    }
    guard let latest = scopes.first else { return "" }
    let isBranch = latest.split(separator: ".").last.map { Int($0) == nil } ?? false
    guard isBranch, let trunk = scopes.first(where: { !$0.isEmpty && latest.hasPrefix($0 + ".") }) else {
      return latest
    }
    return trunk
  }

  private mutating func uniqueName(_ name: String) -> String {
    var unique = name
    while nameCounts[unique] != nil {
      let count = nameCounts[name, default: 1]
      unique = "\(name)_\(count)"
      nameCounts[name] = count + 1
    }
    nameCounts[unique] = 1
    return unique
  }

  /// Keeps the names of another graph's nodes for copies of them.
  mutating func reserveNames(of other: Graph) { for node in other.nodes { nameCounts[node.name] = 1 } }

  // MARK: Reading

  /// The node that computes a value, if one does.
  public func producer(of id: ValueID) -> Node? {
    guard case .node(let index, _) = values[id.index].source else { return nil }
    return nodes[index]
  }

  /// For each value, the indices of the nodes that read it.
  public func consumers() -> [[Int]] {
    var consumers = [[Int]](repeating: [], count: values.count)
    for (index, node) in nodes.enumerated() {
      for input in node.inputs where consumers[input.index].last != index { consumers[input.index].append(index) }
    }
    return consumers
  }
}

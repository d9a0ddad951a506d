extension Graph {
  /// A graph cut in two at one value.
  public struct Halves: Sendable {
    /// What comes before the cut; its one output is the value.
    public var prefix: Graph
    /// What comes after; the value is its input of the name ``Graph/cutInputName``.
    public var suffix: Graph
  }

  /// The name of the second half's input.
  public static let cutInputName = "features"

  /// Cuts where the graph leaves what its input and frozen parameters alone determine: the first half gives the same
  /// for an example in every epoch, so that it can be computed once. The cut lies as late as possible where a single
  /// value passes from one half to the other.
  ///
  /// - Parameters:
  ///   - input: the name of the graph's input that examples come in by, the batch along its first axis.
  ///   - isFrozen: by path.
  ///   - nodeLimit: the most nodes that the first half may have.
  /// - Returns: `nil` if no such value comes after the input itself.
  public func cutAfterFrozenPrefix(
    input: String = "input", nodeLimit: Int = .max, isFrozen: (String) -> Bool
  ) -> Halves? {
    let live = removingDeadCode()
    guard let cut = live.lastCut(input: input, nodeLimit: nodeLimit, isFrozen: isFrozen) else { return nil }
    return Halves(prefix: live.part(ending: cut.value, nodes: 0..<cut.end), suffix: live.part(after: cut))
  }

  private typealias Cut = (value: ValueID, end: Int)

  private func lastCut(input: String, nodeLimit: Int, isFrozen: (String) -> Bool) -> Cut? {
    guard let source = inputs.first(where: { self[$0].source == .input(name: input) }) else { return nil }
    var isFixed = values.map { value in
      switch value.source {
      case .input(let name): name == input
      case .parameter(let path): isFrozen(path)
      case .constant: true
      case .node: false
      }
    }
    // Whether a value holds one row for each example.
    var dependsOnInput = values.indices.map { $0 == source.index }
    var lastReader = [Int](repeating: -1, count: values.count)
    for (index, node) in nodes.enumerated() { for id in node.inputs { lastReader[id.index] = index } }
    for output in outputs { lastReader[output.value.index] = nodes.count }

    let batch = self[source].shape.dimensions.first
    var best: Cut?
    // Values that depend on the input and are still to be read.
    var open: Set<ValueID> = [source]
    for (index, node) in nodes.enumerated() {
      guard node.inputs.allSatisfy({ isFixed[$0.index] }), index < nodeLimit else { break }
      let depends = node.inputs.contains { dependsOnInput[$0.index] }
      for id in node.outputs {
        isFixed[id.index] = true
        dependsOnInput[id.index] = depends
        // What does not depend on the input is left to the half that reads it.
        if depends && lastReader[id.index] > index { open.insert(id) }
      }
      open = open.filter { lastReader[$0.index] > index }
      if depends, open.count == 1, let value = open.first, value != source, self[value].type.dtype == .float32,
        self[value].shape.dimensions.first == batch
      {
        best = (value, index + 1)
      }
    }
    return best
  }

  /// The nodes that a value needs, from inputs and parameters on.
  private func part(ending value: ValueID, nodes range: Range<Int>) -> Graph {
    var part = PartBuilder(self)
    for node in nodes[range] { part.copy(node) }
    return part.finished(outputs: [Output(name: Self.cutInputName, value: value)])
  }

  private func part(after cut: Cut) -> Graph {
    var part = PartBuilder(self)
    part.renameToInput(cut.value, Self.cutInputName)
    for (index, node) in nodes.enumerated() where index >= cut.end || part.isIndependent(node, of: cut.value) {
      part.copy(node)
    }
    return part.finished(outputs: outputs)
  }

  /// Whether both graphs compute the same from the same inputs and parameters, node by node.
  public func computesTheSame(as other: Graph) -> Bool {
    func isSame(_ own: ValueID, _ others: ValueID) -> Bool {
      guard self[own].type == other[others].type else { return false }
      return switch (self[own].source, other[others].source) {
      // Constants are numbered by what else a program captured.
      case (.constant, .constant): true
      case let (source, another): source == another
      }
    }
    return nodes.count == other.nodes.count && outputs.count == other.outputs.count
      && zip(outputs, other.outputs).allSatisfy { isSame($0.value, $1.value) }
      && zip(nodes, other.nodes).allSatisfy { own, others in
        own.operation == others.operation && own.inputs.count == others.inputs.count
          && zip(own.inputs, others.inputs).allSatisfy { isSame($0, $1) }
      }
  }

  /// Without random dropping inside the frozen part: a frozen layer behaves as in inference. Dropping that comes before
  /// layers that learn, such as a head's dropout, stays.
  public func removingFrozenDropout(isFrozen: (String) -> Bool) -> Graph {
    // Whether a value, or what comes of it, meets a frozen parameter.
    var leadsToFrozen = [Bool](repeating: false, count: values.count)
    for node in nodes.reversed() {
      let meets =
        node.outputs.contains { leadsToFrozen[$0.index] } || node.inputs.contains { isFrozenWeight($0, isFrozen) }
      for id in node.inputs where meets { leadsToFrozen[id.index] = true }
    }
    let learned = nodes.firstIndex { node in
      node.inputs.contains { id in
        if case .parameter(let path) = self[id].source { !isFrozen(path) } else { false }
      }
    }
    var rewriting = Rewriting(self)
    for (index, node) in nodes.enumerated() {
      let isFrozenPart = index < learned ?? nodes.count && leadsToFrozen[node.outputs[0].index]
      if isFrozenPart, case .dropout = node.operation {
        rewriting.replace(node.outputs[0], with: rewriting[node.inputs[0]])
      } else if isFrozenPart, case .binary(.multiply) = node.operation, isDropoutMask(node.inputs[1]) {
        rewriting.replace(node.outputs[0], with: rewriting[node.inputs[0]])
      } else {
        rewriting.copy(node)
      }
    }
    return rewriting.finished()
  }

  /// Whether a value is ones of which some are dropped, as whole feature maps and residual branches are.
  private func isDropoutMask(_ id: ValueID) -> Bool {
    guard let node = producer(of: id), case .dropout = node.operation, case .constant = self[node.inputs[0]].source
    else { return false }
    return true
  }

  private func isFrozenWeight(_ id: ValueID, _ isFrozen: (String) -> Bool) -> Bool {
    if case .parameter(let path) = self[id].source { isFrozen(path) } else { false }
  }
}

/// Builds a graph of some of another's nodes with the inputs and parameters that they need. Constants keep their
/// places.
private struct PartBuilder {
  private let source: Graph
  private var graph = Graph()
  private var renamed: [Graph.ValueID: Graph.ValueID] = [:]

  init(_ source: Graph) {
    self.source = source
    graph.reserveNames(of: source)
    for id in source.constants { renamed[id] = graph.addConstant(source[id].type) }
  }

  mutating func renameToInput(_ value: Graph.ValueID, _ name: String) {
    renamed[value] = graph.addInput(name, source[value].type)
  }

  /// Whether a node from before a cut needs nothing but parameters and constants, or what was made of such.
  func isIndependent(_ node: Graph.Node, of cut: Graph.ValueID) -> Bool {
    node.inputs.allSatisfy { id in
      switch source[id].source {
      case .input: false
      case .parameter, .constant: true
      case .node: renamed[id] != nil && id != cut
      }
    }
  }

  mutating func copy(_ node: Graph.Node) {
    let inputs = node.inputs.map { renamedSource($0) }
    do {
      let outputs = try graph.append(node.operation, inputs, reservedName: node.name)
      for (old, new) in zip(node.outputs, outputs) { renamed[old] = new }
    } catch {
      fail("a pass built an impossible node: \(error)")
    }
  }

  private mutating func renamedSource(_ id: Graph.ValueID) -> Graph.ValueID {
    if let known = renamed[id] { return known }
    let type = source[id].type
    let new: Graph.ValueID
    switch source[id].source {
    case .input(let name): new = graph.addInput(name, type)
    case .parameter(let path): new = graph.addParameter(path, type)
    case .constant, .node: fail("a cut left a value behind: \(id)")
    }
    renamed[id] = new
    return new
  }

  mutating func finished(outputs: [Graph.Output]) -> Graph {
    let outputs = outputs.map { Graph.Output(name: $0.name, value: renamedSource($0.value)) }
    graph.outputs = outputs
    return graph.removingDeadCode()
  }
}

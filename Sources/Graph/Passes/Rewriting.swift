/// Builds a graph anew from another, node by node: the frame that every pass stands in. A pass looks at each node of
/// the source in order and either copies it or builds something else in its place.
struct Rewriting {
  let source: Graph
  var builder: GraphBuilder
  /// The new value of each old value, once there is one.
  private(set) var renamed: [Graph.ValueID?]

  init(_ source: Graph) {
    self.source = source
    builder = GraphBuilder(Graph())
    builder.graph.reserveNames(of: source)
    renamed = .init(repeating: nil, count: source.values.count)
    // Sources keep their order, so inputs, parameters and constants keep their places.
    for id in source.inputs {
      guard case .input(let name) = source[id].source else { continue }
      renamed[id.index] = builder.graph.addInput(name, source[id].type)
    }
    for id in source.parameters {
      guard case .parameter(let path) = source[id].source else { continue }
      renamed[id.index] = builder.graph.addParameter(path, source[id].type)
    }
    for id in source.constants { renamed[id.index] = builder.graph.addConstant(source[id].type) }
  }

  subscript(_ old: Graph.ValueID) -> Graph.ValueID {
    guard let new = renamed[old.index] else { fail("a pass read a value before it was rebuilt") }
    return new
  }

  /// Whether a value has been rebuilt.
  func has(_ old: Graph.ValueID) -> Bool { renamed[old.index] != nil }

  mutating func replace(_ old: Graph.ValueID, with new: Graph.ValueID) { renamed[old.index] = new }

  /// Copies a node, optionally with another operation or other (new) inputs.
  mutating func copy(_ node: Graph.Node, as operation: Operation? = nil, inputs: [Graph.ValueID]? = nil) {
    let outputs: [Graph.ValueID]
    do {
      outputs = try builder.graph.append(
        operation ?? node.operation, inputs ?? node.inputs.map { self[$0] }, reservedName: node.name)
    } catch {
      fail("a pass built an impossible node: \(error)")
    }
    for (old, new) in zip(node.outputs, outputs) { replace(old, with: new) }
  }

  /// The rebuilt graph, with the source's outputs.
  func finished() -> Graph {
    var graph = builder.graph
    graph.outputs = source.outputs.map { Graph.Output(name: $0.name, value: self[$0.value]) }
    return graph
  }
}

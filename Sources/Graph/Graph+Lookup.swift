extension Graph {
  /// The value that a user means by the path of a layer or by the name of a node.
  ///
  /// A node's own name means its (first) output, an input's name the input. A scope, such as `layer4` or `features.18`,
  /// means what leaves it: the output of the last node within. Nodes that have no parameters are named after what
  /// comes before them, so a mean over all positions, a flattening or a dropout at the very end of a scope counts as
  /// what follows it.
  ///
  /// - Throws: ``UnknownNameError`` with the nearest names.
  public func value(named name: String) throws(UnknownNameError) -> ValueID {
    if let node = nodes.first(where: { $0.name == name }) { return node.outputs[0] }
    for id in inputs { if case .input(name) = values[id.index].source { return id } }
    let within = nodes.indices.filter { nodes[$0].name.hasPrefix(name + ".") }
    if let last = within.last(where: { !summarizesPositions(nodes[$0]) }) ?? within.last {
      return nodes[last].outputs[0]
    }
    throw UnknownNameError(name: name, nearest: nearestNames(to: name, among: layerNames))
  }

  /// What the head reads: the input of the last convolution or linear layer that the first output rests on.
  ///
  /// `nil` for a graph that has no such layer.
  public var headInput: ValueID? {
    guard let output = outputs.first?.value else { return nil }
    let needed = ancestors(of: output)
    return nodes.last { node in
      switch node.operation {
      case .conv, .linear: node.outputs.contains { needed[$0.index] }
      default: false
      }
    }?.inputs[0]
  }

  /// For each value, whether another one depends on it.
  package func ancestors(of output: ValueID) -> [Bool] {
    var needed = [Bool](repeating: false, count: values.count)
    needed[output.index] = true
    for node in nodes.reversed() where node.outputs.contains(where: { needed[$0.index] }) {
      for input in node.inputs { needed[input.index] = true }
    }
    return needed
  }

  /// The names that ``value(named:)`` takes, in the order of the nodes: each scope before what it holds.
  public var layerNames: [String] {
    var known: Set<String> = []
    var names: [String] = []
    for node in nodes {
      for end in node.name.indices where node.name[end] == "." {
        let scope = String(node.name[..<end])
        if known.insert(scope).inserted { names.append(scope) }
      }
      if known.insert(node.name).inserted { names.append(node.name) }
    }
    return names
  }

  private func summarizesPositions(_ node: Node) -> Bool {
    switch node.operation {
    case .reshape, .dropout: return true
    case .reduce(_, let axes, _):
      let rank = shape(of: node.inputs[0]).rank
      return rank > 2 && axes == Array(2..<rank)
    case .pool:
      return shape(of: node.outputs[0]).dimensions.dropFirst(2).allSatisfy { $0 == 1 }
        && shape(of: node.inputs[0]).dimensions.dropFirst(2).contains { $0 > 1 }
    default: return false
    }
  }
}

/// A name that no node and no scope of a graph has.
public struct UnknownNameError: Error, Hashable, Sendable, CustomStringConvertible {
  public var name: String
  public var nearest: [String]

  public var description: String {
    "the model has no layer named \"\(name)\""
      + (nearest.isEmpty ? "" : "; the nearest names are: \(nearest.joined(separator: ", "))")
  }
}

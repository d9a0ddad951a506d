/// Appends nodes to a graph.
public struct GraphBuilder: OperationBuilder {
  public var graph: Graph

  public init(_ graph: Graph) { self.graph = graph }

  public func type(of value: Graph.ValueID) -> TensorType { graph[value].type }

  public mutating func apply(_ operation: Operation, _ inputs: [Graph.ValueID]) -> [Graph.ValueID] {
    do {
      return try graph.append(operation, inputs)
    } catch {
      fail("a rewriting rule built an impossible node: \(error)")
    }
  }
}

extension Graph {
  /// Reverse-mode differentiation (Linnainmaa, 1970) as a walk over the graph: the gradient of a scalar with respect
  /// to some values.
  ///
  /// - Parameters:
  ///   - loss: a value with one element.
  ///   - parameters: the values to differentiate by.
  ///   - builder: what the gradient rules build with.
  ///   - resolve: the builder's value for a value of this graph.
  /// - Returns: one gradient for each parameter; `nil` where the loss does not depend on it.
  public func gradients<Builder: OperationBuilder>(
    of loss: ValueID, withRespectTo parameters: [ValueID], in builder: inout Builder,
    resolve: (ValueID) -> Builder.Value
  ) -> [Builder.Value?] {
    var depends = [Bool](repeating: false, count: values.count)
    for parameter in parameters { depends[parameter.index] = true }
    for node in nodes where node.operation.isDifferentiable && node.inputs.contains(where: { depends[$0.index] }) {
      // Saved statistics and new running statistics are not functions that a loss is differentiated through.
      for output in node.operation.differentiableOutputs(of: node) { depends[output.index] = true }
    }

    var gradients = [Builder.Value?](repeating: nil, count: values.count)
    let lossType = self[loss].type
    gradients[loss.index] = builder(.fill(1, shape: lossType.shape, dtype: lossType.dtype))
    for node in nodes.reversed() {
      let needed = node.inputs.map { depends[$0.index] }
      guard needed.contains(true), node.outputs.contains(where: { depends[$0.index] }) else { continue }
      let upstream = node.outputs.map { gradients[$0.index] }
      guard upstream.contains(where: { $0 != nil }) else { continue }
      let contributions = node.operation.gradients(
        inputs: node.inputs.map(resolve), outputs: node.outputs.map(resolve), upstream: upstream, needed: needed,
        in: &builder)
      for (position, input) in node.inputs.enumerated() where needed[position] {
        guard let contribution = contributions[position] else { continue }
        gradients[input.index] =
          gradients[input.index].map { builder(.binary(.add), $0, contribution) } ?? contribution
      }
    }
    return parameters.map { gradients[$0.index] }
  }
}

extension Operation {
  fileprivate func differentiableOutputs(of node: Graph.Node) -> ArraySlice<Graph.ValueID> {
    switch self {
    case .batchNormTraining, .standardize: node.outputs.prefix(1)
    default: node.outputs[...]
    }
  }
}

extension Graph {
  /// Turns products with a matrix that depends on parameters alone into linear layers: a plan packs their weights once,
  /// and folding and fusion know them.
  public func recognizingLinearLayers() -> Graph {
    let isKnown = valuesKnownAhead()
    var rewriting = Rewriting(self)
    for node in nodes {
      guard case .matmul(transposesA: false, let transposesB, .none) = node.operation, !isKnown[node.inputs[0].index],
        isKnown[node.inputs[1].index], shape(of: node.inputs[1]).rank == 2,
        shape(of: node.inputs[1]).elementCount > 0
      else {
        rewriting.copy(node)
        continue
      }
      let matrix = rewriting[node.inputs[1]]
      let weight = transposesB ? matrix : rewriting.builder(.transpose([1, 0]), matrix)
      rewriting.copy(node, as: .linear(hasBias: false), inputs: [rewriting[node.inputs[0]], weight])
    }
    return rewriting.finished()
  }
}

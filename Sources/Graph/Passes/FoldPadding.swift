extension Graph {
  /// Lets convolutions do the padding with zeros that stands before them as a node of its own, as exporters write what
  /// pads unevenly ("same" padding with strides).
  public func foldingPadding() -> Graph {
    var rewriting = Rewriting(self)
    for node in nodes {
      guard case .conv(var attributes) = node.operation, let padding = producer(of: node.inputs[0]),
        case .pad(let before, let after, value: 0) = padding.operation,
        (before[..<2] + after[..<2]).allSatisfy({ $0 == 0 }), (before + after).allSatisfy({ $0 >= 0 })
      else {
        rewriting.copy(node)
        continue
      }
      for axis in 0..<attributes.rank {
        attributes.paddingBefore[axis] += before[axis + 2]
        attributes.paddingAfter[axis] += after[axis + 2]
      }
      let inputs = [padding.inputs[0]] + node.inputs.dropFirst()
      rewriting.copy(node, as: .conv(attributes), inputs: inputs.map { rewriting[$0] })
    }
    return rewriting.finished().removingDeadCode()
  }
}

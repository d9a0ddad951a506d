extension Graph {
  /// Without the nodes that no output depends on.
  public func removingDeadCode() -> Graph {
    var isLive = [Bool](repeating: false, count: values.count)
    for output in outputs { isLive[output.value.index] = true }
    for node in nodes.reversed() where node.outputs.contains(where: { isLive[$0.index] }) {
      for input in node.inputs { isLive[input.index] = true }
    }
    var rewriting = Rewriting(self)
    for node in nodes where node.outputs.contains(where: { isLive[$0.index] }) { rewriting.copy(node) }
    return rewriting.finished()
  }
}

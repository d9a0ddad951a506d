extension Graph {
  /// For each value, whether exactly one node reads it, once, and no output is it.
  package func singleReaders() -> [Bool] {
    var counts = [Int](repeating: 0, count: values.count)
    for node in nodes { for input in node.inputs { counts[input.index] += 1 } }
    for output in outputs { counts[output.value.index] += 2 }
    return counts.map { $0 == 1 }
  }

  /// For each value, whether it depends on parameters and constants alone.
  func valuesKnownAhead() -> [Bool] {
    var isKnown = values.map { value in
      switch value.source {
      case .parameter, .constant: true
      case .input, .node: false
      }
    }
    for node in nodes where node.inputs.allSatisfy({ isKnown[$0.index] }) {
      for output in node.outputs { isKnown[output.index] = true }
    }
    return isKnown
  }
}

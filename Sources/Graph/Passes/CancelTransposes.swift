extension Graph {
  /// Removes pairs of transpositions that move channels to the end and back, with what lies between them rewritten for
  /// channels in front: a linear layer becomes a 1x1 convolution, other axes are renamed. Networks that were written
  /// for channels last in part, such as ConvNeXt, then show the convolutions that they are made of.
  ///
  /// Only what lies between such transpositions altogether is rewritten, so none is added.
  public func cancellingTransposes() -> Graph {
    let isKnown = valuesKnownAhead()
    let places = placesAmongTranspositions(isKnown)
    /// By a value with its channels at the end: the value of the new graph that has them in front.
    var channelsFirst: [ValueID: ValueID] = [:]
    var rewriting = Rewriting(self)
    for (node, place) in zip(nodes, places) {
      switch place {
      case .between: rewrite(node, &rewriting, &channelsFirst)
      case .entry:
        rewriting.copy(node)
        channelsFirst[node.outputs[0]] = rewriting[node.inputs[0]]
      case .outside:
        if isTransposition(node, toEnd: false), let value = channelsFirst[node.inputs[0]] {
          rewriting.replace(node.outputs[0], with: value)
        } else {
          rewriting.copy(node)
        }
      }
    }
    return rewriting.finished().removingDeadCode()
  }

  /// Whether a node moves axis 1 to the end, or the last axis to place 1, and leaves the others in their order.
  private func isTransposition(_ node: Node, toEnd: Bool) -> Bool {
    guard case .transpose(let permutation) = node.operation, permutation.count > 2 else { return false }
    let rank = permutation.count
    return permutation == (toEnd ? [0] + Array(2..<rank) + [1] : [0, rank - 1] + Array(1..<rank - 1))
  }

  private enum Place {
    /// A transposition to the end that nodes between may begin at.
    case entry
    /// Everything that the node reads comes from entries, directly or through other such nodes, or is known ahead, and
    /// everything that reads it leads to transpositions back.
    case between
    case outside
  }

  private func placesAmongTranspositions(_ isKnown: [Bool]) -> [Place] {
    var hasChannelsLast = [Bool](repeating: false, count: values.count)
    var places = nodes.map { node -> Place in
      // Of three axes, moving to the end and to the front is the same.
      let movesBack = isTransposition(node, toEnd: false) && hasChannelsLast[node.inputs[0].index]
      let place: Place =
        canHaveChannelsLast(node, hasChannelsLast, isKnown)
        ? .between : isTransposition(node, toEnd: true) && !movesBack ? .entry : .outside
      if place != .outside { for output in node.outputs { hasChannelsLast[output.index] = true } }
      return place
    }
    let seen = Set(outputs.map(\.value))
    let readers = consumers()
    func leadsBack(_ node: Node) -> Bool {
      node.outputs.allSatisfy { output in
        !seen.contains(output)
          && readers[output.index].allSatisfy { places[$0] == .between || isTransposition(nodes[$0], toEnd: false) }
      }
    }
    // A node that turns out not to lie between may take those with it that lead to it or come from it.
    var unsure = nodes.indices.filter { places[$0] == .between }
    while let index = unsure.popLast() {
      let node = nodes[index]
      guard places[index] == .between, !leadsBack(node) || !canHaveChannelsLast(node, hasChannelsLast, isKnown) else {
        continue
      }
      places[index] = .outside
      for output in node.outputs {
        hasChannelsLast[output.index] = false
        unsure += readers[output.index]
      }
      for case .node(let producer, _) in node.inputs.map({ self[$0].source }) { unsure.append(producer) }
    }
    return places
  }

  /// Whether a node can be rewritten for channels in front, given which values have them at the end.
  private func canHaveChannelsLast(_ node: Node, _ hasChannelsLast: [Bool], _ isKnown: [Bool]) -> Bool {
    guard let first = node.inputs.first, let output = node.outputs.first, !isKnown[output.index],
      shape(of: output).elementCount > 0
    else { return false }
    let rank = shape(of: output).rank
    func isImage(_ id: ValueID) -> Bool { hasChannelsLast[id.index] && shape(of: id).rank == rank }
    switch node.operation {
    case .unary, .standardize, .softmax, .logSoftmax, .concatenate: return node.inputs.allSatisfy(isImage)
    case .reduce(_, _, let keepsDimensions): return keepsDimensions && isImage(first)
    case .binary:
      return node.inputs.contains(where: isImage)
        && node.inputs.allSatisfy { isImage($0) || isKnown[$0.index] && shape(of: $0).rank <= rank }
    case .linear(_, let epilogue):
      return epilogue == .none && rank <= 5 && isImage(first) && shape(of: first).elementCount > 0
        && node.inputs.dropFirst().allSatisfy { isKnown[$0.index] }
    default: return false
    }
  }

  private func rewrite(_ node: Node, _ rewriting: inout Rewriting, _ channelsFirst: inout [ValueID: ValueID]) {
    let rank = shape(of: node.outputs[0]).rank
    // Where the axes of a value with channels at the end lie in one that has them in front, and the other way round.
    let places = [0] + Array(2..<rank) + [1]
    let origins = [0, rank - 1] + Array(1..<rank - 1)
    func image(_ id: ValueID) -> ValueID? { shape(of: id).rank == rank ? channelsFirst[id] : nil }
    var inputs = node.inputs.map { image($0) ?? rewriting[$0] }
    var operation = node.operation
    switch node.operation {
    case .standardize(let axis, let epsilon): operation = .standardize(axis: places[axis], epsilon: epsilon)
    case .softmax(let axis): operation = .softmax(axis: places[axis])
    case .logSoftmax(let axis): operation = .logSoftmax(axis: places[axis])
    case .concatenate(let axis): operation = .concatenate(axis: places[axis])
    case .reduce(let reduction, let axes, _):
      operation = .reduce(reduction, axes: axes.map { places[$0] }.sorted(), keepsDimensions: true)
    case .binary:
      for (index, id) in node.inputs.enumerated() where image(id) == nil {
        let own = shape(of: id)
        if own.rank == 0 { continue }
        let whole = Shape(Array(repeating: 1, count: rank - own.rank) + own.dimensions)
        inputs[index] = rewriting.builder(
          .transpose(origins), own == whole ? inputs[index] : rewriting.builder(.reshape(whole), inputs[index]))
      }
    case .linear(let hasBias, _):
      let (ones, zeros) = (Array(repeating: 1, count: rank - 2), Array(repeating: 0, count: rank - 2))
      operation = .conv(
        ConvAttributes(stride: ones, dilation: ones, paddingBefore: zeros, paddingAfter: zeros, hasBias: hasBias))
      inputs[1] = rewriting.builder(.reshape(Shape(shape(of: node.inputs[1]).dimensions + ones)), inputs[1])
    default: break
    }
    rewriting.copy(node, as: operation, inputs: inputs)
    for output in node.outputs { channelsFirst[output] = rewriting[output] }
  }
}

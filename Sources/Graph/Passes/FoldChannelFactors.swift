extension Graph {
  /// Folds factors and shifts of channels that depend on parameters alone into the convolutions beside them: those
  /// behind a convolution (layer scale, a bias of its own) and those in front of one without padding (with which layer
  /// norm ends). As with ``foldingBatchNorm()``, the folding becomes nodes that a plan computes once.
  public func foldingChannelFactors() -> Graph {
    // A factor and a shift may follow one another.
    foldingBehindConvolutions().foldingBehindConvolutions().foldingInFrontOfConvolutions().removingDeadCode()
  }

  private func foldingBehindConvolutions() -> Graph {
    let single = singleReaders()
    let maps = nodes.map { node -> ChannelMap? in
      guard let map = channelMap(node), single[map.value.index], let producer = producer(of: map.value),
        case .conv(let attributes) = producer.operation, attributes.epilogue == .none
      else { return nil }
      return map
    }
    let absorbed = Set(maps.compactMap { $0?.value })
    var rewriting = Rewriting(self)
    for (node, map) in zip(nodes, maps) where !absorbed.contains(node.outputs[0]) {
      guard let map, var merged = producer(of: map.value), case .conv(var attributes) = merged.operation else {
        rewriting.copy(node)
        continue
      }
      var weight = rewriting[merged.inputs[1]]
      var bias = attributes.hasBias ? rewriting[merged.inputs[2]] : nil
      let extents = shape(of: merged.inputs[1])
      var builder = rewriting.builder
      let operand = builder(.reshape(Shape([extents[0]])), rewriting[map.operand])
      switch map.function {
      case .multiply:
        let perOutput = Shape([extents[0]] + Array(repeating: 1, count: extents.rank - 1))
        weight = builder(.binary(.multiply), weight, builder(.reshape(perOutput), operand))
        bias = bias.map { builder(.binary(.multiply), $0, operand) }
      case .add:
        bias = bias.map { builder(.binary(.add), $0, operand) } ?? operand
      }
      rewriting.builder = builder
      attributes.hasBias = bias != nil
      // At the place of the map.
      merged.outputs = node.outputs
      rewriting.copy(
        merged, as: .conv(attributes), inputs: [rewriting[merged.inputs[0]], weight] + (bias.map { [$0] } ?? []))
    }
    return rewriting.finished()
  }

  private func foldingInFrontOfConvolutions() -> Graph {
    let single = singleReaders()
    func map(before value: ValueID, _ function: ChannelMap.Function) -> ChannelMap? {
      guard single[value.index], let node = producer(of: value), let map = channelMap(node), map.function == function
      else { return nil }
      return map
    }
    var rewriting = Rewriting(self)
    for node in nodes {
      guard case .conv(var attributes) = node.operation, attributes.groups == 1,
        (attributes.paddingBefore + attributes.paddingAfter).allSatisfy({ $0 == 0 })
      else {
        rewriting.copy(node)
        continue
      }
      let shift = map(before: node.inputs[0], .add)
      let factor = map(before: shift?.value ?? node.inputs[0], .multiply)
      guard let input = factor?.value ?? shift?.value else {
        rewriting.copy(node)
        continue
      }
      var weight = rewriting[node.inputs[1]]
      let extents = shape(of: node.inputs[1])
      let perInput = Shape([1, extents[1]] + Array(repeating: 1, count: extents.rank - 2))
      var rest = node.inputs.dropFirst(2).map { rewriting[$0] }
      var builder = rewriting.builder
      if let shift {
        // Every output sees the shift through the sum of its weights.
        let seen = builder(.binary(.multiply), weight, builder(.reshape(perInput), rewriting[shift.operand]))
        let sum = builder(.reduce(.sum, axes: Array(1..<extents.rank), keepsDimensions: false), seen)
        if attributes.hasBias { rest[0] = builder(.binary(.add), rest[0], sum) } else { rest.insert(sum, at: 0) }
        attributes.hasBias = true
      }
      if let factor {
        weight = builder(.binary(.multiply), weight, builder(.reshape(perInput), rewriting[factor.operand]))
      }
      rewriting.builder = builder
      rewriting.copy(node, as: .conv(attributes), inputs: [rewriting[input], weight] + rest)
    }
    return rewriting.finished()
  }

  /// A multiplication or an addition of one number per channel, known before the network runs.
  private struct ChannelMap {
    enum Function { case multiply, add }

    var function: Function
    var value: ValueID
    var operand: ValueID
  }

  private func channelMap(_ node: Node) -> ChannelMap? {
    let function: ChannelMap.Function
    switch node.operation {
    case .binary(.multiply): function = .multiply
    case .binary(.add): function = .add
    default: return nil
    }
    let result = shape(of: node.outputs[0])
    for (value, operand) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])]
    where shape(of: value) == result && isPerChannel(shape(of: operand), of: result) && isKnownAhead(operand) {
      return ChannelMap(function: function, value: value, operand: operand)
    }
    return nil
  }

  /// Whether a shape that broadcasts to `[N, C, ...]` holds one number per channel.
  private func isPerChannel(_ shape: Shape, of result: Shape) -> Bool {
    guard result.rank >= 2, shape.elementCount == result[1], shape.rank <= result.rank else { return false }
    let axis = 1 - (result.rank - shape.rank)
    return axis >= 0 && shape[axis] == result[1]
  }

  /// Whether a value depends on parameters and constants alone.
  private func isKnownAhead(_ value: ValueID) -> Bool {
    switch self[value].source {
    case .parameter, .constant: true
    case .input: false
    case .node: producer(of: value)?.inputs.allSatisfy(isKnownAhead) ?? false
    }
  }
}

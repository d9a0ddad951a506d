extension Graph {
  /// Folds factors and shifts of channels that depend on parameters alone into the convolutions and linear layers
  /// beside them: those behind such a layer (layer scale, a bias of its own) and those in front of one without padding
  /// (with which layer norm ends). As with ``foldingBatchNorm()``, the folding becomes nodes that a plan computes once.
  public func foldingChannelFactors() -> Graph {
    // A factor and a shift may follow one another.
    foldingBehindLayers().foldingBehindLayers().foldingInFrontOfLayers().removingDeadCode()
  }

  private func foldingBehindLayers() -> Graph {
    let single = singleReaders()
    let isKnown = valuesKnownAhead()
    let maps = nodes.map { node -> ChannelMap? in
      channelMap(node, isKnown) { value in
        guard single[value.index], let producer = producer(of: value) else { return nil }
        return WeightedLayer(producer.operation)?.channelAxis(rank: shape(of: value).rank)
      }
    }
    let absorbed = Set(maps.compactMap { $0?.value })
    var rewriting = Rewriting(self)
    for (node, map) in zip(nodes, maps) where !absorbed.contains(node.outputs[0]) {
      guard let map, var merged = producer(of: map.value), var layer = WeightedLayer(merged.operation) else {
        rewriting.copy(node)
        continue
      }
      var weight = rewriting[merged.inputs[1]]
      var bias = layer.hasBias ? rewriting[merged.inputs[2]] : nil
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
      layer.hasBias = bias != nil
      // At the place of the map.
      merged.outputs = node.outputs
      rewriting.copy(
        merged, as: layer.operation, inputs: [rewriting[merged.inputs[0]], weight] + (bias.map { [$0] } ?? []))
    }
    return rewriting.finished()
  }

  private func foldingInFrontOfLayers() -> Graph {
    let single = singleReaders()
    let isKnown = valuesKnownAhead()
    func map(before value: ValueID, _ function: ChannelMap.Function, axis: Int) -> ChannelMap? {
      guard single[value.index], let node = producer(of: value),
        let map = channelMap(node, isKnown, axis: { _ in axis }),
        map.function == function
      else { return nil }
      return map
    }
    var rewriting = Rewriting(self)
    for node in nodes {
      guard var layer = WeightedLayer(node.operation), layer.seesAllChannels else {
        rewriting.copy(node)
        continue
      }
      let axis = layer.channelAxis(rank: shape(of: node.inputs[0]).rank)
      let shift = map(before: node.inputs[0], .add, axis: axis)
      let factor = map(before: shift?.value ?? node.inputs[0], .multiply, axis: axis)
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
        if layer.hasBias { rest[0] = builder(.binary(.add), rest[0], sum) } else { rest.insert(sum, at: 0) }
        layer.hasBias = true
      }
      if let factor {
        weight = builder(.binary(.multiply), weight, builder(.reshape(perInput), rewriting[factor.operand]))
      }
      rewriting.builder = builder
      rewriting.copy(node, as: layer.operation, inputs: [rewriting[input], weight] + rest)
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

  /// - Parameter axis: of the channels of an operand; `nil` for one that cannot be the value.
  private func channelMap(_ node: Node, _ isKnown: [Bool], axis: (ValueID) -> Int?) -> ChannelMap? {
    let function: ChannelMap.Function
    switch node.operation {
    case .binary(.multiply): function = .multiply
    case .binary(.add): function = .add
    default: return nil
    }
    let result = shape(of: node.outputs[0])
    for (value, operand) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])]
    where shape(of: value) == result && isKnown[operand.index] {
      if let axis = axis(value), isPerChannel(shape(of: operand), of: result, axis: axis) {
        return ChannelMap(function: function, value: value, operand: operand)
      }
    }
    return nil
  }

  /// Whether a shape that broadcasts to another holds one number for each index along an axis of that.
  private func isPerChannel(_ shape: Shape, of result: Shape, axis: Int) -> Bool {
    guard shape.elementCount == result[axis], shape.rank <= result.rank else { return false }
    let own = axis - (result.rank - shape.rank)
    return own >= 0 && shape[own] == result[axis]
  }
}

/// A convolution or linear layer without an epilogue: its inputs are `x, weight [O, I, ...], bias [O]?`.
private struct WeightedLayer {
  private(set) var operation: Operation

  init?(_ operation: Operation) {
    switch operation {
    case .conv(let attributes) where attributes.epilogue == .none: self.operation = operation
    case .linear(_, .none): self.operation = operation
    default: return nil
    }
  }

  var hasBias: Bool {
    get {
      switch operation {
      case .conv(let attributes): attributes.hasBias
      case .linear(let hasBias, _): hasBias
      default: false
      }
    }
    set {
      switch operation {
      case .conv(var attributes):
        attributes.hasBias = newValue
        operation = .conv(attributes)
      case .linear(_, let epilogue): operation = .linear(hasBias: newValue, epilogue: epilogue)
      default: break
      }
    }
  }

  /// Where the channels of its input and its output lie.
  func channelAxis(rank: Int) -> Int { if case .linear = operation { rank - 1 } else { 1 } }

  /// Whether each output is a sum over all channels of inputs that are there: neither groups nor padding.
  var seesAllChannels: Bool {
    guard case .conv(let attributes) = operation else { return true }
    return attributes.groups == 1 && (attributes.paddingBefore + attributes.paddingAfter).allSatisfy { $0 == 0 }
  }
}

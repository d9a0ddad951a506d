import Graph
import Kernels

extension Lowering {
  /// Applies the map of one axis after the other, those that shrink the tensor first.
  mutating func resample(_ maps: [AxisMap?], _ node: Graph.Node) {
    let dtype = type(node.inputs[0]).dtype
    var shape = shape(node.inputs[0])
    // Whole vectors of channels are worth a change of layout.
    let isSpatial = shape.rank > 2 && maps.prefix(2).allSatisfy { $0 == nil }
    let layout = isSpatial && shape[1] >= 16 ? .channelsLast : commonLayout(node.inputs)
    var current = value(node.inputs[0], layout)
    let mapped = maps.enumerated().compactMap { axis, map in map.map { (axis: axis, map: $0) } }
    if mapped.isEmpty { return alias(node.outputs[0], of: current, layout) }
    var pending = mapped.sorted { $0.map.growth < $1.map.growth }[...]
    while let (axis, map) = pending.popFirst() {
      let first = AxisResampling(map)
      var (outer, _, inner) = split(shape, axis, layout)
      shape[axis] = map.taps.count
      // The axis behind it in the same go.
      var second: AxisResampling?
      let behind = layout.physicalAxis(axis, rank: shape.rank) + 1
      if let (axis, map) = pending.first, layout.physicalAxis(axis, rank: shape.rank) == behind {
        pending.removeFirst()
        second = AxisResampling(map)
        inner = split(shape, axis, layout).inner
        shape[axis] = map.taps.count
      }
      let result = pending.isEmpty ? output(node.outputs[0], layout) : temporary(TensorType(shape, dtype))
      emit(node.operation.name, inputs: [current], outputs: [result]) { [outer, inner, second] call in
        first.apply(call.input(0), call.output(), then: second, outer: outer, inner: inner, pool: call.pool)
      }
      current = result
    }
  }

  mutating func gatherElements(_ axis: Int, _ node: Graph.Node) {
    let extent = shape(node.inputs[0])[axis]
    let (outer, count, inner) = split(shape(node.inputs[1]), axis, .rowMajor)
    let inputs = node.inputs.map { value($0, .rowMajor) }
    let result = output(node.outputs[0], .rowMajor)
    emit("gather", inputs: inputs, outputs: [result]) { call throws(ExecutionError) in
      let indices = call.input(1, as: Int32.self)
      try check(indices, count: outer * count * inner, extent: extent)
      GatherKernel.gather(
        call.input(0), extent: extent, indices: indices, call.output(), outer: outer, count: count, inner: inner,
        pool: call.pool)
    }
  }

  mutating func scatterElements(_ axis: Int, _ extent: Int, _ node: Graph.Node) {
    let (outer, count, inner) = split(shape(node.inputs[1]), axis, .rowMajor)
    let inputs = node.inputs.map { value($0, .rowMajor) }
    let result = output(node.outputs[0], .rowMajor)
    emit("scatter", inputs: inputs, outputs: [result]) { call throws(ExecutionError) in
      let indices = call.input(1, as: Int32.self)
      try check(indices, count: outer * count * inner, extent: extent)
      GatherKernel.scatter(
        call.input(0), indices: indices, call.output(), extent: extent, outer: outer, count: count, inner: inner,
        pool: call.pool)
    }
  }

  mutating func argmax(_ axis: Int, _ node: Graph.Node) {
    let (outer, count, inner) = split(shape(node.inputs[0]), axis, .rowMajor)
    let input = value(node.inputs[0], .rowMajor)
    emit("argmax", inputs: [input], outputs: [output(node.outputs[0], .rowMajor)]) { call in
      GatherKernel.argmax(
        call.input(0), call.output(0, as: Int32.self), outer: outer, count: count, inner: inner, pool: call.pool)
    }
  }

  mutating func choose(_ node: Graph.Node) {
    let layout = commonLayout(node.inputs)
    let count = shape(node.outputs[0]).elementCount
    let inputs = node.inputs.map { value($0, layout) }
    emit("where", inputs: inputs, outputs: [output(node.outputs[0], layout)], inPlaceInput: 1) { call in
      GatherKernel.choose(call.input(0), call.input(1), call.input(2), call.output(), count: count, pool: call.pool)
    }
  }

  mutating func standardize(_ axis: Int, _ epsilon: Double, _ node: Graph.Node) {
    let layout = commonLayout(node.inputs)
    let (outer, count, inner) = split(shape(node.inputs[0]), axis, layout)
    let input = value(node.inputs[0], layout)
    let outputs = node.outputs.map { output($0, layout) }
    emit("standardize", inputs: [input], outputs: outputs) { call in
      StandardizationKernel.forward(
        call.input(0), call.output(0), inverse: call.output(1), outer: outer, count: count, inner: inner,
        epsilon: epsilon, pool: call.pool)
    }
  }

  mutating func standardizeGradient(_ axis: Int, _ node: Graph.Node) {
    let layout = commonLayout(node.inputs)
    let (outer, count, inner) = split(shape(node.inputs[0]), axis, layout)
    let inputs = node.inputs.map { value($0, layout) }
    emit("standardize_gradient", inputs: inputs, outputs: [output(node.outputs[0], layout)]) { call in
      StandardizationKernel.backward(
        call.input(0), call.input(1), inverse: call.input(2), call.output(), outer: outer, count: count, inner: inner,
        pool: call.pool)
    }
  }
}

private func check(_ indices: UnsafePointer<Int32>, count: Int, extent: Int) throws(ExecutionError) {
  do throws(GatherKernel.IndexOutOfRange) {
    try GatherKernel.check(indices, count: count, extent: extent)
  } catch {
    throw ExecutionError(description: "index \(error.index) is outside an axis of \(error.extent) elements")
  }
}

extension AxisMap {
  fileprivate var growth: Double { Double(taps.count) / Double(max(1, inputCount)) }
}

extension AxisResampling {
  fileprivate init(_ map: AxisMap) {
    self.init(inputCount: map.inputCount, taps: map.taps.map { $0.map { ($0.source, Float($0.weight)) } })
  }
}

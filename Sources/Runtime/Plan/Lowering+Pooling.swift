import Graph
import Kernels

extension PoolGeometry {
  fileprivate init(_ attributes: PoolAttributes, input: Shape, output: Shape) {
    func padded(_ extents: some Sequence<Int>, with filler: Int = 1) -> SIMD3<Int> {
      let list = Array(extents)
      return SIMD3(Array(repeating: filler, count: 3 - list.count) + list)
    }
    self.init(
      batch: input[0], channels: input[1], input: padded(input.spatial), kernel: padded(attributes.kernel),
      stride: padded(attributes.stride), dilation: padded(attributes.dilation),
      paddingBefore: padded(attributes.paddingBefore, with: 0), paddingAfter: padded(attributes.paddingAfter, with: 0),
      output: padded(output.spatial))
  }
}

extension Lowering {
  mutating func pool(_ attributes: PoolAttributes, _ node: Graph.Node) {
    let (x, y) = (sliceInput(node.inputs[0]), sliceOutput(node.outputs[0]))
    var geometry = PoolGeometry(attributes, input: shape(node.inputs[0]), output: shape(node.outputs[0]))
    (geometry.inPixel, geometry.outPixel) = (x.pixel, y.pixel)
    switch attributes.kind {
    case .average(let countsPadding):
      emit("average_pool", inputs: [x.value], outputs: [y.value]) { [geometry] call in
        geometry.averageForward(call.input(0), call.output(), countsPadding: countsPadding, pool: call.pool)
      }
    case .max:
      let isDifferentiated = graph.nodes.contains { $0.operation.readsMaxima(of: node.inputs[0], $0.inputs) }
      emitMaxPool(attributes, geometry, x: x.value, y: y.value, type(node.outputs[0]), keepsIndices: isDifferentiated)
    }
  }

  mutating func poolGradient(_ attributes: PoolAttributes, _ node: Graph.Node) {
    let dy = value(node.inputs[0], .channelsLast)
    let geometry = PoolGeometry(attributes, input: shape(node.outputs[0]), output: shape(node.inputs[0]))
    switch attributes.kind {
    case .average(let countsPadding):
      emit("average_pool_gradient", inputs: [dy], outputs: [output(node.outputs[0], .channelsLast)]) { call in
        geometry.averageBackward(call.input(0), call.output(), countsPadding: countsPadding, pool: call.pool)
      }
    case .max:
      let x = sliceInput(node.inputs[1])
      let key = PoolKey(value: x.value, attributes: attributes)
      if poolIndices[key] == nil {
        let type = type(node.inputs[0])
        var forward = geometry
        forward.inPixel = x.pixel
        emitMaxPool(attributes, forward, x: x.value, y: temporary(type), type, keepsIndices: true)
      }
      emit(
        "max_pool_gradient", inputs: [dy, poolIndices[key]!], outputs: [output(node.outputs[0], .channelsLast)]
      ) { call in
        geometry.maxBackward(
          call.input(0), indices: call.input(1, as: Int32.self), call.output(), pool: call.pool)
      }
    }
  }

  /// The positions of the maxima, which pooling with the same attributes leaves behind.
  mutating func maxPoolIndices(_ attributes: PoolAttributes, _ node: Graph.Node) {
    let x = value(node.inputs[0], .channelsLast)
    let type = type(node.outputs[0])
    let key = PoolKey(value: x, attributes: attributes)
    if poolIndices[key] == nil {
      let geometry = PoolGeometry(attributes, input: shape(node.inputs[0]), output: type.shape)
      let pooled = TensorType(type.shape, .float32)
      emitMaxPool(attributes, geometry, x: x, y: temporary(pooled), pooled, keepsIndices: true)
    }
    alias(node.outputs[0], of: poolIndices[key]!, .channelsLast)
  }

  private mutating func emitMaxPool(
    _ attributes: PoolAttributes, _ geometry: PoolGeometry, x: Int, y: Int, _ type: TensorType, keepsIndices: Bool
  ) {
    var outputs = [y]
    if keepsIndices {
      outputs.append(temporary(TensorType(type.shape, .int32)))
      poolIndices[PoolKey(value: x, attributes: attributes)] = outputs[1]
    }
    emit("max_pool", inputs: [x], outputs: outputs) { call in
      geometry.maxForward(
        call.input(0), call.output(), indices: keepsIndices ? call.output(1, as: Int32.self) : nil, pool: call.pool)
    }
  }
}

extension Operation {
  /// Whether the operation needs the positions of the maxima of pooling `value`.
  fileprivate func readsMaxima(of value: Graph.ValueID, _ inputs: [Graph.ValueID]) -> Bool {
    switch self {
    case .poolGradient(let attributes, _): attributes.kind == .max && inputs[1] == value
    case .maxPoolIndices: inputs[0] == value
    default: false
    }
  }
}

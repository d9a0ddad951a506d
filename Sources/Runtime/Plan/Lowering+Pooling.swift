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
      emitMaskBits(geometry, x, of: node.inputs[0])
      let isDifferentiated = graph.nodes.contains { $0.operation.readsMaxima(of: node.inputs[0], $0.inputs) }
      emitMaxPool(attributes, geometry, x: x.value, y: y.value, type(node.outputs[0]), keepsTaps: isDifferentiated)
    }
  }

  /// Of a value that others read in a joint buffer and only a mask reads much later, in pooling's gradient: the bits of
  /// that mask, so that the buffer can die.
  private mutating func emitMaskBits(_ geometry: PoolGeometry, _ x: ChannelSlice, of id: Graph.ValueID) {
    guard joints[id] != nil, maskBits[id] == nil else { return }
    let masks = graph.nodes.compactMap { node -> UnaryFunction? in
      guard case .poolGradient(_, _, let epilogue) = node.operation, node.inputs.last == id else { return nil }
      return epilogue.mask
    }
    guard let mask = ActivationKernel.epilogue(masks.first), Set(masks).count == 1 else { return }
    let bits = temporary(TensorType([geometry.maskByteCount()], .uint8))
    maskBits[id] = bits
    emit("mask_bits", inputs: [x.value], outputs: [bits]) { call in
      geometry.maskBits(
        ChannelRows(call.input(0), pixel: x.pixel), mask, into: call.output(0, as: UInt16.self), pool: call.pool)
    }
  }

  mutating func poolGradient(_ attributes: PoolAttributes, _ epilogue: Epilogue, _ node: Graph.Node) {
    let dy = sliceInput(node.inputs[0])
    let channels = shape(node.outputs[0])[1]
    let bits = node.inputs.last.flatMap { epilogue.mask == nil ? nil : maskBits[$0] }
    var extras = node.inputs.suffix(epilogue.inputCount).dropLast(bits == nil ? 0 : 1).map { sliceInput($0) }
    if let bits { extras.append(ChannelSlice(value: bits, pixel: channels)) }
    var geometry = PoolGeometry(attributes, input: shape(node.outputs[0]), output: shape(node.inputs[0]))
    var inputs = [dy.value]
    if attributes.kind == .max {
      let x = sliceInput(node.inputs[1])
      geometry.inPixel = x.pixel
      inputs.append(maxPoolTaps(attributes, geometry, x: x.value, type(node.inputs[0])))
      geometry.inPixel = channels
    }
    let first = inputs.count
    let pixels = extras.map(\.pixel)
    let (mask, readsBits) = (ActivationKernel.epilogue(epilogue.mask), bits != nil)
    emit(
      attributes.kind == .max ? "max_pool_gradient" : "average_pool_gradient", inputs: inputs + extras.map(\.value),
      outputs: [output(node.outputs[0], .channelsLast)]
    ) { [geometry] call in
      let dy = ChannelRows(call.input(0), pixel: dy.pixel)
      let residual = epilogue.addsResidual ? ChannelRows(call.input(first), pixel: pixels[0]) : nil
      let last = pixels.count - 1
      let mask = mask.map { activation -> PoolGeometry.Mask in
        readsBits
          ? .bits(call.input(first + last, as: UInt16.self))
          : .output(ChannelRows(call.input(first + last), pixel: pixels[last]), activation)
      }
      switch attributes.kind {
      case .average(let countsPadding):
        geometry.averageBackward(
          dy, call.output(), countsPadding: countsPadding, residual: residual, mask: mask, pool: call.pool)
      case .max:
        geometry.maxBackward(
          dy, taps: call.input(1, as: UInt8.self), call.output(), residual: residual, mask: mask, pool: call.pool)
      }
    }
  }

  /// The positions of the maxima, from the taps that won.
  mutating func maxPoolIndices(_ attributes: PoolAttributes, _ node: Graph.Node) {
    let x = value(node.inputs[0], .channelsLast)
    let type = type(node.outputs[0])
    let geometry = PoolGeometry(attributes, input: shape(node.inputs[0]), output: type.shape)
    let taps = maxPoolTaps(attributes, geometry, x: x, TensorType(type.shape, .float32))
    emit("max_pool_indices", inputs: [taps], outputs: [output(node.outputs[0], .channelsLast)]) { call in
      geometry.positions(
        of: call.input(0, as: UInt8.self), into: call.output(0, as: Int32.self), pool: call.pool)
    }
  }

  /// Which taps won, which pooling with the same attributes leaves behind.
  private mutating func maxPoolTaps(
    _ attributes: PoolAttributes, _ geometry: PoolGeometry, x: Int, _ pooled: TensorType
  ) -> Int {
    let key = PoolKey(value: x, attributes: attributes)
    if let taps = poolTaps[key] { return taps }
    emitMaxPool(attributes, geometry, x: x, y: temporary(pooled), pooled, keepsTaps: true)
    return poolTaps[key]!
  }

  private mutating func emitMaxPool(
    _ attributes: PoolAttributes, _ geometry: PoolGeometry, x: Int, y: Int, _ type: TensorType, keepsTaps: Bool
  ) {
    var outputs = [y]
    if keepsTaps {
      outputs.append(temporary(TensorType(type.shape, geometry.tapBytes == 1 ? .uint8 : .int32)))
      poolTaps[PoolKey(value: x, attributes: attributes)] = outputs[1]
    }
    emit("max_pool", inputs: [x], outputs: outputs) { call in
      geometry.maxForward(
        call.input(0), call.output(), taps: keepsTaps ? call.output(1, as: UInt8.self) : nil, pool: call.pool)
    }
  }
}

extension Operation {
  /// Whether the operation needs to know which taps won in pooling `value`.
  fileprivate func readsMaxima(of value: Graph.ValueID, _ inputs: [Graph.ValueID]) -> Bool {
    switch self {
    case .poolGradient(let attributes, _, _): attributes.kind == .max && inputs[1] == value
    case .maxPoolIndices: inputs[0] == value
    default: false
    }
  }
}

import Graph
import Kernels

/// Three extents of which the leading ones are 1 where the rank is lower.
private func padded(_ extents: some Sequence<Int>, with filler: Int = 1) -> SpatialExtents {
  let list = Array(extents)
  let all = Array(repeating: filler, count: 3 - list.count) + list
  return SpatialExtents(all[0], all[1], all[2])
}

extension ConvGeometry {
  init(
    _ attributes: ConvAttributes, input: Shape, weight: Shape, output: Shape, inPixel: Int? = nil, outPixel: Int? = nil
  ) {
    self.init(
      batch: input[0], inChannels: input[1], outChannels: weight[0], groups: attributes.groups,
      input: padded(input.spatial), kernel: padded(weight.spatial), stride: padded(attributes.stride),
      dilation: padded(attributes.dilation), paddingBefore: padded(attributes.paddingBefore, with: 0),
      output: padded(output.spatial), inPixel: inPixel, outPixel: outPixel)
  }

  /// What weights packed for one geometry depend on, besides the weights.
  fileprivate var packKey: String {
    "\(groups) \(stride) \(dilation) \(paddingBefore) \(input.width) \(output.width) \(inPixel) \(outPixel)"
  }
}

extension ActivationKernel {
  /// Of an epilogue; fusion makes no others.
  static func epilogue(_ function: UnaryFunction?) -> ActivationKernel? {
    guard let function else { return nil }
    guard let kernel = ActivationKernel(function) else { fail("\(function.name) cannot be an epilogue") }
    return kernel
  }
}

extension Plan.Options {
  /// Six-wide tiles are for inference: gradients deserve the more exact ones.
  var algorithmRules: ConvAlgorithm.Rules {
    !allowsWinograd ? .directOnly : parametersAreConstant ? .inference : .training
  }
}

extension Lowering {
  mutating func conv(_ attributes: ConvAttributes, _ node: Graph.Node) {
    if let nodes = separables[node.outputs[0]] { return separableConv(nodes, projection: node) }
    if let norm = normsOfReaders[node.outputs[0]] { return normalizingConv(attributes, node, norm) }
    let (x, y) = (sliceInput(node.inputs[0]), sliceOutput(node.outputs[0]))
    let geometry = ConvGeometry(
      attributes, input: shape(node.inputs[0]), weight: shape(node.inputs[1]), output: shape(node.outputs[0]),
      inPixel: x.pixel, outPixel: y.pixel)
    var winograd: Winograd?
    var kernel = geometry.isDepthwise ? "depthwise" : geometry.isGroupwise() ? "groupwise" : "implicit_gemm"
    let weights: Int
    let parts: Int?
    if case .winograd(let variant) = ConvAlgorithm.forward(geometry, options.algorithmRules) {
      kernel = variant.rawValue
      let chosen = Winograd(forward: geometry, variant, repacks: !options.parametersAreConstant)
      weights = winogradWeights(node.inputs[1], chosen, "\(kernel)_weights")
      winograd = chosen
      parts = chosen.momentParts
    } else {
      weights = packedWeights(node.inputs[1], geometry)
      parts = Convolution.momentParts(geometry)
    }
    emitProduct(
      kernel, geometry, winograd, hasBias: attributes.hasBias, attributes.epilogue,
      inputs: [x.value, weights] + extras(attributes, node), output: y.value,
      moments: momentsBuffer(of: node.outputs[0], attributes.epilogue, parts: parts))
  }

  /// Bias, residual and mask of a node, as far as it has them.
  mutating func extras(_ attributes: ConvAttributes, _ node: Graph.Node) -> [Int] {
    let bias = attributes.hasBias ? [value(node.inputs[2], .rowMajor)] : []
    return bias + node.inputs.suffix(attributes.epilogue.inputCount).map { value($0, .channelsLast) }
  }

  /// What reads the epilogue of a kernel whose inputs from `first` on are bias, residual and mask, as far as there are
  /// any.
  private func epilogue(_ epilogue: Epilogue, hasBias: Bool, from first: Int = 2)
    -> @Sendable (borrowing Invocation) -> Convolution.Epilogue
  {
    let activation = ActivationKernel.epilogue(epilogue.mask ?? epilogue.activation)
    let bias = hasBias ? first : nil
    let residual = epilogue.addsResidual ? first + (hasBias ? 1 : 0) : nil
    let mask = epilogue.mask == nil ? nil : first + (hasBias ? 1 : 0) + epilogue.inputCount - 1
    return { call in
      Convolution.Epilogue(
        bias: bias.map { call.input($0) }, residual: residual.map { call.input($0) }, activation: activation,
        mask: mask.map { call.input($0) })
    }
  }

  mutating func linear(hasBias: Bool, _ epilogue: Epilogue, _ node: Graph.Node) {
    let weight = shape(node.inputs[1])
    let rows = shape(node.inputs[0]).elementCount / max(1, weight[1])
    let geometry = ConvGeometry.linear(rows: rows, inputs: weight[1], outputs: weight[0])
    var inputs = [value(node.inputs[0], .rowMajor), packedWeights(node.inputs[1], geometry)]
    if hasBias { inputs.append(value(node.inputs[2], .rowMajor)) }
    inputs += node.inputs.suffix(epilogue.inputCount).map { value($0, .rowMajor) }
    emitProduct(
      "gemm", geometry, hasBias: hasBias, epilogue, inputs: inputs, output: output(node.outputs[0], .rowMajor))
  }

  mutating func packedWeights(_ id: Graph.ValueID, _ geometry: ConvGeometry) -> Int {
    derived(
      value(id, .rowMajor), kernel: "pack_weights", geometry: geometry.packKey,
      elementCount: Convolution.forwardWeightsSize(geometry)
    ) { call in
      Convolution.packForward(call.input(0), into: call.output(), geometry, pool: call.pool)
    }
  }

  private mutating func winogradWeights(_ id: Graph.ValueID, _ winograd: Winograd, _ kernel: String) -> Int {
    let kernel = winograd.packsHalfway ? kernel + "_halfway" : kernel
    return derived(value(id, .rowMajor), kernel: kernel, elementCount: winograd.weightsSize) { call in
      winograd.pack(call.input(0), into: call.output(), pool: call.pool)
    }
  }

  private mutating func emitProduct(
    _ kernel: String, _ geometry: ConvGeometry, _ winograd: Winograd? = nil, hasBias: Bool, _ epilogue: Epilogue,
    inputs: [Int], output: Int, moments: MomentsBuffer? = nil
  ) {
    let reading = self.epilogue(epilogue, hasBias: hasBias)
    let bytes = (winograd?.workspaceSize ?? 0) * 4
    let outputs = [output] + (moments.map { [$0.value] } ?? [])
    emit(kernel, inputs: inputs, outputs: outputs, workspaceBytes: bytes) { call in
      var epilogue = reading(call)
      epilogue.moments = moments.map { $0.moments(at: call.output(1, as: UInt8.self)) }
      if let winograd {
        winograd.run(
          call.input(0), weights: call.input(1), into: call.output(), epilogue: epilogue,
          workspace: call.workspace.assumingMemoryBound(to: Float.self), pool: call.pool)
      } else {
        Convolution.forward(
          call.input(0), weights: call.input(1), into: call.output(), geometry, epilogue: epilogue,
          pool: call.pool)
      }
    }
  }

  mutating func convTransposed(_ attributes: ConvAttributes, _ node: Graph.Node) {
    if convTransposedInParts(attributes, node) { return }
    let (x, y) = (sliceInput(node.inputs[0]), sliceOutput(node.outputs[0]))
    let geometry = ConvGeometry(
      attributes, input: shape(node.outputs[0]), weight: shape(node.inputs[1]), output: shape(node.inputs[0]),
      inPixel: y.pixel, outPixel: x.pixel)
    let extras = extras(attributes, node)
    let epilogue = epilogue(attributes.epilogue, hasBias: attributes.hasBias)
    if ConvAlgorithm.inputGradient(geometry, options.algorithmRules) != .direct {
      let winograd = Winograd(inputGradient: geometry, repacks: !options.parametersAreConstant)
      let weights = winogradWeights(node.inputs[1], winograd, "winograd_weights_for_gradient")
      let bytes = winograd.workspaceSize * 4
      emit(
        "winograd_transposed", inputs: [x.value, weights] + extras, outputs: [y.value], workspaceBytes: bytes
      ) { call in
        winograd.run(
          call.input(0), weights: call.input(1), into: call.output(), epilogue: epilogue(call),
          workspace: call.workspace.assumingMemoryBound(to: Float.self), pool: call.pool)
      }
      return
    }
    let weights = derived(
      value(node.inputs[1], .rowMajor), kernel: "pack_weights_for_gradient", geometry: geometry.packKey,
      elementCount: Convolution.inputGradientWeightsSize(geometry)
    ) { call in
      Convolution.packInputGradient(call.input(0), into: call.output(), geometry, pool: call.pool)
    }
    emit("implicit_gemm_transposed", inputs: [x.value, weights] + extras, outputs: [y.value]) { call in
      Convolution.inputGradient(
        call.input(0), weights: call.input(1), into: call.output(), geometry, epilogue: epilogue(call),
        pool: call.pool)
    }
  }

  /// The gradient of what a concatenation joined, as tensors of their own: they die apart.
  ///
  /// - Returns: whether the readers and the algorithm allow it.
  private mutating func convTransposedInParts(_ attributes: ConvAttributes, _ node: Graph.Node) -> Bool {
    guard !attributes.hasBias, attributes.epilogue == .none, let parts = channelParts(of: node.outputs[0]) else {
      return false
    }
    let x = sliceInput(node.inputs[0])
    let geometry = ConvGeometry(
      attributes, input: shape(node.outputs[0]), weight: shape(node.inputs[1]), output: shape(node.inputs[0]),
      outPixel: x.pixel)
    guard ConvAlgorithm.inputGradient(geometry, options.algorithmRules) != .direct else { return false }
    let winograd = Winograd(inputGradient: geometry, repacks: !options.parametersAreConstant)
    let widths = parts.map { shape($0)[1] }
    guard winograd.writesParts(from: widths.dropLast().reduce(into: [0]) { $0.append($0.last! + $1) }) else {
      return false
    }
    let weights = winogradWeights(node.inputs[1], winograd, "winograd_weights_for_gradient")
    emit(
      "winograd_transposed", writesParts: true, inputs: [x.value, weights],
      outputs: parts.map { output($0, .channelsLast) },
      workspaceBytes: winograd.workspaceSize * 4
    ) { call in
      winograd.run(
        call.input(0), weights: call.input(1),
        into: widths.enumerated().map { (call.output($0.offset), $0.element) },
        workspace: call.workspace.assumingMemoryBound(to: Float.self), pool: call.pool)
    }
    return true
  }

  mutating func convWeightGradient(_ attributes: ConvAttributes, _ node: Graph.Node) {
    var geometry = ConvGeometry(
      attributes, input: shape(node.inputs[0]), weight: shape(node.outputs[0]), output: shape(node.inputs[1]))
    var (x, dy) = (sliceInput(node.inputs[0]), sliceInput(node.inputs[1]))
    if geometry.isDepthwise {
      x = ChannelSlice(value: value(node.inputs[0], .channelsLast), pixel: geometry.inChannels)
      dy = ChannelSlice(value: value(node.inputs[1], .channelsLast), pixel: geometry.outChannels)
    }
    (geometry.inPixel, geometry.outPixel) = (x.pixel, dy.pixel)
    emitWeightGradient(
      geometry, x: x.value, dy: dy.value, outputs: node.outputs.map { output($0, .rowMajor) })
  }

  /// - Parameter outputs: the gradient of the weights, and the sums of dy where they are wanted.
  private mutating func emitWeightGradient(_ geometry: ConvGeometry, x: Int, dy: Int, outputs: [Int]) {
    let sums = outputs.count > 1
    if ConvAlgorithm.weightGradient(geometry, options.algorithmRules) != .direct {
      let winograd = WinogradWeightGradient(geometry)
      let bytes = winograd.workspaceSize * 4
      emit("winograd_outer_product", inputs: [x, dy], outputs: outputs, workspaceBytes: bytes) { call in
        winograd.run(
          call.input(0), call.input(1), into: call.output(), sums ? call.output(1) : nil,
          workspace: call.workspace.assumingMemoryBound(to: Float.self), pool: call.pool)
      }
      return
    }
    let rows = geometry.batch * geometry.output.count
    let extents = [rows, geometry.outChannels]
    let slots = ThreadPool.slotCount(forTasks: .max)
    let bytes = max(
      Convolution.weightGradientWorkspaceSize(geometry, slots: slots) * 4,
      sums ? ReductionKernel.workspaceBytes(extents: extents, axes: [0]) : 0)
    emit("outer_product", inputs: [x, dy], outputs: outputs, workspaceBytes: max(8, bytes)) { call in
      Convolution.weightGradient(
        call.input(0), call.input(1), into: call.output(), geometry, slots: slots,
        workspace: call.workspace.assumingMemoryBound(to: Float.self), pool: call.pool)
      guard sums else { return }
      ReductionKernel.sum.apply(
        call.input(1), call.output(1), extents: extents, axes: [0], pixel: geometry.outPixel,
        workspace: call.workspace, pool: call.pool)
    }
  }

  mutating func matmul(_ transposesA: Bool, _ transposesB: Bool, _ epilogue: Epilogue, _ node: Graph.Node) {
    let (a, b, c) = (shape(node.inputs[0]), shape(node.inputs[1]), shape(node.outputs[0]))
    let inputs = node.inputs.map { value($0, .rowMajor) }
    let result = output(node.outputs[0], .rowMajor)
    // Where all matrices on the left meet the same one on the right, their rows are those of one matrix.
    let joinsRows = !transposesA && b.rank == 2
    let (m, n) = (joinsRows ? c.elementCount / max(1, c[c.rank - 1]) : c[c.rank - 2], c[c.rank - 1])
    let k = transposesA ? a[a.rank - 2] : a[a.rank - 1]
    if transposesA && !transposesB && c.rank == 2 && epilogue == .none {
      // The gradient of a linear layer's weight: no operand needs packing.
      return emitWeightGradient(
        .linear(rows: k, inputs: n, outputs: m), x: inputs[1], dy: inputs[0], outputs: [result])
    }
    let bytes = 4 * Convolution.matmulWorkspaceSize(m: m, n: n, k: k, transposeA: transposesA, transposeB: transposesB)
    func offsets(of operand: Shape, _ elements: Int) -> [Int] {
      if joinsRows { return [0] }
      let batch = Shape(Array(c.dimensions.dropLast(2)))
      return broadcastOffsets(of: Array(operand.dimensions.dropLast(2)), over: batch).map { $0 * elements }
    }
    let (aOffsets, bOffsets) = (offsets(of: a, m * k), offsets(of: b, k * n))
    let epilogue = self.epilogue(epilogue, hasBias: false)
    emit("gemm", inputs: inputs, outputs: [result], workspaceBytes: max(4, bytes)) { call in
      for index in aOffsets.indices {
        Convolution.matmul(
          call.input(0) + aOffsets[index], call.input(1) + bOffsets[index], into: call.output() + index * m * n,
          m: m, n: n, k: k, transposeA: transposesA, transposeB: transposesB,
          epilogue: epilogue(call).moved(by: index * m * n),
          workspace: call.workspace.assumingMemoryBound(to: Float.self), pool: call.pool)
      }
    }
  }

  /// For each index of `batch` in row-major order, the index into a dense array of `extents` that broadcasts to it.
  private func broadcastOffsets(of extents: [Int], over batch: Shape) -> [Int] {
    let strides = broadcastStrides(Shape(extents), .rowMajor, to: batch)
    return (0..<batch.elementCount).map { flat in
      var rest = flat
      var offset = 0
      for axis in stride(from: batch.rank - 1, through: 0, by: -1) {
        offset += rest % batch[axis] * strides[axis]
        rest /= batch[axis]
      }
      return offset
    }
  }
}

import Graph
import Kernels

extension ActivationKernel {
  /// The kernel of an activation; `nil` for functions of arithmetic.
  init?(_ function: UnaryFunction) {
    switch function {
    case .relu: self = .relu
    case .relu6: self = .relu6
    case .leakyReLU(let slope): self = .leakyReLU(slope: Float(slope))
    case .sigmoid: self = .sigmoid
    case .tanh: self = .tanh
    case .gelu: self = .geluExact
    case .geluTanh: self = .geluTanh
    case .silu: self = .silu
    case .hardSwish: self = .hardSwish
    case .hardSigmoid: self = .hardSigmoid
    case .elu(let alpha): self = .elu(alpha: Float(alpha))
    case .selu: self = .selu
    case .softplus: self = .softplus()
    case .mish: self = .mish
    case .clip(let low, let high): self = .clip(low: Float(low), high: Float(high))
    case .exp, .log, .sqrt, .negate, .absolute, .square, .reciprocal, .sign, .sine, .cosine, .errorFunction, .floor,
      .ceil, .round, .not, .affine:
      return nil
    }
  }
}

extension UnaryFunction {
  /// Whether it costs no more than reading and writing its numbers.
  fileprivate var isPiecewisePolynomial: Bool {
    switch self {
    case .relu, .relu6, .leakyReLU, .hardSwish, .hardSigmoid, .clip: true
    default: false
    }
  }
}

extension UnaryKernel {
  /// The kernel of a function of arithmetic; `nil` for activations.
  fileprivate init?(_ function: UnaryFunction) {
    switch function {
    case .exp: self = .exp
    case .log: self = .log
    case .sqrt: self = .sqrt
    case .negate: self = .negate
    case .absolute: self = .abs
    case .square: self = .square
    case .reciprocal: self = .reciprocal
    case .sign: self = .sign
    case .sine: self = .sin
    case .cosine: self = .cos
    case .errorFunction: self = .erf
    case .floor: self = .floor
    case .ceil: self = .ceil
    case .round: self = .round
    case .not: self = .not
    case .affine(let scale, let shift): self = .affine(scale: Float(scale), offset: Float(shift))
    default: return nil
    }
  }
}

extension BinaryKernel {
  fileprivate init(_ function: BinaryFunction) {
    switch function {
    case .add: self = .add
    case .subtract: self = .subtract
    case .multiply: self = .multiply
    case .divide: self = .divide
    case .maximum: self = .maximum
    case .minimum: self = .minimum
    case .power: self = .power
    case .greater: self = .greater
    case .less: self = .less
    case .equal: self = .equal
    case .greaterOrEqual: self = .greaterOrEqual
    case .lessOrEqual: self = .lessOrEqual
    case .and: self = .and
    case .or: self = .or
    case .exclusiveOr: self = .exclusiveOr
    }
  }
}

extension Lowering {
  mutating func unary(_ function: UnaryFunction, _ node: Graph.Node) {
    let layout = commonLayout(node.inputs)
    let count = shape(node.outputs[0]).elementCount
    let x = value(node.inputs[0], layout)
    let y = output(node.outputs[0], layout)
    if let activation = ActivationKernel(function) {
      let body = { @Sendable (call: borrowing Invocation) in
        activation.forward(call.input(0), call.output(), count: count, pool: call.pool)
      }
      let recomputation =
        function.isPiecewisePolynomial
        ? Recomputation(kernel: "\(function.name)_again", inputs: [x], body: body) : nil
      emit(function.name, inputs: [x], outputs: [y], inPlaceInput: 0, recomputation: recomputation, body)
    } else if let map = UnaryKernel(function) {
      emit(function.name, inputs: [x], outputs: [y], inPlaceInput: 0) { call in
        map.apply(call.input(0), call.output(), count: count, pool: call.pool)
      }
    }
  }

  mutating func unaryGradient(_ function: UnaryFunction, _ node: Graph.Node) {
    guard let activation = ActivationKernel(function) else { fail("\(function.name) has no gradient kernel") }
    let layout = commonLayout(node.inputs)
    let shape = shape(node.outputs[0])
    // Rows of channels where there may be slices.
    let isRows = layout == .channelsLast && shape.rank > 2
    let channels = isRows ? shape[1] : shape.elementCount
    let rows = isRows ? shape.elementCount / max(1, channels) : 1
    let inputs = node.inputs.map { isRows ? sliceInput($0) : ChannelSlice(value: value($0, layout), pixel: channels) }
    let (dy, x) = (inputs[0].pixel, inputs[1].pixel)
    emit(
      node.operation.name, inputs: inputs.map(\.value), outputs: [output(node.outputs[0], layout)], inPlaceInput: 0
    ) { call in
      activation.backward(
        ChannelRows(call.input(0), pixel: dy), ChannelRows(call.input(1), pixel: x), call.output(), rows: rows,
        channels: channels, pool: call.pool)
    }
  }

  mutating func binary(_ function: BinaryFunction, _ node: Graph.Node) {
    let shape = shape(node.outputs[0])
    // An operand of the output's size decides the layout; a smaller one is read through its strides.
    let whole = node.inputs.filter { self.shape($0) == shape }
    let layout = commonLayout(whole)
    let kernel = BinaryKernel(function)
    let operands = node.inputs.map { id -> (value: Int, strides: [Int]) in
      let operand = self.shape(id)
      let own: Layout = operand == shape ? layout : .rowMajor
      return (value(id, own), layout.physical(broadcastStrides(operand, own, to: shape)))
    }
    let extents = layout.physical(shape)
    let (aStrides, bStrides) = (operands[0].strides, operands[1].strides)
    emit(
      function.rawValue, inputs: operands.map(\.value), outputs: [output(node.outputs[0], layout)],
      inPlaceInput: node.inputs.firstIndex { self.shape($0) == shape }
    ) { call in
      kernel.apply(
        call.input(0), aStrides, call.input(1), bStrides, call.output(), extents: extents, pool: call.pool)
    }
  }

  /// Strides, by logical axis of `target`, that read a tensor of `shape` as if it were repeated to `target`.
  func broadcastStrides(_ shape: Shape, _ layout: Layout, to target: Shape) -> [Int] {
    let physical = Shape(layout.physical(shape)).strides
    let added = target.rank - shape.rank
    return (0..<target.rank).map { axis in
      guard axis >= added, shape[axis - added] != 1 || target[axis] == 1 else { return 0 }
      return physical[layout.physicalAxis(axis - added, rank: shape.rank)]
    }
  }

  mutating func dropout(_ rate: Double, _ stream: Int, _ node: Graph.Node) {
    // Row major, so that the mask depends on an element's logical index alone.
    let count = shape(node.outputs[0]).elementCount
    let inputs = [value(node.inputs[0], .rowMajor), value(node.inputs[1], .rowMajor)]
    let salt = UInt64(UInt32(truncatingIfNeeded: stream &* 0x9E37_79B9))
    emit("dropout", inputs: inputs, outputs: [output(node.outputs[0], .rowMajor)], inPlaceInput: 0) { call in
      let key = call.input(1, as: Int64.self)
      DropoutKernel.apply(
        call.input(0), call.output(), count: count, probability: Float(rate),
        seed: UInt64(bitPattern: key[0]) ^ salt, stream: UInt64(bitPattern: key[1]), pool: call.pool)
    }
  }

  mutating func fill(_ fillValue: Double, _ dtype: DType, _ node: Graph.Node) throws(ShapeError) {
    guard dtype == .float32 else {
      throw ShapeError(message: "a plan fills float32 tensors only, not \(dtype)", path: node.name)
    }
    let count = shape(node.outputs[0]).elementCount
    emit("fill", inputs: [], outputs: [output(node.outputs[0], .rowMajor)]) { call in
      CopyKernel.fill(call.output(), count: count, value: Float(fillValue), pool: call.pool)
    }
  }
}

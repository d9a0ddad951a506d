import Layers

extension ONNXOperators {
  /// Functions of one element that the graph has.
  static let activations: [String: ONNXOperator] = [
    "Relu": unary(.relu), "Sigmoid": unary(.sigmoid), "Tanh": unary(.tanh), "Softplus": unary(.softplus),
    "Exp": unary(.exp), "Log": unary(.log), "Sqrt": unary(.sqrt), "Reciprocal": unary(.reciprocal),
    "HardSwish": unary(.hardSwish), "Mish": unary(.mish),
    "LeakyRelu": { [try $0.unary(.leakyReLU(slope: $0.number("alpha", 0.01)), $0.input())] },
    "Elu": { [try $0.unary(.elu(alpha: $0.number("alpha", 1)), $0.input())] },
    "Selu": { call in
      let (alpha, gamma) = (try call.number("alpha", 1.6732632), try call.number("gamma", 1.0507010))
      return [try call.affine(call.unary(.elu(alpha: alpha), call.input()), scale: gamma)]
    },
    "Celu": { call in
      let alpha = try call.number("alpha", 1)
      let scaled = try call.affine(call.input(), scale: 1 / alpha)
      return [try call.affine(call.unary(.elu(alpha: 1), scaled), scale: alpha)]
    },
    "Gelu": { call in
      let isTanh = try call.string("approximate", "none") == "tanh"
      return [try call.unary(isTanh ? .geluTanh : .gelu, call.input())]
    },
    "Swish": { call in
      let (x, alpha) = (try call.input(), try call.number("alpha", 1))
      if alpha == 1 { return [try call.unary(.silu, x)] }
      return [try call.multiply(x, call.unary(.sigmoid, call.affine(x, scale: alpha)))]
    },
    "HardSigmoid": { call in
      let (alpha, beta) = (try call.number("alpha", 0.2), try call.number("beta", 0.5))
      return [try call.clip(call.affine(call.input(), scale: alpha, shift: beta), 0, 1)]
    },
    "Softsign": { call in
      let x = try call.input()
      return [try call.divide(x, call.affine(call.unary(.absolute, x), shift: 1))]
    },
    "ThresholdedRelu": { call in
      let x = try call.input()
      let mask = try call.binary(.greater, x, call.scalar(call.number("alpha", 1), like: x))
      return [try call.multiply(x, mask)]
    },
    "PRelu": { call in
      let x = try call.input()
      var slope = try call.input(1)
      if call.version < 7, slope.rank == 1 { slope = try call.perChannel(slope, rank: x.rank) }
      let negative = try call.unary(.negate, call.unary(.relu, call.unary(.negate, x)))
      return [try call.add(call.unary(.relu, x), call.multiply(slope, negative))]
    },
    "Shrink": { call in
      let x = try call.input()
      let (limit, bias) = (try call.number("lambd", 0.5), try call.number("bias", 0))
      let above = try call.binary(.greater, x, call.scalar(limit, like: x))
      let below = try call.binary(.less, x, call.scalar(-limit, like: x))
      return [
        try call.add(
          call.multiply(above, call.affine(x, shift: -bias)), call.multiply(below, call.affine(x, shift: bias)))
      ]
    },
    "Clip": { call in
      let low = try call.double(1) ?? call.number("min", -.infinity)
      let high = try call.double(2) ?? call.number("max", .infinity)
      return [try call.clip(call.input(), low, high)]
    },
  ]

  private static func unary(_ function: UnaryFunction) -> ONNXOperator { { [try $0.unary(function, $0.input())] } }

  /// Arithmetic on two or more tensors, with broadcasting.
  static let arithmetic: [String: ONNXOperator] = [
    "Add": { [try $0.arithmetic(.add, $0.input(), $0.input(1))] },
    "Sub": { [try $0.arithmetic(.subtract, $0.input(), $0.input(1))] },
    "Mul": { [try $0.arithmetic(.multiply, $0.input(), $0.input(1))] },
    "Div": { [try $0.arithmetic(.divide, $0.input(), $0.input(1))] },
    "Max": { [try $0.variadic(.maximum)] },
    "Min": { [try $0.variadic(.minimum)] },
    "Sum": { [try $0.variadic(.add)] },
    "Mean": { [try $0.affine($0.variadic(.add), scale: 1 / Double($0.inputs.count))] },
    "Neg": { [try $0.negated($0.input())] },
    "Abs": { call in
      let x = try call.input()
      return [x.dtype.isFloatingPoint ? try call.unary(.absolute, x) : try call.integerMap(x) { $0 < 0 ? 0 &- $0 : $0 }]
    },
    "Sign": { call in
      let x = try call.input()
      return [x.dtype.isFloatingPoint ? try call.unary(.sign, x) : try call.integerMap(x) { $0.signum() }]
    },
    "Pow": { call in
      let (base, exponent) = (try call.input(), try call.input(1))
      if base.dtype.isFloatingPoint, call.isKnown(exponent), exponent.elementCount == 1, exponent.rank <= base.rank {
        switch try call.doubles(of: exponent)[0] {
        case 1: return [base]
        case 2: return [try call.unary(.square, base)]
        case 0.5: return [try call.unary(.sqrt, base)]
        default: break
        }
      }
      if base.dtype.isFloatingPoint { return [try call.binary(.power, base, call.cast(exponent, to: base.dtype))] }
      let power = try call.binary(.power, call.cast(base, to: .float64), call.cast(exponent, to: .float64))
      return [try call.cast(power, to: base.dtype)]
    },
    "Mod": { [try $0.remainder()] },
    "BitShift": { call in
      let isLeft = try call.string("direction", "LEFT") == "LEFT"
      return [try call.integerBinary(call.input(), call.input(1)) { isLeft ? $0 << $1 : $0 >> $1 }]
    },
  ]
}

extension ONNXCall {
  func clip(_ x: Tensor, _ low: Double, _ high: Double) throws -> Tensor {
    guard x.dtype.isFloatingPoint else { return try map(x) { max(low, min(high, $0)) } }
    if low == 0 && high == 6 { return try unary(.relu6, x) }
    if low == 0 && high == .infinity { return try unary(.relu, x) }
    return low == -.infinity && high == .infinity ? x : try unary(.clip(low, high), x)
  }

  func negated(_ x: Tensor) throws -> Tensor {
    x.dtype.isFloatingPoint ? try unary(.negate, x) : try integerMap(x) { 0 &- $0 }
  }

  func variadic(_ function: BinaryFunction) throws -> Tensor {
    let tensors = try allInputs()
    return try tensors.dropFirst().reduce(tensors[0]) { try arithmetic(function, $0, $1) }
  }

  /// Floating point by the graph's operation; integers exactly, with low bits kept, as ONNX's reference does.
  func arithmetic(_ function: BinaryFunction, _ a: Tensor, _ b: Tensor) throws -> Tensor {
    let b = try aligned(b, to: a)
    if a.dtype.isFloatingPoint && b.dtype.isFloatingPoint { return try binary(function, a, b) }
    if isComparison(function) {
      guard a.dtype == b.dtype else { throw invalid("element types differ: \(a.dtype) and \(b.dtype)") }
      if !isKnown(a) || !isKnown(b) { return try binary(function, cast(a, to: .float32), cast(b, to: .float32)) }
    }
    switch function {
    case .add: return try integerBinary(a, b, &+)
    case .subtract: return try integerBinary(a, b, &-)
    case .multiply: return try integerBinary(a, b, &*)
    case .divide:
      if try wideIntegers(of: b).contains(0) { throw invalid("a division of integers by zero") }
      return try integerBinary(a, b) { $0.dividedReportingOverflow(by: $1).partialValue }
    case .maximum: return try integerBinary(a, b, max)
    case .minimum: return try integerBinary(a, b, min)
    case .greater: return try integerBinary(a, b) { $0 > $1 ? 1 : 0 }
    case .less: return try integerBinary(a, b) { $0 < $1 ? 1 : 0 }
    case .equal: return try integerBinary(a, b) { $0 == $1 ? 1 : 0 }
    case .greaterOrEqual: return try integerBinary(a, b) { $0 >= $1 ? 1 : 0 }
    case .lessOrEqual: return try integerBinary(a, b) { $0 <= $1 ? 1 : 0 }
    default: throw unsupported("integers")
    }
  }

  private func isComparison(_ function: BinaryFunction) -> Bool {
    [.greater, .less, .equal, .greaterOrEqual, .lessOrEqual].contains(function)
  }

  /// Before version 7 the attribute `axis` could say which axes of the first operand those of the second belong to.
  private func aligned(_ b: Tensor, to a: Tensor) throws -> Tensor {
    guard version < 7, node.attributes["broadcast"] != nil, node.attributes["axis"] != nil else { return b }
    let first = try axis(integer("axis", 0), rank: a.rank)
    let behind = a.rank - first - b.rank
    guard behind >= 0 else { throw invalid("\(b.shape) does not fit \(a.shape) from axis \(first) on") }
    return try reshape(b, b.shape.dimensions + .init(repeating: 1, count: behind))
  }

  func integerMap(_ x: Tensor, _ function: (Int64) -> Int64) throws -> Tensor {
    try checked(x.shape.dimensions, isSlow: true)
    return .made(try wideIntegers(of: x).map(function), x.shape, x.dtype)
  }

  func integerBinary(_ a: Tensor, _ b: Tensor, to dtype: DType? = nil, _ function: (Int64, Int64) -> Int64) throws
    -> Tensor
  {
    guard a.dtype == b.dtype else { throw invalid("element types differ: \(a.dtype) and \(b.dtype)") }
    let shape = try broadcastShape([a, b])
    let (x, y) = (try wideIntegers(of: a), try wideIntegers(of: b))
    let pairs = zip(positions(a.shape, broadcastTo: shape), positions(b.shape, broadcastTo: shape))
    return .made(pairs.map { function(x[$0], y[$1]) }, shape, dtype ?? a.dtype)
  }

  func doubleBinary(_ a: Tensor, _ b: Tensor, to dtype: DType? = nil, _ function: (Double, Double) -> Double) throws
    -> Tensor
  {
    let shape = try broadcastShape([a, b])
    let (x, y) = (try doubles(of: a), try doubles(of: b))
    let pairs = zip(positions(a.shape, broadcastTo: shape), positions(b.shape, broadcastTo: shape))
    return .made(pairs.map { function(x[$0], y[$1]) }, shape, dtype ?? a.dtype)
  }

  /// The remainder with the sign of the divisor, or with `fmod` that of the dividend.
  fileprivate func remainder() throws -> Tensor {
    let (a, b) = (try input(), try input(1))
    let keepsSign = try integer("fmod", 0) != 0
    if a.dtype.isFloatingPoint, isKnown(a), isKnown(b) {
      return try doubleBinary(a, b) {
        let rest = $0.truncatingRemainder(dividingBy: $1)
        return keepsSign || rest == 0 || (rest < 0) == ($1 < 0) ? rest : rest + $1
      }
    }
    if a.dtype.isFloatingPoint {
      let quotient = try divide(a, b)
      let whole =
        keepsSign
        ? try multiply(unary(.sign, quotient), unary(.floor, unary(.absolute, quotient))) : try unary(.floor, quotient)
      return try subtract(a, multiply(b, whole))
    }
    if try wideIntegers(of: b).contains(0) { throw invalid("a division of integers by zero") }
    return try integerBinary(a, b) {
      let rest = $0.remainderReportingOverflow(dividingBy: $1).partialValue
      return keepsSign || rest == 0 || (rest < 0) == ($1 < 0) ? rest : rest + $1
    }
  }
}

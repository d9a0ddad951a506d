import Layers

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension ONNXOperators {
  /// Comparisons, logic, and choices.
  static let logic: [String: ONNXOperator] = [
    "Greater": { [try $0.comparison(.greater)] },
    "Less": { [try $0.comparison(.less)] },
    "Equal": { [try $0.comparison(.equal)] },
    "GreaterOrEqual": { [try $0.comparison(.greaterOrEqual)] },
    "LessOrEqual": { [try $0.comparison(.lessOrEqual)] },
    "And": { [try $0.logical(.and)] },
    "Or": { [try $0.logical(.or)] },
    "Xor": { [try $0.logical(.exclusiveOr)] },
    "Not": { [try $0.cast($0.unary(.not, $0.cast($0.input(), to: .float32)), to: .bool)] },
    "IsNaN": { call in
      let x = try call.input()
      return [try call.cast(call.unary(.not, call.binary(.equal, x, x)), to: .bool)]
    },
    "IsInf": { call in
      let x = try call.input()
      let (positive, negative) = (try call.integer("detect_positive", 1), try call.integer("detect_negative", 1))
      let high = try call.affine(
        call.binary(.equal, x, call.scalar(.infinity, like: x)), scale: positive == 0 ? 0 : 1)
      let low = try call.affine(
        call.binary(.equal, x, call.scalar(-.infinity, like: x)), scale: negative == 0 ? 0 : 1)
      return [try call.cast(call.add(high, low), to: .bool)]
    },
    "Where": { [try $0.choice()] },
  ]

  /// Functions of one element.
  static let functions: [String: ONNXOperator] = [
    "Floor": rounding(.floor), "Ceil": rounding(.ceil), "Round": rounding(.round),
    "Erf": { [try $0.unary(.errorFunction, $0.input())] },
    "Sin": { [try $0.unary(.sine, $0.input())] }, "Cos": { [try $0.unary(.cosine, $0.input())] },
    "Tan": { [try $0.divide($0.unary(.sine, $0.input()), $0.unary(.cosine, $0.input()))] },
    "Sinh": { call in
      let (up, down) = try call.exponentials()
      return [try call.affine(call.subtract(up, down), scale: 0.5)]
    },
    "Cosh": { call in
      let (up, down) = try call.exponentials()
      return [try call.affine(call.add(up, down), scale: 0.5)]
    },
    // The graph has no operation for these, which no network of convolutions uses: where numbers are known.
    "Asin": elementwise(asin), "Acos": elementwise(acos), "Atan": elementwise(atan),
    "Asinh": elementwise(asinh), "Acosh": elementwise(acosh), "Atanh": elementwise(atanh),
  ]

  private static func rounding(_ function: UnaryFunction) -> ONNXOperator {
    { call in
      let x = try call.input()
      return [x.dtype.isFloatingPoint ? try call.unary(function, x) : x]
    }
  }

  private static func elementwise(_ function: @escaping @Sendable (Double) -> Double) -> ONNXOperator {
    { [try $0.map($0.input(), function)] }
  }
}

extension ONNXCall {
  fileprivate func exponentials() throws -> (up: Tensor, down: Tensor) {
    let x = try input()
    return (try unary(.exp, x), try unary(.exp, unary(.negate, x)))
  }

  fileprivate func comparison(_ function: BinaryFunction) throws -> Tensor {
    try cast(arithmetic(function, input(), input(1)), to: .bool)
  }

  fileprivate func logical(_ function: BinaryFunction) throws -> Tensor {
    try cast(arithmetic(function, cast(input(), to: .float32), cast(input(1), to: .float32)), to: .bool)
  }

  fileprivate func choice() throws -> Tensor {
    let (condition, x, y) = (try input(), try input(1), try input(2))
    guard x.dtype == y.dtype, condition.dtype == .bool else {
      throw invalid("chooses between \(x.dtype) and \(y.dtype) by \(condition.dtype)")
    }
    let shape = try broadcastShape([condition, x, y])
    func spread(_ tensor: Tensor) throws -> Tensor {
      tensor.shape == shape ? tensor : try compute(.broadcast(shape), tensor)
    }
    if x.dtype.isFloatingPoint, shape.elementCount > 0 {
      return try compute(.choose, spread(cast(condition, to: x.dtype)), spread(x), spread(y))
    }
    // Integers keep all their bits: both in a row, so that an element of either has one position.
    let chooses = try wideIntegers(of: spread(condition))
    let both = try concatenate(
      [reshape(spread(x), [shape.elementCount]), reshape(spread(y), [shape.elementCount])], axis: 0)
    return try take(both, chooses.indices.map { chooses[$0] != 0 ? $0 : shape.elementCount + $0 }, shape)
  }
}

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
    "GreaterOrEqual": { call in [try call.doubleBinary(call.input(), call.input(1), to: .bool) { $0 >= $1 ? 1 : 0 }] },
    "LessOrEqual": { call in [try call.doubleBinary(call.input(), call.input(1), to: .bool) { $0 <= $1 ? 1 : 0 }] },
    "And": { [try $0.integerBinary($0.input(), $0.input(1), &)] },
    "Or": { [try $0.integerBinary($0.input(), $0.input(1), |)] },
    "Xor": { [try $0.integerBinary($0.input(), $0.input(1), ^)] },
    "Not": { [try $0.integerMap($0.input()) { 1 - $0 }] },
    "IsNaN": { [try $0.map($0.input(), to: .bool) { $0.isNaN ? 1 : 0 }] },
    "IsInf": { call in
      let positive = try call.integer("detect_positive", 1) != 0
      let negative = try call.integer("detect_negative", 1) != 0
      return [try call.map(call.input(), to: .bool) { $0.isInfinite && ($0 > 0 ? positive : negative) ? 1 : 0 }]
    },
    "Where": { [try $0.choice()] },
  ]

  /// Functions of one element that the graph has no operation for: computed where numbers are known.
  static let functions: [String: ONNXOperator] = [
    "Floor": elementwise { $0.rounded(.down) }, "Ceil": elementwise { $0.rounded(.up) },
    "Round": elementwise { $0.rounded(.toNearestOrEven) }, "Erf": elementwise(erf),
    "Sin": elementwise(sin), "Cos": elementwise(cos), "Tan": elementwise(tan),
    "Asin": elementwise(asin), "Acos": elementwise(acos), "Atan": elementwise(atan),
    "Sinh": elementwise(sinh), "Cosh": elementwise(cosh),
    "Asinh": elementwise(asinh), "Acosh": elementwise(acosh), "Atanh": elementwise(atanh),
  ]

  private static func elementwise(_ function: @escaping @Sendable (Double) -> Double) -> ONNXOperator {
    { [try $0.map($0.input(), function)] }
  }
}

extension ONNXCall {
  fileprivate func comparison(_ function: BinaryFunction) throws -> Tensor {
    try cast(arithmetic(function, input(), input(1)), to: .bool)
  }

  fileprivate func choice() throws -> Tensor {
    let (condition, x, y) = (try input(), try input(1), try input(2))
    guard x.dtype == y.dtype, condition.dtype == .bool else {
      throw invalid("chooses between \(x.dtype) and \(y.dtype) by \(condition.dtype)")
    }
    let shape = try broadcastShape([condition, x, y])
    let chooses = try wideIntegers(of: condition)
    let indices = positions(condition.shape, broadcastTo: shape)
    let (fromX, fromY) = (positions(x.shape, broadcastTo: shape), positions(y.shape, broadcastTo: shape))
    // Both in a row, so that an element of either has one position.
    let both = try concatenate(
      [reshape(known(x), [x.elementCount]), reshape(known(y), [y.elementCount])], axis: 0)
    return try take(
      both, indices.indices.map { chooses[indices[$0]] != 0 ? fromX[$0] : x.elementCount + fromY[$0] }, shape)
  }
}

import Layers

extension ONNXOperators {
  /// 8-bit numbers without sign; those with one are widened when a file is read, so nothing is rounded to them.
  static let quantization: [String: ONNXOperator] = [
    "DequantizeLinear": { call in
      let x = try call.map(call.input(), to: .float32) { $0 }
      let scale = try call.alongAxis(call.input(1), of: x)
      guard let zero = call.optional(2) else { return [try call.multiply(x, scale)] }
      return [try call.multiply(call.subtract(x, call.alongAxis(call.cast(zero, to: .float32), of: x)), scale)]
    },
    "QuantizeLinear": { call in
      let (x, zero) = (try call.input(), call.optional(2) ?? Tensor(UInt8(0)))
      guard zero.dtype == .uint8 else { throw call.unsupported("numbers with a sign") }
      let scaled = try call.doubleBinary(x, call.alongAxis(call.input(1), of: x)) {
        (Double(Float($0) / Float($1))).rounded(.toNearestOrEven)
      }
      return [try call.doubleBinary(scaled, call.alongAxis(zero, of: x), to: .uint8) { $0 + $1 }]
    },
    "DynamicQuantizeLinear": { call in
      let x = try call.input()
      let numbers = try call.doubles(of: x)
      let (low, high) = (min(0, numbers.min() ?? 0), max(0, numbers.max() ?? 0))
      let scale = Float(high - low) / 255
      guard scale > 0, scale.isFinite else { throw call.invalid("numbers from \(low) to \(high)") }
      let zero = Double(-Float(low) / scale).rounded(.toNearestOrEven)
      let y = try call.map(x, to: .uint8) { (Double(Float($0) / scale)).rounded(.toNearestOrEven) + zero }
      return [y, Tensor(scale), .made([zero], .scalar, .uint8)]
    },
  ]
}

extension ONNXCall {
  /// One number, or one for each position along the axis that the node names.
  fileprivate func alongAxis(_ vector: Tensor, of x: Tensor) throws -> Tensor {
    if vector.elementCount == 1 { return try reshape(vector, []) }
    let axis = try axis(integer("axis", 1), rank: x.rank)
    guard vector.rank == 1, vector.elementCount == x.shape[axis] else { throw unsupported("blocks of scales") }
    return try reshape(vector, (0..<x.rank).map { $0 == axis ? vector.elementCount : 1 })
  }
}

import Layers

extension ONNXOperators {
  /// Operators whose result depends on shapes or on their attributes alone: known when the model is traced.
  static let shapes: [String: ONNXOperator] = [
    "Shape": { call in
      let shape = try call.input().shape
      func bound(_ value: Int) -> Int { min(max(value < 0 ? value &+ shape.rank : value, 0), shape.rank) }
      let start = bound(try call.integer("start", 0))
      let end = max(start, bound(try call.integer("end", shape.rank)))
      return [Tensor(shape.dimensions[start..<end].map { Int64($0) })]
    },
    "Size": { [Tensor(Int64(try $0.input().elementCount))] },
    "ConstantOfShape": { call in
      let shape = try call.checked(call.integers(of: call.input()))
      guard case .tensor(let value)? = call.node.attributes["value"] else { return [.zeros(shape)] }
      guard value.elementCount == 1 else { throw call.invalid("the value is \(value.shape), expected one number") }
      return [.filled(shape, with: value)]
    },
    "Range": { call in
      guard let start = try call.double(0), let limit = try call.double(1), let delta = try call.double(2) else {
        throw call.invalid("start, limit and delta are needed")
      }
      let count = ((limit - start) / delta).rounded(.up)
      guard count.isFinite, count < 0x1p25 else { throw call.invalid("a range of \(count) numbers") }
      let values = (0..<Int(max(0, count))).map { start + Double($0) * delta }
      return [.made(values, [values.count], try call.input().dtype)]
    },
    "EyeLike": { call in
      let x = try call.input()
      guard x.rank == 2 else { throw call.invalid("\(x.shape) is no matrix") }
      try call.checked(x.shape.dimensions, isSlow: true)
      let shift = try call.integer("k", 0)
      let values = (0..<x.elementCount).map { $0 % x.shape[1] - $0 / x.shape[1] == shift ? 1.0 : 0 }
      return [.made(values, x.shape, try call.dtype("dtype") ?? x.dtype)]
    },
  ]
}

import Layers

extension ONNXOperators {
  static let pooling: [String: ONNXOperator] = [
    "MaxPool": { call in
      if call.node.outputs.count > 1 { throw call.unsupported("indices of MaxPool") }
      return [try call.pool(.max)]
    },
    "AveragePool": { call in
      [try call.pool(.average(countsPadding: call.integer("count_include_pad", 0) != 0))]
    },
    "GlobalAveragePool": { [try $0.reduce(.mean, $0.input(), $0.spatialAxes())] },
    "GlobalMaxPool": { [try $0.reduce(.maximum, $0.input(), $0.spatialAxes())] },
  ]
}

extension ONNXCall {
  fileprivate func spatialAxes() throws -> [Int] {
    let rank = try input().rank
    guard rank > 2 else { throw invalid("the input has \(rank) axes and no spatial one") }
    return Array(2..<rank)
  }

  fileprivate func pool(_ kind: PoolAttributes.Kind) throws -> Tensor {
    let x = try input()
    guard let kernel = try integers("kernel_shape") else { throw invalid("there is no kernel_shape") }
    if try integer("storage_order", 0) != 0 { throw unsupported("column-major storage_order") }
    let window = try window(kernel: kernel, spatial: Array(x.shape.spatial))
    let attributes = PoolAttributes(
      kind: kind, kernel: kernel, stride: window.stride, dilation: window.dilation,
      paddingBefore: window.paddingBefore, paddingAfter: window.paddingAfter,
      roundsUp: try integer("ceil_mode", 0) != 0)
    // Kernels find no maximum among 8-bit numbers; every one of them is exact in float32.
    if kind == .max, x.dtype == .uint8 {
      return try cast(compute(.pool(attributes), cast(x, to: .float32)), to: .uint8)
    }
    return try compute(.pool(attributes), x)
  }
}

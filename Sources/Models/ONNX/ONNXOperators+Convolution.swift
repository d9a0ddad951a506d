import Layers

extension ONNXOperators {
  /// Convolutions and matrix products.
  static let convolution: [String: ONNXOperator] = [
    "Conv": { [try $0.convolution()] },
    "ConvTranspose": { [try $0.transposedConvolution()] },
    "MatMul": { [try $0.matrixProduct($0.input(), $0.input(1))] },
    "Gemm": { [try $0.generalMatrixProduct()] },
  ]
}

/// The window of a convolution or pooling, one entry for each spatial axis.
struct ONNXWindow {
  var kernel: [Int]
  var stride: [Int]
  var dilation: [Int]
  var paddingBefore: [Int]
  var paddingAfter: [Int]
}

extension ONNXCall {
  /// Sizes and paddings up to here keep all sums and products far from overflow.
  private static let largestExtent = 1 << 24

  /// The attributes that all windows share, with `auto_pad` resolved for an input.
  func window(kernel: [Int], spatial: [Int]) throws -> ONNXWindow {
    let rank = kernel.count
    guard spatial.count == rank, rank > 0 else { throw invalid("a kernel \(kernel) on an image of \(spatial)") }
    func list(_ name: String, _ standard: Int, count: Int) throws -> [Int] {
      let values = try integers(name) ?? .init(repeating: standard, count: count)
      guard values.count == count, values.allSatisfy({ 0...Self.largestExtent ~= $0 }) else {
        throw invalid("\(name) is \(values.prefix(8)) for \(rank) spatial axes")
      }
      return values
    }
    let pads = try list("pads", 0, count: 2 * rank)
    var window = ONNXWindow(
      kernel: kernel, stride: try list("strides", 1, count: rank), dilation: try list("dilations", 1, count: rank),
      paddingBefore: Array(pads[..<rank]), paddingAfter: Array(pads[rank...]))
    guard (window.stride + window.dilation).allSatisfy({ $0 > 0 }), kernel.allSatisfy({ 1...Self.largestExtent ~= $0 })
    else { throw invalid("kernel, stride and dilation must be at least 1") }

    switch try string("auto_pad", "NOTSET") {
    case "NOTSET": break
    case "VALID":
      (window.paddingBefore, window.paddingAfter) = (.init(repeating: 0, count: rank), .init(repeating: 0, count: rank))
    case let mode:
      for axis in 0..<rank {
        let steps = (spatial[axis] + window.stride[axis] - 1) / window.stride[axis]
        let covered = (steps - 1) * window.stride[axis] + window.dilation[axis] * (kernel[axis] - 1) + 1
        split(max(0, covered - spatial[axis]), mode, axis, &window)
      }
    }
    return window
  }

  /// Splits padding between both ends; `SAME_UPPER` gives an odd one to the end.
  private func split(_ total: Int, _ mode: String, _ axis: Int, _ window: inout ONNXWindow) {
    window.paddingBefore[axis] = mode == "SAME_LOWER" ? (total + 1) / 2 : total / 2
    window.paddingAfter[axis] = total - window.paddingBefore[axis]
  }

  private func groups() throws -> Int {
    let groups = try integer("group", 1)
    guard 1...Self.largestExtent ~= groups else { throw invalid("\(groups) groups") }
    return groups
  }

  fileprivate func convolution() throws -> Tensor {
    let (x, weight) = (try input(), try input(1))
    let window = try window(kernel: Array(weight.shape.spatial), spatial: Array(x.shape.spatial))
    let bias = optional(2)
    let attributes = ConvAttributes(
      stride: window.stride, dilation: window.dilation, paddingBefore: window.paddingBefore,
      paddingAfter: window.paddingAfter, groups: try groups(), hasBias: bias != nil)
    return try compute(.conv(attributes), [x, weight] + (bias.map { [$0] } ?? []))[0]
  }

  /// The gradient of a convolution with respect to its input, whose weight has the same layout.
  fileprivate func transposedConvolution() throws -> Tensor {
    let (x, weight) = (try input(), try input(1))
    var window = try window(kernel: Array(weight.shape.spatial), spatial: Array(x.shape.spatial))
    let rank = window.kernel.count
    let extra = try integers("output_padding") ?? .init(repeating: 0, count: rank)
    let mode = try string("auto_pad", "NOTSET")
    var wanted = try integers("output_shape")
    if wanted == nil, mode.hasPrefix("SAME") {
      wanted = (0..<rank).map { x.shape[$0 + 2] * window.stride[$0] }
    }
    guard extra.count == rank, extra.allSatisfy({ 0...Self.largestExtent ~= $0 }),
      wanted.map({ $0.count == rank && $0.allSatisfy { 1...Self.largestExtent ~= $0 } }) ?? true
    else { throw invalid("output_padding or output_shape does not fit \(rank) spatial axes") }

    var extents: [Int] = []
    for axis in 0..<rank {
      var full =
        window.stride[axis] * (x.shape[axis + 2] - 1) + extra[axis]
        + window.dilation[axis] * (window.kernel[axis] - 1) + 1
      if let wanted {
        // More than the kernel reaches is added at the end.
        full = max(full, wanted[axis])
        split(full - wanted[axis], mode == "SAME_UPPER" ? mode : "SAME_LOWER", axis, &window)
      }
      extents.append(full - window.paddingBefore[axis] - window.paddingAfter[axis])
    }
    let (groups, bias) = (try groups(), optional(2))
    let output = try checked([x.shape[0], weight.shape[1] * groups] + extents)
    let attributes = ConvAttributes(
      stride: window.stride, dilation: window.dilation, paddingBefore: window.paddingBefore,
      paddingAfter: window.paddingAfter, groups: groups, hasBias: bias != nil)
    return try compute(.convTransposed(attributes, output: output), [x, weight] + (bias.map { [$0] } ?? []))[0]
  }

  /// A vector over channels as a tensor that broadcasts over `[N, C, ...]`.
  func perChannel(_ vector: Tensor, rank: Int) throws -> Tensor {
    try reshape(vector, [1, vector.elementCount] + .init(repeating: 1, count: max(0, rank - 2)))
  }

  /// NumPy's `matmul`, where a vector stands for a row on the left and a column on the right.
  func matrixProduct(_ a: Tensor, _ b: Tensor) throws -> Tensor {
    guard a.rank > 0, b.rank > 0 else { throw invalid("the product of \(a.shape) and \(b.shape)") }
    let left = a.rank == 1 ? try reshape(a, [1, a.shape[0]]) : a
    let right = b.rank == 1 ? try reshape(b, [b.shape[0], 1]) : b
    let product = try compute(.matmul(transposesA: false, transposesB: false), left, right)
    var extents = product.shape.dimensions
    if a.rank == 1 { extents.remove(at: extents.count - 2) }
    if b.rank == 1 { extents.removeLast() }
    return try reshape(product, extents)
  }

  fileprivate func generalMatrixProduct() throws -> Tensor {
    let (a, b) = (try input(), try input(1))
    let (transposesA, transposesB) = (try integer("transA", 0) != 0, try integer("transB", 0) != 0)
    let (alpha, beta) = (try number("alpha", 1), try number("beta", 1))
    // The layer that people write: its kernel takes the bias along.
    if !transposesA, transposesB, alpha == 1, beta == 1, let bias = optional(2), a.rank == 2, b.rank == 2,
      bias.shape == [b.shape[0]]
    {
      return try compute(.linear(hasBias: true), a, b, bias)
    }
    let product = try compute(.matmul(transposesA: transposesA, transposesB: transposesB), a, b)
    let scaled = try affine(product, scale: alpha)
    guard let c = optional(2) else { return scaled }
    return try add(scaled, affine(c, scale: beta))
  }
}

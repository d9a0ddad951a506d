/// The shape rules of operations whose output elements see a window of the input.
extension Operation {
  func convType(_ attributes: ConvAttributes, _ inputs: [TensorType]) throws(ShapeError) -> TensorType {
    let (input, weight) = (inputs[0].shape, inputs[1].shape)
    let rank = attributes.rank
    try require(
      input.rank == rank + 2,
      "the input must be [batch, channels, \(rank) spatial \(rank == 1 ? "axis" : "axes")], but it is \(input)")
    try require(weight.rank == rank + 2, "the weight \(weight) must have \(rank + 2) axes")
    try requireWindow(attributes.stride, attributes.dilation, attributes.paddingBefore, attributes.paddingAfter)
    try require(weight.spatial.allSatisfy { $0 > 0 }, "the kernel must be at least 1, but the weight is \(weight)")
    try require(
      attributes.groups > 0 && weight[0] % max(1, attributes.groups) == 0,
      "\(weight[0]) output channels do not divide into \(attributes.groups) groups")
    try require(
      weight[1] > 0 || input[1] == 0,
      "the layer was declared without its input channels; resolve the model for an input shape first")
    try require(
      input[1] == weight[1] * attributes.groups,
      "the weight \(weight) takes \(weight[1] * attributes.groups) input channels, but the input \(input) has \(input[1])"
    )
    var extents = [input[0], weight[0]]
    for axis in 0..<rank {
      let extent = attributes.outputExtent(input[axis + 2], kernel: weight[axis + 2], axis: axis)
      try require(
        extent > 0,
        unfit(
          input, axis: axis, kernel: weight[axis + 2], stride: attributes.stride[axis],
          dilation: attributes.dilation[axis],
          padding: attributes.paddingBefore[axis] + attributes.paddingAfter[axis]))
      extents.append(extent)
    }
    let output = Shape(extents)
    try requireExtras(attributes, inputs, output: output)
    return TensorType(output, inputs[0].dtype)
  }

  private func requireExtras(_ attributes: ConvAttributes, _ inputs: [TensorType], output: Shape) throws(ShapeError) {
    if attributes.hasBias {
      try require(inputs[2].shape == [output[1]], "the bias is \(inputs[2].shape), expected \(output[1])")
    }
    try requireEpilogue(attributes.epilogue, inputs, output: output)
  }

  func poolType(_ attributes: PoolAttributes, _ input: TensorType) throws(ShapeError) -> TensorType {
    let shape = input.shape
    let rank = attributes.rank
    try require(
      shape.rank == rank + 2, "the input must be [batch, channels, \(rank) spatial axes], but it is \(shape)")
    try requireWindow(attributes.stride, attributes.dilation, attributes.paddingBefore, attributes.paddingAfter)
    try require(
      attributes.stride.count == rank && attributes.kernel.allSatisfy { $0 < 1 << 30 },
      "stride \(attributes.stride) does not fit a kernel of \(attributes.kernel)")
    var extents = [shape[0], shape[1]]
    for axis in 0..<rank {
      let (kernel, dilation) = (attributes.kernel[axis], attributes.dilation[axis])
      let padding = max(attributes.paddingBefore[axis], attributes.paddingAfter[axis])
      try require(kernel > 0, "the kernel must be at least 1, but it is \(attributes.kernel)")
      try require(
        padding <= dilation * (kernel - 1) / 2 || padding < kernel,
        "padding \(padding) reaches past a window of \(kernel): some windows would see no input")
      let extent = attributes.outputExtent(shape[axis + 2], axis: axis)
      try require(
        extent > 0,
        unfit(
          shape, axis: axis, kernel: kernel, stride: attributes.stride[axis], dilation: dilation,
          padding: attributes.paddingBefore[axis] + attributes.paddingAfter[axis]))
      extents.append(extent)
    }
    return TensorType(Shape(extents), input.dtype)
  }

  private func requireWindow(_ stride: [Int], _ dilation: [Int], _ before: [Int], _ after: [Int]) throws(ShapeError) {
    try require(
      [dilation, before, after].allSatisfy { $0.count == stride.count },
      "stride \(stride), dilation \(dilation) and padding \(before), \(after) must have one entry an axis")
    try require(stride.allSatisfy { $0 > 0 }, "the stride must be at least 1, but it is \(stride)")
    try require(dilation.allSatisfy { $0 > 0 }, "the dilation must be at least 1, but it is \(dilation)")
    try require((before + after).allSatisfy { $0 >= 0 }, "the padding must not be negative: \(before), \(after)")
    // Sums and products of these stay far from overflow.
    try require(
      (stride + dilation + before + after).allSatisfy { $0 < 1 << 30 },
      "stride \(stride), dilation \(dilation) or padding \(before), \(after) is beyond all sizes")
  }

  private func unfit(
    _ input: Shape, axis: Int, kernel: Int, stride: Int, dilation: Int, padding: Int
  ) -> String {
    let window = dilation * (kernel - 1) + 1
    let covers = dilation == 1 ? "" : " (which covers \(window) with dilation \(dilation))"
    let extent = input[axis + 2]
    let smaller = extent + padding > 0 ? ", or the kernel at most \((extent + padding - 1) / dilation + 1)" : ""
    return "a kernel of \(kernel)\(covers) does not fit into the input \(input): along spatial axis \(axis) "
      + "(\(extent) + \(padding) of padding - \(window)) / \(stride) + 1 is less than 1; "
      + "the input must be at least \(max(1, window - padding)) there\(smaller)"
  }

  func convTransposedType(_ attributes: ConvAttributes, _ inputs: [TensorType], output: Shape) throws(ShapeError)
    -> TensorType
  {
    let (input, weight) = (inputs[0].shape, inputs[1].shape)
    let rank = attributes.rank
    try require(
      input.rank == rank + 2 && weight.rank == rank + 2 && input[1] == weight[0],
      "the weight \(weight) takes [batch, \(weight.dimensions.first ?? 0), \(rank) spatial "
        + "\(rank == 1 ? "axis" : "axes")], but the input is \(input)")
    try requireWindow(attributes.stride, attributes.dilation, attributes.paddingBefore, attributes.paddingAfter)
    if output.rank == rank + 2 {
      for axis in 0..<rank where output[axis + 2] < 1 {
        let covered = attributes.dilation[axis] * (weight[axis + 2] - 1) + 1
        let padding = attributes.paddingBefore[axis] + attributes.paddingAfter[axis]
        let (extent, stride) = (input[axis + 2], attributes.stride[axis])
        let extra = output[axis + 2] - ((extent - 1) * stride + covered - padding)
        let least = max(0, padding - covered - extra + stride) / stride + 1
        throw ShapeError(
          message: "\(name): along spatial axis \(axis) the input \(input) becomes (\(extent) - 1) * \(stride) + "
            + "\(covered) + \(extra) - \(padding) of padding = \(output[axis + 2]); the input must be at least "
            + "\(least) there, or the padding smaller")
      }
    }
    let result = TensorType(output, inputs[0].dtype)
    let expected = try convType(attributes.withoutExtras, [result, inputs[1]]).shape
    try require(
      expected == input, "an output of \(output) would come from the input \(expected), but the input is \(input)")
    try requireExtras(attributes, inputs, output: output)
    return result
  }
}

extension ConvAttributes {
  /// The convolution itself, without bias and epilogue.
  public var withoutExtras: ConvAttributes {
    var attributes = self
    attributes.hasBias = false
    attributes.epilogue = .none
    return attributes
  }
}

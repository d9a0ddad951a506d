internal import Graph

/// One product of a convolution, or one element of a pooling window: offsets into the spatial axes of the output, the
/// input and the kernel.
struct WindowLink {
  let output, input, tap: Int
}

/// All links between an output and the input elements its windows cover, padding left out: output after output, and
/// within a window in scan order. This list is where rank, stride, padding and dilation end.
func windowLinks(
  input: [Int], output: [Int], kernel: [Int], stride: [Int], dilation: [Int], paddingBefore: [Int]
) -> [WindowLink] {
  let (inputStrides, outputStrides, tapStrides) = (Shape(input).strides, Shape(output).strides, Shape(kernel).strides)
  var links: [WindowLink] = []
  forEachIndex(below: output) { place in
    forEachIndex(below: kernel) { tap in
      var source = 0
      for axis in input.indices {
        let position = place[axis] * stride[axis] - paddingBefore[axis] + tap[axis] * dilation[axis]
        guard (0..<input[axis]).contains(position) else { return }
        source += position * inputStrides[axis]
      }
      links.append(
        WindowLink(output: offset(place, outputStrides), input: source, tap: offset(tap, tapStrides)))
    }
  }
  return links
}

extension ReferenceBackend {
  /// `y[n, k, p] = sum over c, taps of x[n, c, p * stride - padding + tap * dilation] * w[k, c, tap]`.
  static func convolution(
    _ attributes: ConvAttributes, _ x: ReferenceArray, _ weight: ReferenceArray, output: Shape
  ) -> ReferenceArray {
    var y = ReferenceArray(zeros: output)
    forEachProduct(attributes, input: x.shape, weight: weight.shape, output: output) { input, tap, output in
      y.values[output] += x.values[input] * weight.values[tap]
    }
    return y
  }

  static func convolutionInputGradient(
    _ attributes: ConvAttributes, dy: ReferenceArray, weight: ReferenceArray, input: Shape
  ) -> ReferenceArray {
    var dx = ReferenceArray(zeros: input)
    forEachProduct(attributes, input: input, weight: weight.shape, output: dy.shape) { input, tap, output in
      dx.values[input] += dy.values[output] * weight.values[tap]
    }
    return dx
  }

  static func convolutionWeightGradient(
    _ attributes: ConvAttributes, x: ReferenceArray, dy: ReferenceArray, weight: Shape
  ) -> ReferenceArray {
    var dweight = ReferenceArray(zeros: weight)
    forEachProduct(attributes, input: x.shape, weight: weight, output: dy.shape) { input, tap, output in
      dweight.values[tap] += dy.values[output] * x.values[input]
    }
    return dweight
  }

  /// Calls `body` with the offsets `(input, weight, output)` of each product of a convolution. It and its two
  /// gradients are sums over the same products.
  private static func forEachProduct(
    _ attributes: ConvAttributes, input: Shape, weight: Shape, output: Shape, _ body: (Int, Int, Int) -> Void
  ) {
    let links = windowLinks(
      input: Array(input.spatial), output: Array(output.spatial), kernel: Array(weight.spatial),
      stride: attributes.stride, dilation: attributes.dilation, paddingBefore: attributes.paddingBefore)
    let inputArea = input.spatial.reduce(1, *)
    let outputArea = output.spatial.reduce(1, *)
    let taps = weight.spatial.reduce(1, *)
    let (outputs, channelsOfGroup) = (weight[0], weight[1])
    let outputsOfGroup = outputs / attributes.groups
    for n in 0..<output[0] {
      for k in 0..<outputs {
        for c in 0..<channelsOfGroup {
          let channel = k / outputsOfGroup * channelsOfGroup + c
          for link in links {
            body(
              (n * input[1] + channel) * inputArea + link.input, (k * channelsOfGroup + c) * taps + link.tap,
              (n * outputs + k) * outputArea + link.output)
          }
        }
      }
    }
  }

  /// `y = x * transposed(weight)` over the last axis.
  static func linear(_ x: ReferenceArray, weight: ReferenceArray, output: Shape) -> ReferenceArray {
    let (outputs, features) = (weight.shape[0], weight.shape[1])
    var y = ReferenceArray(zeros: output)
    for index in y.values.indices {
      let (row, column) = index.quotientAndRemainder(dividingBy: outputs)
      for feature in 0..<features {
        y.values[index] += x.values[row * features + feature] * weight.values[column * features + feature]
      }
    }
    return y
  }

  /// `y[..., i, j] = sum over k of a[..., i, k] * b[..., k, j]`, batch axes broadcast.
  static func matrixProduct(
    _ a: ReferenceArray, _ transposesA: Bool, _ b: ReferenceArray, _ transposesB: Bool, output: Shape
  ) -> ReferenceArray {
    let rank = output.rank
    let inner = a.shape[a.shape.rank - (transposesA ? 2 : 1)]
    // Batch strides broadcast; of the two matrix axes, the strides in logical (untransposed) order.
    func strides(_ shape: Shape, _ isTransposed: Bool) -> (batch: [Int], row: Int, column: Int) {
      let matrix = shape.dimensions.suffix(2).reduce(1, *)
      let batch = Shape(Array(shape.dimensions.dropLast(2)))
      let target = Shape(Array(output.dimensions.dropLast(2)))
      let width = shape[shape.rank - 1]
      return (
        batch.strides(broadcastTo: target).map { $0 * matrix }, isTransposed ? 1 : width, isTransposed ? width : 1
      )
    }
    let (aStrides, bStrides) = (strides(a.shape, transposesA), strides(b.shape, transposesB))
    var values: [Double] = []
    forEachIndex(below: output.dimensions) { index in
      let (i, j, batch) = (index[rank - 2], index[rank - 1], Array(index.dropLast(2)))
      let (aStart, bStart) = (offset(batch, aStrides.batch), offset(batch, bStrides.batch))
      var sum = 0.0
      for k in 0..<inner {
        sum +=
          a.values[aStart + i * aStrides.row + k * aStrides.column]
          * b.values[bStart + k * bStrides.row + j * bStrides.column]
      }
      values.append(sum)
    }
    return ReferenceArray(output, values)
  }

  /// `activation(product + bias + residual)`, with what there is of them, and then the gradient of the mask's activation.
  ///
  /// - Parameter inputs: those of the node; the epilogue's are the last.
  static func finished(
    _ product: ReferenceArray, bias: ReferenceArray? = nil, channelAxis: Int = 0, epilogue: Epilogue,
    inputs: [ReferenceArray]
  ) -> ReferenceArray {
    var y = product
    let view = AxisView(y.shape, axis: channelAxis)
    let residual = epilogue.addsResidual ? inputs[inputs.count - epilogue.inputCount] : nil
    for index in y.values.indices {
      if let bias { y.values[index] += bias.values[index / view.inner % view.length] }
      if let residual { y.values[index] += residual.values[index] }
    }
    y = activated(y, epilogue.activation)
    guard let mask = epilogue.mask, let output = inputs.last else { return y }
    return ReferenceArray(y.shape, zip(y.values, output.values).map { $0 * mask.derivative($1) })
  }
}

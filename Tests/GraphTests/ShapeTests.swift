import Graph
import Testing

@Suite struct ShapeTests {
  @Test func convolutions() throws {
    #expect(try outputs(conv2d(stride: 2, padding: 3), [8, 3, 224, 224], [64, 3, 7, 7]) == [[8, 64, 112, 112]])
    #expect(try outputs(conv2d(padding: 2, dilation: 2), [1, 4, 9, 8], [6, 4, 3, 3]) == [[1, 6, 9, 8]])
    #expect(try outputs(conv2d(groups: 4), [1, 8, 5, 5], [4, 2, 3, 3]) == [[1, 4, 3, 3]])
    #expect(try outputs(conv2d(hasBias: true), [2, 1, 5, 5], [6, 1, 5, 5], [6]) == [[2, 6, 1, 1]])
    let uneven = ConvAttributes(stride: [2], dilation: [1], paddingBefore: [1], paddingAfter: [2])
    #expect(try outputs(.conv(uneven), [1, 2, 10], [3, 2, 4]) == [[1, 3, 5]])
  }

  /// A file may say so.
  @Test func stridesOfImpossibleShapesTrapNowhere() {
    let shape: Shape = [0, 1 << 40, 1 << 40]
    #expect(shape.elementCount == 0 && shape.strides.last == 1)
    #expect(([2, 3, 4] as Shape).strides == [12, 4, 1])
  }

  @Test func gradientsOfConvolutions() throws {
    guard case .conv(var attributes) = conv2d(stride: 2, padding: 1) else { return }
    let (x, w, dy) = ([2, 3, 8, 7] as Shape, [4, 3, 3, 3] as Shape, [2, 4, 4, 4] as Shape)
    #expect(try outputs(.convTransposed(attributes, output: x), dy, w) == [x])
    #expect(try outputs(.convWeightGradient(attributes, weight: w), x, dy) == [w])
    #expect(
      errorText(.convTransposed(attributes, output: x), [2, 4, 4, 3], w)
        == "conv_transposed2d: an output of 2x3x8x7 would come from the input 2x4x4x4, but the input is 2x4x4x3")
    attributes.hasBias = true
    #expect(try outputs(.convTransposed(attributes, output: x), dy, w, [3]) == [x])
    #expect(
      errorText(.convTransposed(attributes, output: x), dy, w, [4])
        == "conv_transposed2d: the bias is 4, expected 3")
  }

  @Test func pools() throws {
    #expect(try outputs(pool2d(.max, kernel: 3, stride: 2), [1, 2, 112, 112]) == [[1, 2, 55, 55]])
    #expect(try outputs(pool2d(.max, kernel: 3, stride: 2, roundsUp: true), [1, 2, 112, 112]) == [[1, 2, 56, 56]])
    #expect(try outputs(pool2d(.max, kernel: 3, stride: 2, padding: 1), [1, 2, 112, 112]) == [[1, 2, 56, 56]])
    // A last window that would start in the trailing padding does not count.
    #expect(
      try outputs(pool2d(.max, kernel: 2, stride: 3, padding: 1, roundsUp: true), [1, 1, 5, 5]) == [[1, 1, 2, 2]])
    #expect(
      errorText(pool2d(.max, kernel: 2, stride: 2, padding: 2), [1, 1, 5, 5])
        == "max_pool2d: padding 2 reaches past a window of 2: some windows would see no input")
    #expect(
      errorText(pool2d(.average(countsPadding: true), kernel: 7, stride: 1), [1, 1, 6, 7])
        == "avg_pool2d: a kernel of 7 does not fit into the input 1x1x6x7: along spatial axis 0 "
        + "(6 + 0 of padding - 7) / 1 + 1 is less than 1; the input must be at least 7 there, or the kernel at most 6")
  }

  @Test func broadcasting() throws {
    #expect(try outputs(.binary(.add), [2, 3, 4], [3, 1]) == [[2, 3, 4]])
    #expect(try outputs(.binary(.add), [], [2]) == [[2]])
    #expect(try outputs(.binary(.add), [0, 1], [1, 3]) == [[0, 3]])
    #expect(errorText(.binary(.add), [2, 3], [2]) == "add: 2x3 and 2 do not broadcast")
    #expect(try outputs(.matmul(transposesA: true, transposesB: false), [2, 1, 4, 3], [5, 4, 6]) == [[2, 5, 3, 6]])
    #expect(
      errorText(.matmul(transposesA: false, transposesB: false), [3, 4], [5, 6])
        == "matmul: inner extents differ: 4 and 5 in 3x4 and 5x6")
  }

  @Test func movement() throws {
    #expect(try outputs(.concatenate(axis: 1), [2, 3, 4], [2, 5, 4]) == [[2, 8, 4]])
    #expect(
      errorText(.concatenate(axis: 1), [2, 3, 4], [2, 5, 3])
        == "concatenate: 2x5x3 does not join 2x3x4 along axis 1: along axis 2 they have 3 and 4")
    #expect(try outputs(.transpose([2, 0, 1]), [2, 3, 4]) == [[4, 2, 3]])
    #expect(errorText(.transpose([0, 0]), [2, 3]) == "transpose: [0, 0] is no permutation of the axes of 2x3")
    #expect(errorText(.reshape([4, 2]), [2, 3]) == "flatten: 2x3 has 6 elements, 4x2 has 8")
    #expect(errorText(.reshape([-2, -3]), [2, 3]) == "flatten: the shape -2x-3 has a negative extent")
    #expect(try outputs(.reduce(.mean, axes: [2, 3], keepsDimensions: false), [2, 3, 4, 5]) == [[2, 3]])
    #expect(try outputs(.reduce(.mean, axes: [2, 3], keepsDimensions: true), [2, 3, 4, 5]) == [[2, 3, 1, 1]])
    #expect(
      errorText(.reduce(.sum, axes: [1, 1], keepsDimensions: true), [2, 3]) == "sum: axes [1, 1] do not fit 2x3")
    let slice = SliceAttributes(starts: [1, 0], counts: [2, 2], steps: [1, 3])
    #expect(try outputs(.slice(slice), [3, 4]) == [[2, 2]])
    #expect(errorText(.slice(slice), [2, 4]) == "slice: elements 1 to 2 are outside axis 0 of 2x4")
  }

  @Test func errorsOfConvolutions() {
    #expect(
      errorText(conv2d(), [1, 3, 4, 9], [8, 3, 5, 5])
        == "conv2d: a kernel of 5 does not fit into the input 1x3x4x9: along spatial axis 0 (4 + 0 of padding - 5) / 1 "
        + "+ 1 is less than 1; the input must be at least 5 there, or the kernel at most 4")
    #expect(
      errorText(conv2d(padding: 1, dilation: 3), [1, 3, 9, 4], [8, 3, 3, 3])
        == "conv2d: a kernel of 3 (which covers 7 with dilation 3) does not fit into the input 1x3x9x4: along spatial "
        + "axis 1 (4 + 2 of padding - 7) / 1 + 1 is less than 1; the input must be at least 5 there, or the kernel at most 2"
    )
    #expect(
      errorText(conv2d(), [1, 1, 28, 28], [16, 3, 3, 3])
        == "conv2d: the weight 16x3x3x3 takes 3 input channels, but the input 1x1x28x28 has 1")
    #expect(
      errorText(conv2d(), [3, 28, 28], [16, 3, 3, 3])
        == "conv2d: the input must be [batch, channels, 2 spatial axes], but it is 3x28x28")
    #expect(
      errorText(conv2d(groups: 3), [1, 6, 5, 5], [4, 2, 3, 3])
        == "conv2d: 4 output channels do not divide into 3 groups")
    #expect(errorText(conv2d(hasBias: true), [1, 3, 5, 5], [4, 3, 3, 3], [3]) == "conv2d: the bias is 3, expected 4")
    #expect(errorText(conv2d(), [1, 3, 5, 5]) == "conv2d: takes 2 inputs, got 1")
    #expect(errorText(conv2d(stride: 0), [1, 3, 5, 5], [4, 3, 3, 3]).contains("the stride must be at least 1"))
  }

  @Test func errorsOfLossAndNormalization() {
    let crossEntropy = Operation.crossEntropy(labelSmoothing: 0, isWeighted: false)
    #expect(errorText(crossEntropy, [TensorType([4, 10]), TensorType([4], .int32)]) == "no error")
    #expect(
      errorText(crossEntropy, [TensorType([4, 10]), TensorType([4, 1], .int32)])
        == "cross_entropy: labels for logits 4x10 must be 4, but they are 4x1")
    #expect(
      errorText(crossEntropy, [TensorType([4, 10]), TensorType([4])])
        == "cross_entropy: labels must be int32, but they are float32")
    #expect(
      errorText(.batchNorm(epsilon: 1e-5), [2, 3, 4, 4], [4], [4], [4], [4])
        == "batch_norm: the layer has 4 channels, but the input 2x3x4x4 has 3")
    #expect(
      errorText(.batchNormTraining(epsilon: 1e-5, momentum: 0.1), [1, 3], [3], [3], [3], [3])
        == "batch_norm: batch norm cannot train on one value a channel (input 1x3); use a batch of at least 2")
    #expect(
      errorText(.dropout(rate: 0.5, stream: 0), [TensorType([4]), TensorType([2])])
        == "dropout: the key is 2, expected [seed, step] of int64")
    #expect(
      errorText(.linear(hasBias: false), [2, 5], [3, 4])
        == "linear: the weight 3x4 takes 4 features, but the input 2x5 has 5")
  }

  /// What would otherwise read or write outside a tensor.
  @Test func errorsOfSavedTensors() {
    guard case .pool(let pool) = pool2d(.max, kernel: 2, stride: 2) else { return }
    #expect(
      errorText(.poolGradient(pool, input: [1, 1, 4, 4]), [1, 1, 2, 2], [1, 1, 2, 2]).contains("expected 1x1x4x4"))
    #expect(errorText(.softmaxGradient(axis: 0, isLog: false), [4], [3]).contains("the gradient is 4, the output 3"))
    #expect(errorText(.batchNormGradient(), [2, 3], [2, 3], [3], [2], [3]).contains("the layer has 2 channels"))
    #expect(errorText(.sgd(SGDAttributes()), [3], [3], [], []).contains("expected [learning rate, step]"))
    #expect(errorText(.sgd(SGDAttributes()), [3], [2], [], [2]).contains("its gradient 2"))
  }

  /// Attributes as a broken file may have them: an error, not a trap.
  @Test func attributesOutOfAllBounds() {
    let huge = 1 << 62
    for attributes in [
      ConvAttributes(stride: [huge], dilation: [1], paddingBefore: [0], paddingAfter: [0]),
      ConvAttributes(stride: [1], dilation: [huge], paddingBefore: [0], paddingAfter: [0]),
      ConvAttributes(stride: [1], dilation: [1], paddingBefore: [huge], paddingAfter: [huge]),
    ] {
      #expect(errorText(.conv(attributes), [1, 1, 5], [1, 1, 3]).contains("is beyond all sizes"))
    }
    let short = ConvAttributes(stride: [1, 1], dilation: [1], paddingBefore: [0, 0], paddingAfter: [0, 0])
    #expect(errorText(.conv(short), [1, 1, 5, 5], [1, 1, 3, 3]).contains("must have one entry an axis"))
    let mixed = PoolAttributes(
      kind: .max, kernel: [2, 2], stride: [1], dilation: [1], paddingBefore: [0], paddingAfter: [0])
    #expect(errorText(.pool(mixed), [1, 1, 5, 5]).contains("does not fit a kernel of [2, 2]"))
    #expect(errorText(conv2d(), [1, 1, 5, 5], [1, 1, 0, 3]).contains("the kernel must be at least 1"))
  }

  @Test func errorsNameTheNode() throws {
    var chain = Chain([1, 1, 8, 8])
    try chain.append(conv2d(), parameters: [4, 1, 3, 3], name: "features.0")
    do {
      try chain.append(conv2d(), parameters: [4, 3, 3, 3], name: "features.1")
      Issue.record("a channel mismatch went unnoticed")
    } catch let error as ShapeError {
      #expect(
        error.description
          == "features.1: conv2d: the weight 4x3x3x3 takes 3 input channels, but the input 1x4x6x6 has 4")
    }
  }
}

import Graph
import Testing

@Suite struct ResamplingRuleTests {
  @Test func shapes() throws {
    #expect(
      try outputs(.resample(.extend(before: [0, 0, 1], after: [0, 0, 2], mode: .reflect)), [2, 3, 4]) == [[2, 3, 7]])
    #expect(try outputs(.resample(.resize(ResizeAttributes(output: [8, 6]))), [2, 3, 4, 5]) == [[2, 3, 8, 6]])
    #expect(try outputs(.resample(.adaptiveAverage(output: [3])), [2, 3, 7]) == [[2, 3, 3]])
    #expect(try outputs(.resample(.select(axis: 1, indices: [2, 2])), [2, 3]) == [[2, 2]])
    #expect(try outputs(.resampleGradient(.select(axis: 1, indices: [2]), input: [2, 3]), [2, 1]) == [[2, 3]])
    #expect(try outputs(.standardize(axis: 1, epsilon: 1e-5), [2, 3, 4]) == [[2, 3, 4], [2, 1, 4]])
  }

  @Test func errors() {
    #expect(
      errorText(.resample(.extend(before: [0, 4], after: [0, 0], mode: .reflect)), [2, 4])
        == "pad_reflect: padding 4 is more than axis 1 of 2x4 can give")
    #expect(errorText(.resample(.extend(before: [0, 4], after: [0, 4], mode: .circular)), [2, 4]) == "no error")
    #expect(
      errorText(.resample(.extend(before: [1 << 62], after: [0], mode: .replicate)), [2]).contains("does not fit"))
    #expect(errorText(.resample(.select(axis: 0, indices: [2])), [2]) == "select: an index is outside axis 0 of 2")
    #expect(
      errorText(.resample(.resize(ResizeAttributes(output: [0]))), [1, 1, 4]) == "resize: 1x1x4 cannot become [0]")
    #expect(errorText(.resample(.resize(ResizeAttributes(output: [2, 2]))), [1, 1, 4]).contains("needs an input"))
    #expect(errorText(.resample(.adaptiveAverage(output: [2])), [1, 1, 0]).contains("cannot be pooled"))
    #expect(
      errorText(.gatherElements(axis: 1), [TensorType([2, 3]), TensorType([3, 3], .int32)])
        == "gather_elements: the indices are 3x3, but may differ from 2x3 only along axis 1")
    #expect(
      errorText(.scatterElements(axis: 0, extent: 3), [TensorType([2]), TensorType([2])])
        == "scatter_elements: the indices must be int32, but they are float32")
    #expect(errorText(.choose, [2], [2], [3]) == "where: condition 2 and choices 2 and 3 differ")
  }

  @Test func receptiveFields() throws {
    var chain = Chain([1, 1, 16, 16])
    try chain.append(.resample(.extend(before: [0, 0, 2, 1], after: [0, 0, 2, 1], mode: .reflect)))
    #expect(chain.field?.start == [-2, -1])
    #expect(chain.field?.size == [1, 1])
    try chain.conv(1, kernel: 3, stride: 2)
    try chain.append(.resample(.resize(ResizeAttributes(output: [18, 16]))))
    #expect(chain.field?.stride == [1, 1])
    #expect(chain.field?.size == [5, 5])
    try chain.append(.standardize(axis: 3, epsilon: 1e-5))
    #expect(chain.field?.isGlobal == true)
  }

  @Test func costs() {
    let type = TensorType([1, 2, 4, 4])
    let pad = Operation.resample(.extend(before: [0, 0, 1, 1], after: [0, 0, 1, 1], mode: .circular))
    #expect(pad.cost(inputs: [type], outputs: [TensorType([1, 2, 6, 6])]).elementOperations == 0)
    // Two taps a row but at the ends, where both fall to one element: 6 of 8 rows.
    let resize = Operation.resample(.resize(ResizeAttributes(output: [8, 4])))
    #expect(resize.cost(inputs: [type], outputs: [TensorType([1, 2, 8, 4])]).elementOperations == 2 * 4 * (2 * 6 + 2))
  }
}

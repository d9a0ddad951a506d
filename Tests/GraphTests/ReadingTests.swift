import Graph
import Testing

@Suite struct ReceptiveFieldTests {
  @Test func stacksOfConvolutions() throws {
    var chain = Chain([1, 1, 32, 32])
    for size in [3, 5, 7] {
      try chain.conv(1, kernel: 3, padding: 1)
      #expect(chain.field?.size == [size, size])
      #expect(chain.field?.start == [-(size / 2), -(size / 2)])
      #expect(chain.field?.stride == [1, 1])
    }
  }

  @Test func stridesAndDilation() throws {
    var chain = Chain([1, 1, 64, 64])
    try chain.conv(1, kernel: 7, stride: 2, padding: 3)
    try chain.append(pool2d(.max, kernel: 3, stride: 2, padding: 1))
    #expect(chain.field?.size == [11, 11])
    #expect(chain.field?.stride == [4, 4])
    #expect(chain.field?.start == [-5, -5])
    try chain.conv(1, kernel: 3, dilation: 2)
    #expect(chain.field?.size == [27, 27])
    #expect(chain.field?.isGlobal == false)
  }

  /// 212 x 212 at the last pooling layer, as published for VGG-16.
  @Test func vgg16() throws {
    var chain = Chain([1, 3, 224, 224])
    for count in [2, 2, 3, 3, 3] {
      for _ in 0..<count { try chain.conv(2, kernel: 3, padding: 1) }
      try chain.append(pool2d(.max, kernel: 2, stride: 2))
    }
    #expect(chain.field?.size == [212, 212])
    #expect(chain.field?.stride == [32, 32])
    #expect(chain.shape == [1, 2, 7, 7])
    try chain.append(.reduce(.mean, axes: [2, 3], keepsDimensions: false))
    #expect(chain.field?.isGlobal == true)
  }

  @Test func branchesAndMovement() throws {
    var chain = Chain([1, 1, 16, 16])
    let input = chain.value
    try chain.conv(1, kernel: 3, padding: 1)
    try chain.conv(1, kernel: 3, padding: 1)
    chain.value = try chain.graph.append(.binary(.add), [chain.value, input])[0]
    #expect(chain.field?.size == [5, 5])
    #expect(chain.field?.start == [-2, -2])
    // Padding moves the origin outwards, a slice inwards, and steps multiply the stride.
    try chain.append(.pad(before: [0, 0, 1, 0], after: [0, 0, 0, 0], value: 0))
    #expect(chain.field?.start == [-3, -2])
    try chain.append(.slice(SliceAttributes(starts: [0, 0, 3, 1], counts: [1, 1, 4, 4], steps: [1, 1, 2, 1])))
    #expect(chain.field?.start == [0, -1])
    #expect(chain.field?.stride == [2, 1])
    #expect(chain.field?.size == [5, 5])
  }
}

@Suite struct CostTests {
  /// The multiply-accumulates of LeNet-5 on 32 x 32 images, layer by layer.
  @Test func leNet() throws {
    var chain = Chain([1, 1, 32, 32])
    try chain.conv(6, kernel: 5)
    #expect(chain.multiplyAccumulates == 117_600)
    try chain.append(pool2d(.average(countsPadding: true), kernel: 2, stride: 2))
    try chain.conv(16, kernel: 5)
    #expect(chain.multiplyAccumulates == 117_600 + 240_000)
    try chain.append(pool2d(.average(countsPadding: true), kernel: 2, stride: 2))
    try chain.append(.reshape([1, 400]))
    try chain.linear(120)
    try chain.linear(84)
    try chain.linear(10)
    #expect(chain.multiplyAccumulates == 416_520)
  }

  /// Both gradients of a convolution cost what it costs itself, also with groups.
  @Test func gradientsOfConvolutions() throws {
    let operation = conv2d(stride: 2, padding: 1, groups: 2)
    guard case .conv(let attributes) = operation else { return }
    let (x, w, y) = (TensorType([2, 4, 8, 8]), TensorType([6, 2, 3, 3]), TensorType([2, 6, 4, 4]))
    let forward = operation.cost(inputs: [x, w], outputs: [y]).multiplyAccumulates
    #expect(forward == 2 * 6 * 4 * 4 * 2 * 9)
    let input = Operation.convTransposed(attributes, output: x.shape).cost(inputs: [y, w], outputs: [x])
    let weight = Operation.convWeightGradient(attributes, weight: w.shape).cost(inputs: [x, y], outputs: [w])
    #expect(input.multiplyAccumulates == forward)
    #expect(weight.multiplyAccumulates == forward)
    #expect(input.bytes == 4 * (x.shape.elementCount + w.shape.elementCount + y.shape.elementCount))
  }
}

@Suite struct DeadCodeTests {
  @Test func removesWhatNoOutputNeeds() throws {
    var chain = Chain([1, 1, 8, 8])
    try chain.append(conv2d(), parameters: [2, 1, 3, 3], name: "a")
    let kept = chain.value
    try chain.append(conv2d(), parameters: [2, 2, 3, 3], name: "b")
    chain.value = try chain.graph.append(.unary(.relu), [kept], name: "c")[0]
    chain.graph.outputs = [.init(name: "y", value: chain.value)]
    let pruned = chain.graph.removingDeadCode()
    #expect(pruned.nodes.map(\.name) == ["a", "c"])
    // Inputs and parameters keep their places, used or not.
    #expect(pruned.parameters.count == 2)
    #expect(pruned.inputs.count == 1)
    #expect(pruned.outputs.map(\.name) == ["y"])
    #expect(pruned.producer(of: pruned.outputs[0].value)?.name == "c")
  }
}

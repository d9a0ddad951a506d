import ConvNet
import Testing

/// Section 1.12 of the course's acceptance list: review questions (q) and corrections (e).
@Suite struct ReviewTests {
  /// 12 10 3 2 / 8 6 1 0 / ... becomes 12 3 / 7 8: which technique?
  @Test func q1() {
    let x = picture([[12, 10, 3, 2], [8, 6, 1, 0], [4, 7, 5, 7], [4, 6, 6, 8]])
    #expect(rows(MaxPool2D(kernel: 2, stride: 2)(x)) == [[12, 3], [7, 8]])
    #expect(rows(AveragePool2D(kernel: 2, stride: 2)(x)) != [[12, 3], [7, 8]])
  }

  /// A kernel over data with stride 2: which padding? The grid is lost, so every padding is listed with the size it gives
  /// and the numbers at the border that no window meets.
  @Test func q2() throws {
    for (input, kernel, outputs, unused) in [(4, 2, [2, 3], [0, 0]), (4, 3, [1, 2, 3], [1, 1, 1])] {
      let sizes = try (0..<kernel).map {
        try WindowArithmetic(input: input, kernel: kernel, stride: 2, padding: $0).rows[0]
      }
      #expect(sizes.map(\.output) == outputs && sizes.map(\.unused) == unused)
      for (padding, size) in sizes.enumerated() {
        let layer = Conv1D(in: 1, out: 1, kernel: Extents(kernel), stride: 2, padding: Extents(padding))
        #expect(layer(.zeros([1, 1, input])).shape[2] == size.output)
      }
    }
  }

  /// Which operation reduces the spatial size? Pooling; but an unpadded or strided convolution does too.
  @Test func q3() {
    let x = Tensor.zeros([1, 1, 8, 8])
    #expect(MaxPool2D(kernel: 2)(x).shape == [1, 1, 4, 4] && relu(x).shape == x.shape)
    #expect(Conv2D(in: 1, out: 1, kernel: 3, padding: 1)(x).shape == x.shape)
    #expect(Conv2D(in: 1, out: 1, kernel: 3)(x).shape == [1, 1, 6, 6])
    #expect(Conv2D(in: 1, out: 1, kernel: 3, stride: 2, padding: 1)(x).shape == [1, 1, 4, 4])
  }

  /// What does padding do? It maintains the spatial dimensions.
  @Test func q4() {
    for kernel in [3, 5, 7] {
      let layer = Conv2D(in: 1, out: 1, kernel: Extents(kernel), padding: Extents(kernel / 2))
      #expect(layer(.zeros([1, 1, 9, 9])).shape == [1, 1, 9, 9])
    }
  }

  private struct Pixels: Module {
    var x: Tensor
    mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws { try visit("x", .weight, &x) }
  }

  private func stack(_ depth: Int) -> Sequential {
    Sequential((0..<depth).map { _ in conv2D([[1, 1, 1], [1, 1, 1], [1, 1, 1]], padding: 1) })
  }

  /// What is a receptive field? The region of the input that affects a single output value: here, where its gradient is
  /// not zero. Two layers of 3x3 see 5x5, three see 7x7.
  @Test func q5() throws {
    for (depth, size) in [(1, 3), (2, 5), (3, 7)] {
      let layers = stack(depth)
      let table = ReceptiveFieldTable(try Summary(of: layers, input: [1, 1, 15, 15], name: "stack"))
      #expect(table.rows.last?.receptiveField?.size == [size, size])
      let step = try gradient(at: Pixels(x: .ones([1, 1, 15, 15]))) {
        layers($0.x).sliced([0..<1, 0..<1, 7..<8, 7..<8]).sum()
      }
      let seen = rows(try #require(step.gradients["x"]))
      for row in 0..<15 {
        for column in 0..<15 {
          #expect((seen[row][column] != 0) == (max(abs(row - 7), abs(column - 7)) <= size / 2))
        }
      }
    }
  }

  private func structure(_ name: String) throws -> (model: any Layer, input: Shape) {
    let configuration = try ModelRegistry.architecture(named: name).standard
    return (try ModelRegistry.makeStructure(configuration), configuration.inputShape())
  }

  /// The most layers with weights that lie one behind another.
  private func depth(_ name: String) throws -> Int {
    let (model, input) = try structure(name)
    let graph = try trace(model, input: input).graph
    var depths = [Int](repeating: 0, count: graph.values.count)
    for node in graph.nodes {
      var depth = node.inputs.map { depths[$0.index] }.max() ?? 0
      switch node.operation {
      case .conv, .linear: depth += 1
      default: break
      }
      for output in node.outputs { depths[output.index] = depth }
    }
    return depths.max() ?? 0
  }

  /// The table of architectures has LeNet(8), AlexNet(7) and GoogLeNet(19): AlexNet has 5 convolutions and 3 linear
  /// layers, GoogLeNet 22 layers with weights behind one another.
  @Test func e1() throws {
    let weights = try structure("alexnet").model.parameters.filter { $0.kind == .weight }
    #expect(weights.count { $0.tensor.rank == 4 } == 5 && weights.count { $0.tensor.rank == 2 } == 3)
    #expect(try depth("alexnet") == 8 && depth("googlenet_paper") == 22)
    #expect(try depth("lenet") == 5)
  }

  /// GoogLeNet has more than 4 million parameters: 6.6 to 7.0 million, 13.0 to 13.4 with the two auxiliary classifiers.
  @Test func e2() throws {
    let counts = try ["googlenet", "googlenet_paper", "googlenet_aux", "googlenet_paper_aux"].map {
      try structure($0).model.parameterCount
    }
    #expect(counts == [6_624_904, 6_998_552, 13_004_888, 13_378_280])
  }

  /// The width of VGG doubles after every pooling only until 512.
  @Test func e3() throws {
    let widths = try structure("vgg19").model.parameters.filter { $0.tensor.rank == 4 }.map { $0.tensor.shape[0] }
    #expect(
      widths == [64, 64, 128, 128] + [Int](repeating: 256, count: 4) + [Int](repeating: 512, count: 8))
  }

  /// One letter, two meanings: lecture 002's P on each side is half of lecture 003's p in total.
  @Test func e5() throws {
    for input in 5...12 {
      for (kernel, stride) in [(3, 1), (3, 2), (5, 2)] {
        let perSide = try WindowArithmetic(input: input, kernel: kernel, stride: stride, padding: 1).rows[0]
        let total = try WindowArithmetic(input: input, kernel: kernel, stride: stride, padding: 2).rows[1]
        #expect(perSide.output == total.output && perSide.convention.contains("each side"))
        #expect(total.convention.contains("total"))
      }
    }
  }

  /// "Finite input response" is the finite impulse response: an impulse answers with the window and nothing else.
  @Test func e6() {
    let window = Smoothing.weights(.triangle, radius: 2)
    var impulse = [Float](repeating: 0, count: 15)
    impulse[7] = 1
    let response: [Float] = conv1D(window, padding: 2)(series(impulse)).scalars()
    expectNear(response, [0, 0, 0, 0, 0] + window + [0, 0, 0, 0, 0])
  }

  /// Zero padding does not make the pixels of the border count as often as others: in a 6x6 picture with 3x3 windows
  /// a corner is in 4 windows, the middle in 9.
  @Test func e7() throws {
    let sum = conv2D([[1, 1, 1], [1, 1, 1], [1, 1, 1]], padding: 1)
    let step = try gradient(at: Pixels(x: .ones([1, 1, 6, 6]))) { sum($0.x).sum() }
    let counts = rows(try #require(step.gradients["x"]))
    #expect(counts[0] == [4, 6, 6, 6, 6, 4] && counts[2] == [6, 9, 9, 9, 9, 6])
  }

  /// "Receptive field" for the kernel's size and for what a whole network sees are two numbers.
  @Test func e8() throws {
    let table = ReceptiveFieldTable(try Summary(of: stack(3), input: [1, 1, 15, 15], name: "stack"))
    #expect(conv2D([[1, 1, 1], [1, 1, 1], [1, 1, 1]]).weight.shape.spatial == [3, 3])
    #expect(table.rows.map { $0.receptiveField?.size } == [[3, 3], [5, 5], [7, 7]])
  }
}

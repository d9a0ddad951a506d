import ConvNet
import Testing

/// Sections 1.7 and 1.12 of the course's acceptance list: the layers that the lectures name, and corrections.
@Suite struct LayerTests {
  /// torch.nn.Conv2d's arguments; padding modes are not there yet.
  @Test func conv2DArguments() {
    let layer = Conv2D(
      in: 4, out: 6, kernel: [3, 5], stride: 2, padding: [1, 2], dilation: [2, 1], groups: 2, bias: true)
    #expect(layer.weight.shape == [6, 2, 3, 5] && layer.bias?.shape == [6])
    #expect(layer(.zeros([1, 4, 9, 8])).shape == [1, 6, 4, 4])
    #expect(Conv2D(in: 4, out: 6, kernel: 3, bias: false).bias == nil)
  }

  /// Groups see only their own channels.
  @Test func groups() {
    let layer = withSeed(5) { Conv2D(in: 4, out: 4, kernel: 3, groups: 2, bias: false) }
    let x = noise([1, 4, 6, 6])
    let silent = concatenate([x.sliced([0..<1, 0..<2]), .zeros([1, 2, 6, 6])])
    let (a, b) = (layer(x), layer(silent))
    #expect(rows(a.sliced([0..<1, 0..<2])) == rows(b.sliced([0..<1, 0..<2])))
    #expect(b.sliced([0..<1, 2..<4]).max().item() == 0 as Float)
  }

  @Test func activations() {
    let x = Tensor([-2, 0, 3] as [Float], shape: [1, 3])
    #expect(relu(x).scalars() == [0, 0, 3] as [Float])
    expectNear(tanh(x).scalars(), [-0.9640276, 0, 0.9950547])
    expectNear(sigmoid(x).scalars(), [0.1192029, 0.5, 0.9525741])
    expectNear(softmax(x).scalars(), [0.0063775, 0.0471234, 0.9464991])
  }

  /// Zero padding does not make the pixels of the border count as often as others: in a 6x6 picture with 3x3 windows
  /// a corner is in 4 windows, the middle in 9.
  @Test func borderPixels() throws {
    struct Pixels: Module {
      var x: Tensor
      mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws { try visit("x", .weight, &x) }
    }
    let sum = conv2D([[1, 1, 1], [1, 1, 1], [1, 1, 1]], padding: 1)
    let step = try gradient(at: Pixels(x: .ones([1, 1, 6, 6]))) { sum($0.x).sum() }
    let counts = rows(try #require(step.gradients["x"]))
    #expect(counts[0] == [4, 6, 6, 6, 6, 4] && counts[2] == [6, 9, 9, 9, 9, 6])
  }

  /// A block of two layers of 3x3 sees 5x5, of three 7x7.
  @Test func receptiveFields() throws {
    struct Stack: Layer {
      var layers: [Conv2D]
      static var fields: [Field<Self>] { [.init("layers", \.layers)] }
      func callAsFunction(_ x: Tensor) -> Tensor { layers.reduce(x) { $1($0) } }
    }
    for (depth, size) in [(1, 3), (2, 5), (3, 7)] {
      let stack = Stack(layers: (0..<depth).map { _ in Conv2D(in: 1, out: 1, kernel: 3, padding: 1) })
      let table = ReceptiveFieldTable(try Summary(of: stack, input: [1, 1, 16, 16], name: "stack"))
      #expect(table.rows.last?.receptiveField?.size == [size, size])
    }
  }

  /// Question 1's answer is maximum pooling; the second question's grid is lost, but any padding can be listed.
  @Test func reviewQuestions() throws {
    let outputs = try (0...2).map { try WindowArithmetic(input: 4, kernel: 3, stride: 2, padding: $0).rows[0] }
    #expect(outputs.map(\.output) == [1, 2, 3])
    #expect(outputs.map(\.unused) == [1, 1, 1])
  }
}

import Layers
import Testing

@Suite struct ResolutionTests {
  private struct Block: Layer {
    var first = Conv2D(out: 4, kernel: 3, padding: .same)
    var second = Conv2D(out: 6, kernel: 3, stride: 2, padding: 1, groups: 2)
    var head = Linear(out: 3)
    static var fields: [Field<Self>] { [.init("first", \.first), .init("second", \.second), .init("head", \.head)] }
    func callAsFunction(_ x: Tensor) -> Tensor { head(relu(second(first(x) + first(x))).flattened()) }
  }

  @Test func sizesComeFromASample() throws {
    let model = try withSeed(3) { try Block().resolved(for: [1, 5, 8, 8]) }
    let shapes = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor.shape) })
    #expect(
      shapes == [
        "first.weight": [4, 5, 3, 3], "first.bias": [4], "second.weight": [6, 2, 3, 3], "second.bias": [6],
        "head.weight": [3, 96], "head.bias": [3],
      ])
    #expect(model.parameters.allSatisfy { $0.tensor.scalars(as: Float.self).allSatisfy { $0 != 0 } })
    #expect(model(.ones([2, 5, 8, 8])).shape == [2, 3])
    // A resolved model is as any other, and stays as it is.
    let again = try model.resolved(for: [1, 5, 8, 8])
    for (a, b) in zip(model.parameters, again.parameters) {
      #expect(a.tensor.scalars(as: Float.self) == b.tensor.scalars(as: Float.self))
    }
    #expect(throws: ShapeError.self) { try model.resolved(for: [1, 4, 8, 8]) }
  }

  /// The bounds of PyTorch's default follow from the resolved size.
  @Test func initialNumbersHaveTheirBounds() throws {
    let layer = try withSeed(1) { try Conv2D(out: 50, kernel: 3).resolved(for: [1, 4, 8, 8]) }
    let declared = withSeed(1) { Conv2D(in: 4, out: 50, kernel: 3) }
    for (a, b) in zip(layer.parameters, declared.parameters) {
      #expect(a.tensor.scalars(as: Float.self) == b.tensor.scalars(as: Float.self))
    }
  }

  @Test func unresolvedLayersSayWhatToDo() {
    let error = #expect(throws: ShapeError.self) { try trace(Block(), input: [1, 5, 8, 8]) }
    #expect(
      error?.description
        == "first: conv2d: the layer was declared without its input channels; resolve the model for an input shape first"
    )
  }
}

@Suite struct RandomDepthTests {
  /// Whole feature maps or samples are dropped in training, and the expectation stays.
  @Test(arguments: [true, false]) func dropsWholeMaps(spatial: Bool) throws {
    let x = Tensor.ones([200, 5, 3, 2])
    let layer: any Layer = spatial ? SpatialDropout(rate: 0.25) : StochasticDepth(rate: 0.25)
    #expect(layer(x).scalars(as: Float.self) == x.scalars(as: Float.self))
    var numbers: [Float] = []
    _ = try gradient(at: Sequential(Linear(in: 1, out: 1))) { model in
      let y = AnyLayer(layer)(x)
      numbers = y.scalars(as: Float.self)
      return y.sum() + model(.ones([1, 1])).sum()
    }
    let size = spatial ? 6 : 30
    let groups = stride(from: 0, to: numbers.count, by: size).map { Set(numbers[$0..<($0 + size)]) }
    #expect(groups.allSatisfy { $0.count == 1 })
    let dropped = Double(groups.count { $0 == [0] }) / Double(groups.count)
    #expect(abs(dropped - 0.25) < 0.12)
    #expect(numbers.allSatisfy { $0 == 0 || abs($0 - 4 / 3) < 1e-6 })
  }
}

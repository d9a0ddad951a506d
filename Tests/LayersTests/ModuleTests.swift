import Layers
import Testing

@Suite struct ModuleTests {
  private struct Pair: Layer {
    var first: Conv2D
    var rest: [Linear]
    var norm: BatchNorm?
    static var fields: [Field<Self>] { [.init("conv", \.first), .init("head", \.rest), .init("bn", \.norm)] }
    func callAsFunction(_ x: Tensor) -> Tensor { rest.reduce(first(x).flattened()) { $1($0) } }
  }

  @Test func pathsFollowTheKeyTable() {
    let pair = Pair(
      first: Conv2D(in: 3, out: 4, kernel: 3), rest: [Linear(in: 4, out: 5), Linear(in: 5, out: 2, bias: false)],
      norm: BatchNorm(4))
    #expect(
      pair.parameters.map(\.path) == [
        "conv.weight", "conv.bias", "head.0.weight", "head.0.bias", "head.1.weight", "bn.weight", "bn.bias",
        "bn.running_mean", "bn.running_var",
      ])
    #expect(pair.parameterCount == 4 * 27 + 4 + 20 + 5 + 10 + 8)
  }

  @Test func sequentialNamesByPositionOrName() {
    let numbered = Sequential(Conv2D(in: 1, out: 1, kernel: 1), Activation(.relu), BatchNorm(1))
    #expect(numbered.parameters.map(\.path).prefix(3) == ["0.weight", "0.bias", "2.weight"])
    let named = Sequential(named: [("conv0", Conv2D(in: 1, out: 1, kernel: 1)), ("relu0", Activation(.relu))])
    #expect(AnyLayer(named).parameters.map(\.path) == ["conv0.weight", "conv0.bias"])
  }

  @Test func modelsAreValues() throws {
    let original = Sequential(Linear(in: 2, out: 2))
    let changed = try original.mapParameters { _, _, tensor in .zeros(tensor.shape) }
    #expect(changed.parameters.allSatisfy { $0.tensor.scalars(as: Float.self).allSatisfy { $0 == 0 } })
    #expect(original.parameters.contains { $0.tensor.scalars(as: Float.self).contains { $0 != 0 } })
  }

  @Test func seedsDecideInitialNumbers() {
    func numbers(_ seed: UInt64) -> [Float] {
      withSeed(seed) { Sequential(Linear(in: 3, out: 3), Linear(in: 3, out: 3)) }.parameters.flatMap {
        $0.tensor.scalars(as: Float.self)
      }
    }
    #expect(numbers(1) == numbers(1))
    #expect(numbers(1) != numbers(2))
    let both = numbers(1)
    #expect(Array(both[..<12]) != Array(both[12...]))
  }

  @Test func initializersHaveTheirVariance() {
    func deviation(_ tensor: Tensor) -> Float {
      let numbers = tensor.scalars(as: Float.self)
      return (numbers.reduce(0) { $0 + $1 * $1 } / Float(numbers.count)).squareRoot()
    }
    let shape: Shape = [64, 32, 3, 3]
    #expect(abs(deviation(Initializer.normalFanOut(shape)) / (2 / Float(64 * 9)).squareRoot() - 1) < 0.03)
    #expect(abs(deviation(Initializer.normalFanIn(shape)) / (2 / Float(32 * 9)).squareRoot() - 1) < 0.03)
    // A uniform distribution has a deviation of its bound divided by the root of 3.
    #expect(abs(deviation(Initializer.uniformFanIn(shape)) / (1 / Float(3 * 32 * 9)).squareRoot() - 1) < 0.03)
  }

  @Test func dropoutDropsInTrainingOnly() throws {
    let x = Tensor.ones([100, 100])
    #expect(Dropout(rate: 0.5)(x).scalars(as: Float.self) == x.scalars(as: Float.self))
    let model = Sequential(Linear(in: 100, out: 100, bias: false), Dropout(rate: 0.25))
    let ones = try model.mapParameters { _, _, tensor in
      Tensor(shape: tensor.shape, of: Float.self) { buffer in
        for index in buffer.indices { buffer[index] = index % 101 == 0 ? 1 : 0 }
      }
    }
    var first: [Float] = []
    for step in [1, 1, 2] {
      var dropped: [Float] = []
      let result = try gradient(at: ones, seed: 4, step: step) { model in
        let y = model(x)
        dropped = y.scalars(as: Float.self)
        return y.mean()
      }
      let zeros = dropped.count { $0 == 0 }
      #expect((2300...2700).contains(zeros))
      #expect(dropped.allSatisfy { $0 == 0 || abs($0 - 4 / 3) < 1e-6 })
      #expect(abs(result.loss.item(as: Float.self) - 1) < 0.05)
      if first.isEmpty { first = dropped } else { #expect((dropped == first) == (step == 1)) }
    }
  }

  @Test func traceNamesTheLayerWhereShapesStopFitting() {
    let model = Sequential(
      Conv2D(in: 3, out: 4, kernel: 3), Sequential(Conv2D(in: 5, out: 4, kernel: 3)), Flatten(), Linear(in: 7, out: 2))
    let error = #expect(throws: ShapeError.self) { try trace(model, input: [1, 3, 8, 8]) }
    #expect(
      error?.description
        == "1.0: conv2d: the weight 4x5x3x3 takes 5 input channels, but the input 1x4x6x6 has 4")
  }

  @Test func frozenBatchNormKeepsItsStatistics() throws {
    let model = Sequential(BatchNorm(2))
    let x = Tensor([1, 2, 3, 4, 5, 6, 7, 8] as [Float], shape: [4, 2])
    let free = try gradient(at: model) { $0(x).sum() }
    #expect(Set(free.statistics.keys) == ["0.running_mean", "0.running_var"])
    #expect(free.statistics["0.running_mean"]?.scalars(as: Float.self) == [0.4, 0.5])
    let frozen = try gradient(at: model, isFrozen: { $0.hasPrefix("0.") }) { square($0(x)).sum() }
    #expect(frozen.statistics.isEmpty && frozen.gradients.isEmpty)
  }
}

import Formats
import Graph
import Layers
import Models
import Testing
import Training

/// Networks as exporters take them apart, against PyTorch (`Fixtures/make_channels_last.py`), and what is left of their
/// arithmetic in a plan.
@Suite struct ONNXSimplificationTests {
  private func array(_ name: String) throws -> Tensor { try NPY.read(ONNXTests.path("\(name).npy")) }

  @Test(arguments: ["convnext17", "convnext13", "transformer"]) func runsAndLearnsLikePyTorch(_ name: String) throws {
    let model = try ONNXModel(contentsOf: ONNXTests.path("\(name).onnx"))
    let (x, expected) = (try array("\(name)_x"), try array("\(name)_y"))
    #expect(difference(model(x), expected) < 2e-5)
    #expect(difference(try model.compile(inputs: [x.shape]).run([x])[0], expected) < 2e-5)
    let unfused = try model.compile(inputs: [x.shape], options: .init(fuses: false))
    #expect(difference(try unfused.run([x])[0], expected) < 2e-5)
    // Eager gradients, and those of the compiled step: the weight moves by the learning rate times its gradient.
    let path = name == "transformer" ? "patches.weight" : "stem.weight"
    let gradient = try array("\(name)_dweight")
    let step = try Layers.gradient(at: model) { square($0(x)).sum() }
    #expect(difference(try #require(step.gradients[path]), gradient) < 1e-4)
    let training = TrainingStep(
      model, optimizer: .sgd(learningRate: 1e-3), loss: { model, x, _ in square(model(x)).sum() })
    _ = try training.run(Batch(input: x, target: .zeros([2]), indices: [0, 1]), step: 1, learningRate: 1e-3)
    let before = try #require(model.parameters.first { $0.path == path }).tensor
    let after = try #require(try training.model.parameters.first { $0.path == path }).tensor
    #expect(difference((before - after) * 1000, gradient) < 1e-2)
    // Another head: names and places of parameters are the file's.
    let changed = try model.replacingClassifier(classes: 3)
    #expect(changed(x).shape == [2, 3])
    #expect(changed.parameters.map(\.path) == model.parameters.map(\.path))
  }

  /// The plans of both exports are those of the layers that PyTorch has: nothing is transposed, and each norm is one
  /// node.
  @Test(arguments: ["convnext17", "convnext13"]) func plansHoldTheLayers(_ name: String) throws {
    let model = try ONNXModel(contentsOf: ONNXTests.path("\(name).onnx"))
    let graph = try model.compile(inputs: [[2, 3, 16, 12]]).plan.graph
    let onImages = graph.nodes.filter { node in
      let shape = graph.shape(of: node.outputs[0])
      return shape.rank == 4 && shape[0] == 2
    }
    #expect(!onImages.contains { if case .transpose = $0.operation { true } else { false } })
    let layers = onImages.filter { if case .conv = $0.operation { true } else { false } }
    #expect(layers.count == 8)
    let activations = layers.compactMap { node -> UnaryFunction? in
      guard case .conv(let attributes) = node.operation else { return nil }
      return attributes.epilogue.activation
    }
    #expect(activations == [.gelu, .silu, .geluTanh])
    #expect(graph.nodes.count { if case .standardize = $0.operation { true } else { false } } == 5)
    let isResidual = layers.map { node in
      guard case .conv(let attributes) = node.operation else { return false }
      return attributes.epilogue.addsResidual
    }
    #expect(isResidual.count { $0 } == 2)
  }

  /// In a transformer transpositions are needed, but products with weights are linear layers.
  @Test func tokensAreLeftInPlace() throws {
    let model = try ONNXModel(contentsOf: ONNXTests.path("transformer.onnx"))
    let graph = try model.compile(inputs: [[1, 3, 16, 12]]).plan.graph
    let layers = graph.nodes.filter { if case .linear = $0.operation { true } else { false } }
    #expect(layers.map { $0.inputs.count } == [3, 4, 3, 4, 3])
    #expect(graph.nodes.count { if case .matmul = $0.operation { true } else { false } } == 2)
  }

  // MARK: Functions that are spelled out

  private func function(
    _ nodes: [ONNXNodeProto], _ numbers: [String: Float] = [:], outputs: [String] = ["y"]
  ) throws -> (model: ONNXModel, operations: [Operation]) {
    var file = ONNXModelProto(
      nodes: nodes, initializers: numbers.sorted { $0.key < $1.key }.map { ONNXTensorProto($0.key, [], [$0.value]) },
      version: 13)
    file.graph.output = outputs.map { name in
      var output = file.graph.output[0]
      output.name = name
      return output
    }
    let model = try ONNXModel(file)
    return (model, try model.trace(inputs: [[3, 4]]).graph.nodes.map(\.operation))
  }

  private func node(_ operation: String, _ inputs: [String], _ output: String) -> ONNXNodeProto {
    ONNXNodeProto(operation, inputs, outputs: [output])
  }

  private let x = uniform([3, 4], stream: 3, -4..<4)

  /// Each in several orders; the numbers are PyTorch's function's.
  @Test func activationsAreRecognized() throws {
    let numbers: [String: Float] = [
      "one": 1, "half": 0.5, "root": Float(2).squareRoot(), "inverse": Float(0.5).squareRoot(),
    ]
    let argument = [node("Div", ["x", "root"], "a"), node("Erf", ["a"], "e"), node("Add", ["e", "one"], "u")]
    let variants = [
      argument + [node("Mul", ["x", "u"], "p"), node("Mul", ["p", "half"], "y")],
      [node("Mul", ["inverse", "x"], "a"), node("Erf", ["a"], "e"), node("Add", ["one", "e"], "u")]
        + [node("Mul", ["half", "x"], "p"), node("Mul", ["p", "u"], "y")],
      argument + [node("Mul", ["u", "half"], "p"), node("Mul", ["x", "p"], "y")],
    ]
    for nodes in variants {
      let (model, operations) = try function(nodes, numbers)
      #expect(operations == [.unary(.gelu)])
      #expect(difference(model(x), gelu(x)) < 1e-6)
    }
    // The argument is a product itself.
    let squares = try function(
      [node("Mul", ["x", "x"], "s")]
        + variants[0].map {
          var node = $0; node.input = node.input.map { $0 == "x" ? "s" : $0 }; return node
        }, numbers)
    #expect(squares.operations.last == .unary(.gelu) && squares.operations.count == 2)
    let swish = try function([node("Sigmoid", ["x"], "s"), node("Mul", ["s", "x"], "y")])
    #expect(swish.operations == [.unary(.silu)])
    let mish = try function([node("Softplus", ["x"], "s"), node("Tanh", ["s"], "t"), node("Mul", ["x", "t"], "y")])
    #expect(mish.operations == [.unary(.mish)])
    let hard = try function(
      [node("Add", ["x", "three"], "a"), node("Clip", ["a", "zero", "six"], "c"), node("Mul", ["x", "c"], "p")]
        + [node("Div", ["p", "six"], "y")], ["three": 3, "zero": 0, "six": 6])
    #expect(hard.operations == [.unary(.hardSwish)])
  }

  /// What only looks like one of them is computed as it stands, and so is what others read.
  @Test func lookalikesAreLeftAlone() throws {
    func nodes(_ last: [ONNXNodeProto]) -> [ONNXNodeProto] {
      [node("Div", ["x", "root"], "a"), node("Erf", ["a"], "e"), node("Add", ["e", "one"], "u")] + last
    }
    let good: [String: Float] = ["one": 1, "half": 0.5, "root": Float(2).squareRoot()]
    let end = [node("Mul", ["x", "u"], "p"), node("Mul", ["p", "half"], "y")]
    for (name, value) in [("one", 1.001), ("half", 0.4999), ("root", 1.4143)] as [(String, Float)] {
      let (_, operations) = try function(nodes(end), good.merging([name: value]) { $1 })
      #expect(!operations.contains(.unary(.gelu)), "\(name)")
    }
    // Two factors x, or another one.
    let twice = [node("Mul", ["x", "u"], "p"), node("Mul", ["p", "x"], "q"), node("Mul", ["q", "half"], "y")]
    #expect(try !function(nodes(twice), good).operations.contains(.unary(.gelu)))
    let gated = [node("Sigmoid", ["x"], "s"), node("Tanh", ["x"], "t"), node("Mul", ["s", "t"], "y")]
    #expect(try !function(gated).operations.contains(.unary(.silu)))
    // A value inside that is an output, too, is computed beside it.
    let seen = try function(nodes(end), good, outputs: ["y", "u"])
    #expect(seen.operations.contains(.unary(.gelu)) && seen.operations.contains(.unary(.errorFunction)))
    let both = try seen.model.run([x])
    #expect(difference(both[0], gelu(x)) < 1e-6)
    #expect(difference(both[1], erf(x * 0.5.squareRoot()) + 1) < 1e-6)
  }

  @Test(arguments: [-1, 0] as [Int64]) func standardizationIsRecognized(_ axis: Int64) throws {
    func mean(_ input: String, _ output: String, _ axis: Int64) -> ONNXNodeProto {
      ONNXNodeProto("ReduceMean", [input], [.init("axes", [axis])], outputs: [output])
    }
    func nodes(over second: Int64) -> [ONNXNodeProto] {
      [mean("x", "m", axis), node("Sub", ["x", "m"], "d"), node("Pow", ["d", "two"], "s"), mean("s", "v", second)]
        + [node("Add", ["v", "eps"], "w"), node("Sqrt", ["w"], "r"), node("Div", ["d", "r"], "y")]
    }
    let numbers: [String: Float] = ["two": 2, "eps": 1e-5]
    let found = try function(nodes(over: axis), numbers)
    guard case .standardize(let along, let epsilon)? = found.operations.first, found.operations.count == 1 else {
      Issue.record("\(found.operations)")
      return
    }
    #expect(along == Int(axis + 2) % 2 && abs(epsilon - 1e-5) < 1e-12)
    let a = Int(axis + 2) % 2
    let centred = x - x.mean(along: [a], keepingDimensions: true)
    let expected = centred / sqrt(square(centred).mean(along: [a], keepingDimensions: true) + 1e-5)
    #expect(difference(found.model(x), expected) < 1e-5)
    #expect(try function(nodes(over: -1 - axis), numbers).operations.count > 1)
    // It is saved and comes back.
    let stored = try ONNXModel(tensors: [:], metadata: found.model.metadata(), path: "stored")
    #expect(stored(x).bits == found.model(x).bits)
  }
}

import Layers
import Models
import Runtime
import Testing
import Training

/// Eager evaluation, unfused plans, fused plans and PyTorch agree, and results do not depend on threads.
@Suite(.serialized) struct EquivalenceTests {
  static let pytorchModels: [(name: String, channels: Int, side: Int)] = [
    ("lenet", 1, 32), ("resnet20", 3, 32), ("resnet18", 3, 64),
  ]
  static let labels = Tensor([3, 7] as [Int32])

  static let loss: TrainingStep<AnyLayer>.Loss = { model, input, target in crossEntropy(model(input), target) }

  static func batch(_ name: String, _ count: Int = 4) -> Batch {
    let labels = (0..<count).map { Int32($0 % 5) }
    return Batch(
      input: uniform(smallConfiguration(name).inputShape(batch: count), stream: inputStream), target: Tensor(labels),
      indices: Array(0..<count))
  }

  @Test(arguments: pytorchModels)
  func logitsArePyTorchs(name: String, channels: Int, side: Int) throws {
    let model = try filled(make(name, channels: channels, classes: 10, side: side))
    let x = uniform([2, channels, side, side], stream: inputStream)
    let expected = try pytorch(name, "logits")
    #expect(difference(model(x).scalars(), expected) < 1e-4)
    let plan = try compile(model, input: x.shape)
    #expect(difference(try plan.run([x])[0].scalars(), expected) < 1e-4)
  }

  /// One step of gradient descent: the loss, and by how much each tensor changes, running statistics included.
  @Test(arguments: pytorchModels)
  func trainingStepIsPyTorchs(name: String, channels: Int, side: Int) throws {
    let model = try filled(make(name, channels: channels, classes: 10, side: side))
    let step = TrainingStep(
      model, optimizer: .sgd(learningRate: 0.1), allowsWinograd: false, loss: Self.loss)
    let x = uniform([2, channels, side, side], stream: inputStream)
    let result = try step.run(Batch(input: x, target: Self.labels, indices: [0, 1]), step: 1, learningRate: 0.1)
    #expect(difference([result.loss], try pytorch(name, "loss")) < 1e-5)

    let before = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor) })
    let after = try step.model.parameters.sorted { $0.path < $1.path }
    let expected = try pytorch(name, "changes")
    #expect(after.count == expected.count)
    for (parameter, change) in zip(after, expected) {
      let pairs = zip(parameter.tensor.scalars(as: Float.self), before[parameter.path]!.scalars(as: Float.self))
      let found = Float(pairs.reduce(0) { $0 + Double(abs($1.0 - $1.1)) })
      #expect(abs(found - change) <= 1e-4 * change + 1e-6, "\(parameter.path): \(found), PyTorch \(change)")
    }
  }

  @Test(arguments: smallModelNames)
  func eagerIsUnfusedPlanIsFusedPlan(name: String) throws {
    let model = try filled(AnyLayer(ModelRegistry.make(smallConfiguration(name))))
    let x = Self.batch(name).input
    let eager = model(x)
    func plan(fuses: Bool, allowsWinograd: Bool) throws -> Tensor {
      try compile(model, input: x.shape, options: .init(fuses: fuses, allowsWinograd: allowsWinograd)).run([x])[0]
    }
    let unfused = try plan(fuses: false, allowsWinograd: false)
    let fused = try plan(fuses: true, allowsWinograd: false)
    let fast = try plan(fuses: true, allowsWinograd: true)
    #expect(eager.shape == [4, 5])
    #expect(difference(unfused, eager) < 1e-5)
    #expect(difference(fused, eager) < 2e-5)
    #expect(difference(fast, eager) < 1e-4)
  }

  @Test(arguments: smallModelNames)
  func eagerStepIsCompiledStep(name: String) throws {
    let model = AnyLayer(try ModelRegistry.make(smallConfiguration(name), seed: 3))
    let batch = Self.batch(name)
    let step = TrainingStep(
      model, optimizer: .sgd(learningRate: 0.1), allowsWinograd: false, loss: Self.loss)
    let result = try step.run(batch, step: 1, learningRate: 0.1)

    let gradients = try gradient(at: model) { crossEntropy($0(batch.input), batch.target) }
    var optimizer = Optimizer.sgd(learningRate: 0.1)
    var eager = model
    try optimizer.update(&eager, along: gradients)
    #expect(difference([result.loss], [gradients.loss.item()]) < 1e-5)
    for (found, expected) in zip(try step.model.parameters, eager.parameters) {
      let scale = max(1, expected.tensor.scalars(as: Float.self).map(abs).max() ?? 0)
      let distance = zip(found.tensor.scalars(as: Float.self), expected.tensor.scalars(as: Float.self))
        .reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
      #expect(distance <= 1e-5 * scale, "\(found.path): \(distance)")
    }
  }

  @Test(arguments: smallModelNames)
  func bitsDoNotDependOnThreads(name: String) throws {
    let model = AnyLayer(try ModelRegistry.make(smallConfiguration(name), seed: 3))
    let batch = Self.batch(name, 6)
    var inference: [[UInt32]] = []
    var training: [[[UInt32]]] = []
    for threads in 1...3 {
      setThreadCount(threads)
      inference.append(try compile(model, input: batch.input.shape).run([batch.input])[0].bits)
      let step = TrainingStep(model, optimizer: .adamW(), loss: Self.loss)
      for index in 1...3 { #expect(try step.run(batch, step: index, learningRate: 1e-3).isFinite) }
      training.append(try step.model.parameters.map(\.tensor.bits))
    }
    #expect(inference[1] == inference[0] && inference[2] == inference[0])
    for threads in 2...3 {
      for (index, parameter) in model.parameters.enumerated() where training[threads - 1][index] != training[0][index] {
        Issue.record("\(parameter.path) after 3 steps differs between 1 and \(threads) threads")
      }
    }
    #expect(training[0] != model.parameters.map(\.tensor.bits))
  }
}

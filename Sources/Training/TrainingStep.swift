import Foundation
import Graph
import Runtime

/// The whole training step of a model as one compiled plan: forward, backward, clipping and update, in place.
///
/// Parameters, running statistics and the optimizer's state live in one store; plans for batches of other sizes share
/// it.
public final class TrainingStep<Model: Module> {
  public typealias Loss = @Sendable (_ model: Model, _ input: Tensor, _ target: Tensor) throws -> Tensor

  /// What one step tells.
  public struct Result: Sendable {
    public var loss: Float
    /// The norm over all gradients before clipping.
    public var gradientNorm: Float
    public var isFinite: Bool { loss.isFinite && gradientNorm.isFinite }
  }

  /// The model without numbers, which are in the store.
  private let structure: Model
  private let optimizer: Optimizer
  private let seed: UInt64
  private let loss: Loss
  private let rateFactors: [String: Double]
  private let averagingDecay: Double?
  private let prefix: FrozenPrefix?
  private let allowsWinograd: Bool
  private let store = ParameterStore()
  /// Paths of running statistics: a forward pass replaces them before it is known whether the step is finite.
  private let statistics: [String]
  private var plans: [(key: [TensorType], plan: MutablePlan)] = []

  /// The most batch shapes whose plans are kept.
  private let planCapacity = 4

  /// - Parameters:
  ///   - model: initial parameters.
  ///   - seed: keys dropout.
  ///   - rateFactors: by path, what a tensor's learning rate is of the common one, unless that is 1; at 0 it stays as
  ///     it is (see ``ParameterGroup``).
  ///   - averagingDecay: if given, ``averagedModel`` moves towards the model by 1 - decay in each step.
  ///   - allowsWinograd: see ``Plan/Options``.
  ///   - loss: traced once for each batch shape; returns a tensor of one element.
  public convenience init(
    _ model: Model, optimizer: Optimizer, seed: UInt64 = 0, rateFactors: [String: Double] = [:],
    averagingDecay: Double? = nil, allowsWinograd: Bool = true, loss: @escaping Loss
  ) {
    self.init(
      model, optimizer: optimizer, seed: seed, rateFactors: rateFactors, averagingDecay: averagingDecay, prefix: nil,
      allowsWinograd: allowsWinograd, loss: loss)
  }

  /// - Parameter prefix: if given, batches hold its features in place of the model's inputs.
  init(
    _ model: Model, optimizer: Optimizer, seed: UInt64, rateFactors: [String: Double], averagingDecay: Double?,
    prefix: FrozenPrefix?, allowsWinograd: Bool, loss: @escaping Loss
  ) {
    structure = Self.withoutNumbers(model)
    self.optimizer = optimizer
    self.seed = seed
    self.rateFactors = rateFactors
    self.averagingDecay = averagingDecay
    self.prefix = prefix
    self.allowsWinograd = allowsWinograd
    self.loss = loss
    let parameters = model.parameters
    statistics = parameters.filter { $0.kind == .statistic && rateFactors[$0.path] != 0 }.map(\.path)
    for parameter in parameters {
      store[parameter.path] = parameter.tensor
      guard parameter.kind.isTrained, rateFactors[parameter.path] != 0 else { continue }
      for slot in optimizer.slots { store[Self.path(slot, parameter.path)] = .zeros(parameter.tensor.shape) }
      if averagingDecay != nil { store[Self.path(Self.average, parameter.path)] = parameter.tensor }
    }
  }

  private static func withoutNumbers(_ model: Model) -> Model {
    let empty = try? model.mapParameters { _, _, tensor in
      Tensor(shape: tensor.shape, dtype: tensor.dtype, storage: nil)
    }
    return empty ?? model
  }

  private static var average: String { "average" }
  static func path(_ slot: String, _ parameter: String) -> String { "optimizer.\(slot).\(parameter)" }

  // MARK: State

  /// The model as it is now.
  public var model: Model {
    get throws { try structure.mapParameters { path, _, tensor in store[path] ?? tensor } }
  }

  /// The exponential average of the models so far, with the latest running statistics; the model itself without
  /// averaging.
  public var averagedModel: Model {
    get throws {
      try structure.mapParameters { path, _, tensor in store[Self.path(Self.average, path)] ?? store[path] ?? tensor }
    }
  }

  /// Copies of the tensors beside the model's, by path: the optimizer's, and averages.
  var optimizerState: [String: Tensor] {
    var state: [String: Tensor] = [:]
    for path in store.paths where path.hasPrefix("optimizer.") { state[path] = store[path] }
    return state
  }

  /// Replaces tensors of the model and the optimizer, by path.
  func restore(_ tensors: [String: Tensor]) { for (path, tensor) in tensors { store[path] = tensor } }

  /// Bytes of the arena of the largest plan so far.
  public var arenaByteCount: Int { plans.map(\.plan.plan.arenaByteCount).max() ?? 0 }

  /// Compiles the step for batches like this one, which the first step would do otherwise.
  ///
  /// - Returns: the bytes that the step will hold: the arena of its intermediates, and parameters with the optimizer's
  ///   tensors.
  @discardableResult
  public func prepare(for batch: Batch) throws -> (arena: Int, parameters: Int) {
    let arena = try plan(for: batch).plan.arenaByteCount
    return (arena, store.byteCount)
  }

  // MARK: Running

  /// Takes one step; `step` counts from 1. If loss or gradients are not finite, the model stays as it was.
  public func run(_ batch: Batch, step: Int, learningRate: Double) throws -> Result {
    let before = statistics.map { store[$0] }
    let outputs = try plan(for: batch).run(inputs(batch, step: step, learningRate: learningRate))
    let result = Result(loss: outputs[0].item(), gradientNorm: outputs[1].item())
    if !result.isFinite { restoreStatistics(before) }
    return result
  }

  private func restoreStatistics(_ tensors: [Tensor?]) {
    for (path, tensor) in zip(statistics, tensors) { store[path] = tensor }
  }

  /// Repeats a step that gave numbers that are not finite, and returns where the first of them arises.
  public func findNonFinite(_ batch: Batch, step: Int, learningRate: Double) throws -> String {
    if !batch.input.scalars(as: Float.self).allSatisfy(\.isFinite) { return "the input" }
    let before = statistics.map { store[$0] }
    defer { restoreStatistics(before) }
    var culprit: String?
    try run(batch, step: step, learningRate: learningRate) { step in
      guard step.outputs[0].contains(where: { !$0.isFinite }) else { return true }
      culprit = "\(step.node) (\(step.operation.name))"
      return false
    }
    return culprit ?? "the loss"
  }

  /// Takes a step and shows each kernel's outputs to an observer.
  package func run(_ batch: Batch, step: Int, learningRate: Double, observer: @escaping StepObserver) throws {
    _ = try plan(for: batch).run(inputs(batch, step: step, learningRate: learningRate), observer: observer)
  }

  private func inputs(_ batch: Batch, step: Int, learningRate: Double) throws -> [Tensor] {
    try plan(for: batch).plan.inputNames.map { name in
      switch name {
      case "input", Graph.cutInputName: batch.input
      case "target": batch.target
      case Self.rateName: Tensor([Float(learningRate), Float(step)])
      case Self.averagingName: Tensor([Float(averagingWeight(step))])
      default: Tensor([Int64(bitPattern: seed), Int64(step)])
      }
    }
  }

  private func plan(for batch: Batch) throws -> MutablePlan {
    let key = [batch.input, batch.target].map { TensorType($0.shape, $0.dtype) }
    if let known = plans.firstIndex(where: { $0.key == key }) {
      plans.append(plans.remove(at: known))
    } else {
      if plans.count == planCapacity { plans.removeFirst() }
      plans.append((key, try MutablePlan(compile(input: key[0], target: key[1]), store: store)))
    }
    return plans.last!.plan
  }

  /// How far the average moves in a step: at first further than later, so that it does not cling to the initial
  /// parameters.
  private func averagingWeight(_ step: Int) -> Double {
    1 - min(averagingDecay ?? 0, (1 + Double(step)) / (10 + Double(step)))
  }

  private static var rateName: String { "rate" }
  private static var averagingName: String { "averaging" }

  // MARK: Compiling

  private func compile(input: TensorType, target: TensorType) throws -> Plan {
    let (forward, constants) = try traceLoss(input: input, target: target)
    let statistics = forward.outputs.dropFirst()
    let loss = forward.outputs[0].value
    var values: [String: Graph.ValueID] = [:]
    for id in forward.parameters { if case .parameter(let path) = forward[id].source { values[path] = id } }
    let trained = structure.parameters.compactMap { parameter in
      parameter.kind.isTrained && rateFactors[parameter.path] != 0
        ? values[parameter.path].map { (path: parameter.path, kind: parameter.kind, value: $0) } : nil
    }

    var builder = GraphBuilder(forward)
    let rate = builder.graph.addInput(Self.rateName, TensorType([2]))
    let gradients = forward.gradients(
      of: loss, withRespectTo: trained.map(\.value), in: &builder, resolve: { $0 })
    let updated = zip(trained, gradients).compactMap { parameter, gradient in gradient.map { (parameter, $0) } }
    let clipping = builder.apply(
      .clipFactor(maximumNorm: optimizer.settings.maximumGradientNorm), [loss] + updated.map(\.1))

    var outputs = [Graph.Output(name: "loss", value: loss), Graph.Output(name: "norm", value: clipping[1])]
    var updates: [String: String] = [:]
    func replace(_ path: String, by value: Graph.ValueID) {
      outputs.append(Graph.Output(name: "new \(path)", value: value))
      updates["new \(path)"] = path
    }
    for statistic in statistics { replace(statistic.name, by: statistic.value) }
    let averaging = averagingDecay.map { _ in builder.graph.addInput(Self.averagingName, TensorType([1])) }
    for (parameter, gradient) in updated {
      let type = builder.type(of: parameter.value)
      let paths = optimizer.slots.map { Self.path($0, parameter.path) }
      let slots = paths.map { builder.graph.addParameter($0, type) }
      let update = optimizer.operation(for: parameter.kind, rateFactor: rateFactors[parameter.path] ?? 1)
      let results = builder.apply(update, [parameter.value, gradient, clipping[0], rate] + slots)
      for (path, value) in zip([parameter.path] + paths, results) { replace(path, by: value) }
      if let averaging {
        let path = Self.path(Self.average, parameter.path)
        let average = builder.graph.addParameter(path, type)
        let difference = builder(.binary(.subtract), results[0], average)
        replace(path, by: builder(.binary(.add), average, builder(.binary(.multiply), difference, averaging)))
      }
    }
    builder.graph.outputs = outputs
    return try Plan(
      builder.graph, constants: constants, updates: updates,
      options: .init(parametersAreConstant: false, allowsWinograd: allowsWinograd))
  }

  /// The graph from a batch to its loss; further outputs are the new running statistics, by path.
  private func traceLoss(input: TensorType, target: TensorType) throws -> (graph: Graph, constants: [Tensor]) {
    let factors = rateFactors
    let isFrozen: @Sendable (String) -> Bool = { factors[$0] == 0 }
    let tracer = Tracer(isTraining: true, isFrozen: isFrozen)
    // A batch of features stands for a batch of inputs.
    let examples = prefix.map { TensorType(Shape([input.shape[0]] + $0.exampleShape.dimensions)) } ?? input
    let (x, t) = (tracer.input("input", examples), tracer.input("target", target))
    let symbolic = try structure.mapParameters { path, _, tensor in tracer.parameter(path, tensor, isTracked: false) }
    let lossTensor = try Tracer.$current.withValue(tracer) { try loss(symbolic, x, t) }
    let trace = try tracer.finish(outputs: [("loss", lossTensor)])
    guard lossTensor.elementCount == 1 else {
      throw ShapeError(message: "a loss must be one number, but its shape is \(lossTensor.shape)")
    }
    var graph = trace.graph
    for update in trace.updates {
      guard case .parameter(let path) = graph[update.parameter].source, !isFrozen(path) else { continue }
      graph.outputs.append(Graph.Output(name: path, value: update.value))
    }
    graph = graph.removingFrozenDropout(isFrozen: isFrozen)
    if let prefix { graph = try prefix.suffix(of: graph, isFrozen: isFrozen) }
    return (graph, trace.constants)
  }
}

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

  private let structure: Model
  private let optimizer: Optimizer
  private let seed: UInt64
  private let loss: Loss
  private let isFrozen: @Sendable (String) -> Bool
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
  ///   - isFrozen: by path, which parameters stay as they are.
  ///   - allowsWinograd: see ``Plan/Options``.
  ///   - loss: traced once for each batch shape; returns a tensor of one element.
  public init(
    _ model: Model, optimizer: Optimizer, seed: UInt64 = 0,
    isFrozen: @escaping @Sendable (String) -> Bool = { _ in false }, allowsWinograd: Bool = true,
    loss: @escaping Loss
  ) {
    structure = model
    self.optimizer = optimizer
    self.seed = seed
    self.isFrozen = isFrozen
    self.allowsWinograd = allowsWinograd
    self.loss = loss
    statistics = model.parameters.filter { $0.kind == .statistic }.map(\.path)
    for parameter in model.parameters {
      store[parameter.path] = parameter.tensor
      guard parameter.kind.isTrained, !isFrozen(parameter.path) else { continue }
      for slot in optimizer.slots { store[Self.path(slot, parameter.path)] = .zeros(parameter.tensor.shape) }
    }
  }

  static func path(_ slot: String, _ parameter: String) -> String { "optimizer.\(slot).\(parameter)" }

  // MARK: State

  /// The model as it is now.
  public var model: Model {
    get throws { try structure.mapParameters { path, _, tensor in store[path] ?? tensor } }
  }

  /// Copies of the optimizer's tensors, by path.
  var optimizerState: [String: Tensor] {
    var state: [String: Tensor] = [:]
    for path in store.paths where path.hasPrefix("optimizer.") { state[path] = store[path] }
    return state
  }

  /// Replaces tensors of the model and the optimizer, by path.
  func restore(_ tensors: [String: Tensor]) { for (path, tensor) in tensors { store[path] = tensor } }

  /// Bytes of the arena of the largest plan so far.
  public var arenaByteCount: Int { plans.map(\.plan.plan.arenaByteCount).max() ?? 0 }

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
      case "input": batch.input
      case "target": batch.target
      case "rate": Tensor([Float(learningRate), Float(step)])
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

  private func compile(input: TensorType, target: TensorType) throws -> Plan {
    let tracer = Tracer(isTraining: true, isFrozen: isFrozen)
    let (x, t) = (tracer.input("input", input), tracer.input("target", target))
    let rate = tracer.input("rate", TensorType([2]))
    var trained: [(path: String, kind: ParameterKind, value: Graph.ValueID)] = []
    let symbolic = try structure.mapParameters { path, kind, tensor in
      let symbol = tracer.parameter(path, tensor, isTracked: false)
      if kind.isTrained && !isFrozen(path) { trained.append((path, kind, symbol.symbol!.value)) }
      return symbol
    }
    let lossTensor = try Tracer.$current.withValue(tracer) { try loss(symbolic, x, t) }
    let trace = try tracer.finish(outputs: [("loss", lossTensor), ("rate", rate)])
    guard lossTensor.elementCount == 1 else {
      throw ShapeError(message: "a loss must be one number, but its shape is \(lossTensor.shape)")
    }
    let (lossValue, rateValue) = (trace.graph.outputs[0].value, trace.graph.outputs[1].value)

    var builder = GraphBuilder(trace.graph)
    let gradients = trace.graph.gradients(
      of: lossValue, withRespectTo: trained.map(\.value), in: &builder, resolve: { $0 })
    let updated = zip(trained, gradients).compactMap { parameter, gradient in gradient.map { (parameter, $0) } }
    let clipping = builder.apply(
      .clipFactor(maximumNorm: optimizer.settings.maximumGradientNorm), [lossValue] + updated.map(\.1))

    var outputs = [Graph.Output(name: "loss", value: lossValue), Graph.Output(name: "norm", value: clipping[1])]
    var updates: [String: String] = [:]
    func replace(_ path: String, by value: Graph.ValueID) {
      outputs.append(Graph.Output(name: "new \(path)", value: value))
      updates["new \(path)"] = path
    }
    for update in trace.updates {
      if case .parameter(let path) = trace.graph[update.parameter].source { replace(path, by: update.value) }
    }
    for (parameter, gradient) in updated {
      let type = builder.type(of: parameter.value)
      let paths = optimizer.slots.map { Self.path($0, parameter.path) }
      let slots = paths.map { builder.graph.addParameter($0, type) }
      let results = builder.apply(
        optimizer.operation(for: parameter.kind), [parameter.value, gradient, clipping[0], rateValue] + slots)
      for (path, value) in zip([parameter.path] + paths, results) { replace(path, by: value) }
    }
    builder.graph.outputs = outputs
    return try Plan(
      builder.graph, constants: trace.constants, updates: updates,
      options: .init(parametersAreConstant: false, allowsWinograd: allowsWinograd))
  }
}

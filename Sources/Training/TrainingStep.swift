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
  let structure: Model
  let optimizer: Optimizer
  private let seed: UInt64
  let loss: Loss
  let rateFactors: [String: Double]
  let averagingDecay: Double?
  let prefix: FrozenPrefix?
  let allowsWinograd: Bool
  let store = ParameterStore()
  /// Paths of running statistics: a forward pass replaces them before it is known whether the step is finite.
  private let statistics: [String]
  /// The tensors that learn.
  private let trained: [(path: String, shape: Shape)]
  private var plans: [(key: PlanKey, plan: MutablePlan)] = []
  /// What the sum of the batches since the latest update rests on.
  private var accumulated = Accumulated()
  /// The tensors that the loss depends on.
  var gradientPaths: Set<String> = []

  private struct PlanKey: Hashable {
    /// Of inputs and targets; none for the update along a sum, which sees no examples.
    var types: [TensorType]
    /// Whether a batch's gradient is only added to a sum.
    var isPart: Bool
  }

  private struct Accumulated {
    var lossSum = 0.0
    var examples = 0
    var parts = 0
    var statistics: [Tensor?] = []
  }

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
    let trained = parameters.filter { $0.kind.isTrained && rateFactors[$0.path] != 0 }
    self.trained = trained.map { ($0.path, $0.tensor.shape) }
    statistics = parameters.filter { $0.kind == .statistic && rateFactors[$0.path] != 0 }.map(\.path)
    for parameter in parameters { store[parameter.path] = parameter.tensor }
    for parameter in trained {
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

  static var average: String { "average" }
  /// Of gradients.
  static var sum: String { "sum" }
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

  /// Copies of the tensors beside the model's, by path: the optimizer's, and averages. Sums of gradients only live
  /// within a step.
  var optimizerState: [String: Tensor] {
    var state: [String: Tensor] = [:]
    let sums = Self.path(Self.sum, "")
    for path in store.paths where path.hasPrefix("optimizer.") && !path.hasPrefix(sums) { state[path] = store[path] }
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
    let plan = try plan(for: batch)
    let outputs = try plan.run(inputs(of: plan, batch, draw: step, step: step, learningRate: learningRate))
    let result = Result(loss: outputs[0].item(), gradientNorm: outputs[1].item())
    if !result.isFinite { restoreStatistics(before) }
    return result
  }

  /// Adds a batch's gradient to those since the latest ``update(step:learningRate:)``, each weighted by its number of
  /// examples; only running statistics change at once.
  ///
  /// - Parameter draw: keys dropout; another one for each batch.
  /// - Returns: the batch's own loss and gradient norm. If they are not finite, nothing since the latest update counts.
  public func accumulate(_ batch: Batch, draw: Int) throws -> Result {
    if accumulated.parts == 0 {
      accumulated.statistics = statistics.map { store[$0] }
      for (path, shape) in trained { store[Self.path(Self.sum, path)] = .zeros(shape) }
    }
    let plan = try plan(for: batch, isPart: true)
    let outputs = try plan.run(inputs(of: plan, batch, draw: draw, step: 1, learningRate: 0))
    let result = Result(loss: outputs[0].item(), gradientNorm: outputs[1].item())
    let count = batch.indices.count
    accumulated.lossSum += Double(result.loss) * Double(count)
    accumulated.examples += count
    accumulated.parts += 1
    if !result.isFinite { discardAccumulated() }
    return result
  }

  /// Takes one step along the mean gradient over all examples that were accumulated.
  ///
  /// - Returns: their mean loss, and the norm of their mean gradient.
  public func update(step: Int, learningRate: Double) throws -> Result {
    guard accumulated.parts > 0 else { fail("an update without a gradient: accumulate a batch first") }
    let plan = try plan(PlanKey(types: [], isPart: true)) { try self.compileUpdate() }
    let loss = Float(accumulated.lossSum / Double(accumulated.examples))
    let outputs = try plan.run(inputs(of: plan, nil, draw: step, step: step, learningRate: learningRate))
    let result = Result(loss: loss, gradientNorm: outputs[0].item())
    if result.isFinite { accumulated = Accumulated() } else { discardAccumulated() }
    return result
  }

  /// Forgets what was accumulated, and undoes what it did to running statistics.
  func discardAccumulated() {
    if accumulated.parts > 0 { restoreStatistics(accumulated.statistics) }
    accumulated = Accumulated()
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
      if step.isFinite { return true }
      culprit = "\(step.node) (\(step.operation.name))"
      return false
    }
    return culprit ?? "the loss"
  }

  /// Takes a step and tells an observer of each kernel.
  package func run(_ batch: Batch, step: Int, learningRate: Double, observer: @escaping StepObserver) throws {
    let plan = try plan(for: batch)
    _ = try plan.run(
      inputs(of: plan, batch, draw: step, step: step, learningRate: learningRate), observer: observer)
  }

  private func inputs(
    of plan: MutablePlan, _ batch: Batch?, draw: Int, step: Int, learningRate: Double
  ) -> [Tensor] {
    plan.plan.inputNames.map { name in
      switch name {
      case "input", Graph.cutInputName: batch?.input ?? .zeros([1])
      case "target": batch?.target ?? .zeros([1])
      case Self.rateName: Tensor([Float(learningRate), Float(step)])
      case Self.averagingName: Tensor([Float(averagingWeight(step))])
      case Self.weightName: Tensor([batch.map { Float($0.indices.count) } ?? 1 / Float(accumulated.examples)])
      default: Tensor([Int64(bitPattern: seed), Int64(draw)])
      }
    }
  }

  private func plan(for batch: Batch, isPart: Bool = false) throws -> MutablePlan {
    let types = [batch.input, batch.target].map { TensorType($0.shape, $0.dtype) }
    return try plan(PlanKey(types: types, isPart: isPart)) {
      try self.compile(input: types[0], target: types[1], isPart: isPart)
    }
  }

  private func plan(_ key: PlanKey, compile: () throws -> Plan) throws -> MutablePlan {
    if let known = plans.firstIndex(where: { $0.key == key }) {
      plans.append(plans.remove(at: known))
    } else {
      if plans.count == planCapacity { plans.removeFirst() }
      plans.append((key, try MutablePlan(compile(), store: store)))
    }
    return plans.last!.plan
  }

  /// How far the average moves in a step: at first further than later, so that it does not cling to the initial
  /// parameters.
  private func averagingWeight(_ step: Int) -> Double {
    1 - min(averagingDecay ?? 0, (1 + Double(step)) / (10 + Double(step)))
  }

  static var rateName: String { "rate" }
  static var averagingName: String { "averaging" }
  static var weightName: String { "weight" }
}

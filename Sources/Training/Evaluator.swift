import Graph
import Runtime

/// Runs a model over a data set in inference mode, with plans that later evaluations of the same structure reuse.
public final class Evaluator<Model: Layer> {
  public typealias Loss = @Sendable (_ output: Tensor, _ target: Tensor) throws -> Tensor

  /// What a model makes of a data set.
  public struct Evaluation: Sendable {
    /// The mean over all examples.
    public var loss: Double
    /// The model's outputs, one row for each example.
    public var outputs: [Float]
    /// The targets, if they are class labels.
    public var labels: [Int]
    public var count: Int

    /// The share of examples whose largest output is their label's.
    public var accuracy: Double {
      guard count > 0, !labels.isEmpty else { return 0 }
      let rows = Tensor(outputs, shape: [count, outputs.count / count]).argmax()
      return Double(zip(rows, labels).count { $0 == $1 }) / Double(count)
    }
  }

  private let loss: Loss
  private let allowsWinograd: Bool
  private let prefix: FrozenPrefix?
  private let isFrozen: @Sendable (String) -> Bool
  private var plans: [(key: [TensorType], plan: Plan)] = []

  /// - Parameter allowsWinograd: see ``Plan/Options``.
  public convenience init(allowsWinograd: Bool = true, loss: @escaping Loss) {
    self.init(allowsWinograd: allowsWinograd, prefix: nil, isFrozen: { _ in false }, loss: loss)
  }

  /// - Parameter prefix: if given, data sets hold its features in place of the model's inputs.
  init(
    allowsWinograd: Bool, prefix: FrozenPrefix?, isFrozen: @escaping @Sendable (String) -> Bool, loss: @escaping Loss
  ) {
    self.allowsWinograd = allowsWinograd
    self.prefix = prefix
    self.isFrozen = isFrozen
    self.loss = loss
  }

  /// - Parameter progress: called after each batch with the number of examples done; returns whether to go on.
  public func evaluate(
    _ model: Model, on dataset: any Dataset, batchSize: Int = 128, loaderThreads: Int = 2,
    progress: (Int) throws -> Void = { _ in }
  ) throws -> Evaluation {
    let parameters = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor) })
    var loaded: [[TensorType]: LoadedPlan] = [:]
    var result = Evaluation(loss: 0, outputs: [], labels: [], count: 0)
    let loader = DataLoader(dataset, batchSize: batchSize, mergesLoneExample: false, threads: loaderThreads)
    let batches = loader.batches(epoch: 0)
    while let batch = try batches.next() {
      let key = [batch.input, batch.target].map { TensorType($0.shape, $0.dtype) }
      if loaded[key] == nil {
        let plan = try plan(for: model, key)
        loaded[key] = try LoadedPlan(plan, parameters: plan.parameterPaths.map { parameters[$0]! })
      }
      let plan = loaded[key]!
      let outputs = try plan.run(plan.plan.inputNames.map { $0 == "target" ? batch.target : batch.input })
      result.loss += Double(outputs[0].item(as: Float.self)) * Double(batch.indices.count)
      result.outputs += outputs[1].scalars(as: Float.self)
      if batch.target.dtype == .int32 { result.labels += batch.target.scalars(as: Int32.self).map(Int.init) }
      result.count += batch.indices.count
      try progress(result.count)
    }
    if result.count > 0 { result.loss /= Double(result.count) }
    return result
  }

  private func plan(for model: Model, _ key: [TensorType]) throws -> Plan {
    if let known = plans.first(where: { $0.key == key }) { return known.plan }
    let tracer = Tracer(isTraining: false)
    let examples = prefix.map { TensorType(Shape([key[0].shape[0]] + $0.exampleShape.dimensions)) } ?? key[0]
    let (x, t) = (tracer.input("input", examples), tracer.input("target", key[1]))
    let symbolic = try model.mapParameters { path, _, tensor in tracer.parameter(path, tensor, isTracked: false) }
    let (output, value) = try Tracer.$current.withValue(tracer) {
      let output = symbolic(x)
      return (output, try loss(output, t))
    }
    let trace = try tracer.finish(outputs: [("loss", value), ("output", output)])
    let graph = try prefix?.suffix(of: trace.graph, isFrozen: isFrozen) ?? trace.graph
    let plan = try Plan(graph, constants: trace.constants, options: .init(allowsWinograd: allowsWinograd))
    if plans.count == 4 { plans.removeFirst() }
    plans.append((key, plan))
    return plan
  }
}

import Graph
import Kernels

/// Parameters that training steps change in place, by path: a model's tensors and an optimizer's.
///
/// Plans for different batch sizes share one store. It is not `Sendable`: one task trains.
public final class ParameterStore {
  private(set) var storages: [String: Storage] = [:]
  private var types: [String: TensorType] = [:]

  public init() {}

  /// The tensor at a path, as it is now; a copy.
  public subscript(_ path: String) -> Tensor? {
    get {
      guard let storage = storages[path], let type = types[path] else { return nil }
      let tensor = Tensor(shape: type.shape, dtype: type.dtype, storage: storage)
      return Tensor(shape: type.shape, dtype: type.dtype, storage: tensor.copiedStorage())
    }
    set {
      storages[path] = newValue?.copiedStorage()
      types[path] = newValue.map { TensorType($0.shape, $0.dtype) }
    }
  }

  /// All paths, sorted.
  public var paths: [String] { storages.keys.sorted() }

  /// Of all tensors.
  public var byteCount: Int { types.values.reduce(0) { $0 + $1.shape.elementCount * $1.dtype.byteCount } }

  func type(_ path: String) -> TensorType? { types[path] }
}

/// A plan that reads its parameters from a store and writes updates back into it: a training step.
public final class MutablePlan {
  public let plan: Plan
  private let store: ParameterStore
  private let workspace: Workspace
  private let paths: [String]
  /// What depends on constants alone, computed once.
  private let prepared: Storage

  /// - Parameter store: holds a tensor of the right type for each of ``Plan/parameterPaths``.
  public init(_ plan: Plan, store: ParameterStore) throws(ExecutionError) {
    self.plan = plan
    self.store = store
    paths = plan.parameterPaths
    for (path, id) in zip(paths, plan.graph.parameters) where store.type(path) != plan.graph[id].type {
      let found = store.type(path).map { "\($0)" } ?? "nothing"
      throw ExecutionError(description: "\(path): the plan needs \(plan.graph[id].type), the store holds \(found)")
    }
    workspace = Workspace(plan)
    var parameters: [Storage?] = paths.map { store.storages[$0] }
    prepared = try plan.prepare(&parameters, in: workspace)
  }

  /// Runs the plan once. Returns the outputs that do not replace a parameter, in order.
  public func run(_ inputs: [Tensor]) throws(ExecutionError) -> [Tensor] { try run(inputs, observer: nil) }

  /// Runs the plan and tells an observer of each kernel.
  package func run(_ inputs: [Tensor], observer: StepObserver?) throws(ExecutionError) -> [Tensor] {
    try plan.check(inputs, against: plan.graph.inputs, kind: "input")
    let outputs = plan.makeOutputs()
    let parameters = paths.map { store.storages[$0]! }
    workspace.bind(plan, inputs: inputs, parameters: parameters, prepared: prepared, outputs: outputs)
    try plan.execute(plan.steps, in: workspace, observer: observer)
    return plan.collect(outputs, from: workspace, parameters: parameters).compactMap { $0 }
  }
}

import Graph
import Kernels
import Synchronization

/// A plan with its parameters, ready for inference by any number of tasks at once.
public final class LoadedPlan: Sendable {
  public let plan: Plan
  /// Those that runs read; of the others only what was prepared from them is left.
  private let parameters: [Storage?]
  private let prepared: Storage
  /// Workspaces of finished runs, for the next ones.
  private let spare = Mutex<[Workspace]>([])

  /// - Parameter parameters: tensors in the order of ``Plan/parameterPaths``. Each that runs do not read, because its
  ///   packed form takes its place, is let go as soon as that is made: a caller that keeps none of them needs the least
  ///   memory.
  public init(_ plan: Plan, parameters: consuming [Tensor] = []) throws(ExecutionError) {
    try plan.check(parameters, against: plan.graph.parameters, kind: "parameter")
    self.plan = plan
    var storages: [Storage?] = parameters.map(\.storage)
    parameters = []
    let workspace = Workspace(plan)
    prepared = try plan.prepare(&storages, in: workspace)
    self.parameters = storages
    spare.withLock { $0.append(workspace) }
  }

  /// Bytes of the parameters that it holds, packed or as they were given.
  public var parameterByteCount: Int { prepared.byteCount + parameters.reduce(0) { $0 + ($1?.byteCount ?? 0) } }

  /// Runs the plan on inputs in the order of ``Plan/inputNames``; returns the outputs in order.
  public func run(_ inputs: [Tensor]) throws(ExecutionError) -> [Tensor] { try run(inputs, observer: nil) }

  /// Runs the plan and tells an observer of each kernel.
  package func run(_ inputs: [Tensor], observer: StepObserver?) throws(ExecutionError) -> [Tensor] {
    try plan.check(inputs, against: plan.graph.inputs, kind: "input")
    let workspace = spare.withLock { $0.popLast() } ?? Workspace(plan)
    let outputs = plan.makeOutputs()
    workspace.bind(plan, inputs: inputs, parameters: parameters, prepared: prepared, outputs: outputs)
    try plan.execute(plan.steps, in: workspace, observer: observer)
    let results = plan.collect(outputs, from: workspace).compactMap { $0 }
    spare.withLock { $0.append(workspace) }
    return results
  }
}

extension Tensor {
  /// A copy of the numbers in memory of its own.
  package func copiedStorage() -> Storage {
    guard let storage else { fail("a symbolic tensor has no numbers to copy") }
    let copy = Storage(byteCount: storage.byteCount)
    copy.pointer.copyMemory(from: storage.pointer, byteCount: storage.byteCount)
    return copy
  }
}

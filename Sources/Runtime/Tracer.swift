package import Graph
import Synchronization

/// Records the operations of a traced program as a graph.
///
/// A *symbolic* tracer stands in for a compiler: tensors have types but no numbers. A *tracking* tracer is the tape of
/// eager differentiation: every value also has its numbers. Both record the same graph.
package final class Tracer: Sendable {
  /// Whether layers behave as in training: batch norm takes the statistics of the batch, dropout drops.
  package let isTraining: Bool
  /// Whether layers that lack the size of their input take it from what they are called with.
  package let isResolving: Bool

  fileprivate struct State {
    var graph = Graph()
    var constants: [Tensor] = []
    var constantIDs: [ObjectIdentifier: Graph.ValueID] = [:]
    var numbers: [Int: Tensor] = [:]
    var updates: [(parameter: Graph.ValueID, value: Graph.ValueID)] = []
    var randomKey: Tensor?
    var dropoutCount = 0
    var firstError: ShapeError?
    var resolutions: [String: Tensor] = [:]
  }
  private let state = Mutex(State())
  private let isFrozen: @Sendable (String) -> Bool

  /// The tracer of the running `trace` or `gradient` call.
  @TaskLocal package static var current: Tracer?

  package init(
    isTraining: Bool, isResolving: Bool = false, isFrozen: @escaping @Sendable (String) -> Bool = { _ in false }
  ) {
    self.isTraining = isTraining
    self.isResolving = isResolving
    self.isFrozen = isFrozen
  }

  // MARK: Sources

  /// A symbolic input.
  package func input(_ name: String, _ type: TensorType) -> Tensor {
    symbol(of: state.withLock { $0.graph.addInput(name, type) }, type, numbers: nil)
  }

  /// A tensor of the model; with its numbers if they are to be computed with at once.
  package func parameter(_ path: String, _ tensor: Tensor, isTracked: Bool) -> Tensor {
    let type = TensorType(tensor.shape, tensor.dtype)
    let value = state.withLock { state in
      let value = state.graph.addParameter(path, type)
      if isTracked { state.numbers[value.index] = tensor }
      return value
    }
    return symbol(of: value, type, numbers: isTracked ? tensor : nil)
  }

  /// Stands in for a parameter whose shape was not known until now: while resolving, the tensor that `make` makes the
  /// first time. Otherwise the parameter as it is.
  package func resolved(_ parameter: Tensor, make: () -> Tensor) -> Tensor {
    guard isResolving, let id = parameter.symbol?.value else { return parameter }
    let (source, known) = state.withLock { state in
      let source = state.graph[id].source
      guard case .parameter(let path) = source else { return (source, Tensor?.none) }
      return (source, state.resolutions[path])
    }
    guard case .parameter(let path) = source else { return parameter }
    let tensor = known ?? make()
    state.withLock { $0.resolutions[path] = tensor }
    return self.parameter(path, tensor, isTracked: false)
  }

  /// The tensors of the parameters that were resolved, by path.
  package var resolutions: [String: Tensor] { state.withLock { $0.resolutions } }

  /// `[seed, step]`, which random operations are keyed by; an input of a symbolic trace.
  package func randomKey() -> Tensor {
    if let key = state.withLock({ $0.randomKey }) { return key }
    let key = input(Self.randomKeyName, TensorType([2], .int64))
    state.withLock { $0.randomKey = key }
    return key
  }

  package func setRandomKey(_ key: Tensor) { state.withLock { $0.randomKey = key } }

  package static let randomKeyName = "random_key"

  /// A number for each random operation of the program, in program order.
  package func nextRandomStream() -> Int {
    state.withLock {
      $0.dropoutCount += 1
      return $0.dropoutCount
    }
  }

  // MARK: Recording

  /// Appends a node and returns its outputs, which have numbers if `results` gives them.
  ///
  /// A shape error is kept for the end of the trace; the program runs on with outputs shaped like its first input.
  func record(_ operation: Operation, _ inputs: [Tensor], results: [Tensor]?) -> [Tensor] {
    let outcome: (values: [Graph.ValueID], types: [TensorType])? = state.withLock {
      state -> (values: [Graph.ValueID], types: [TensorType])? in
      guard state.firstError == nil else { return nil }
      let ids = inputs.map { state.id(of: $0, in: self) }
      do throws(ShapeError) {
        let values = try state.graph.append(operation, ids)
        for (value, result) in zip(values, results ?? []) { state.numbers[value.index] = result }
        return (values, values.map { state.graph[$0].type })
      } catch {
        state.firstError = error
        return nil
      }
    }
    guard let outcome else {
      let fallback = inputs.first ?? Tensor(shape: .scalar, dtype: .float32, storage: nil)
      let count =
        switch operation {
        case .batchNormTraining: 5
        case .standardize: 2
        default: 1
        }
      return .init(
        repeating: Tensor(shape: fallback.shape, dtype: fallback.dtype, storage: nil, symbol: fallback.symbol),
        count: count)
    }
    return outcome.values.indices.map { symbol(of: outcome.values[$0], outcome.types[$0], numbers: results?[$0]) }
  }

  /// Keeps an error for the end of the trace, unless one came before.
  package func report(_ error: ShapeError) {
    state.withLock { if $0.firstError == nil { $0.firstError = error } }
  }

  /// Notes that training replaces a tensor of the model, such as a running mean, by a new value after the step.
  package func recordUpdate(of parameter: Tensor, to value: Tensor) {
    guard let target = parameter.symbol?.value, let value = value.symbol?.value else { return }
    state.withLock { $0.updates.append((target, value)) }
  }

  /// Whether a tensor belongs to a frozen part of the model.
  package func isFrozen(_ tensor: Tensor) -> Bool {
    guard let id = tensor.symbol?.value else { return false }
    guard case .parameter(let path) = state.withLock({ $0.graph[id].source }) else { return false }
    return isFrozen(path)
  }

  private func symbol(of value: Graph.ValueID, _ type: TensorType, numbers: Tensor?) -> Tensor {
    Tensor(
      shape: type.shape, dtype: type.dtype, storage: numbers?.storage, symbol: Symbol(tracer: self, value: value))
  }

  // MARK: Result

  /// What was recorded, with the given outputs.
  package func finish(outputs: [(name: String, tensor: Tensor)]) throws(ShapeError) -> Trace {
    let (error, trace): (ShapeError?, Trace) = state.withLock { state in
      var graph = state.graph
      if state.firstError == nil {
        graph.outputs = outputs.map { Graph.Output(name: $0.name, value: state.id(of: $0.tensor, in: self)) }
        // Capturing an output may itself have added a constant.
        let named = graph.outputs
        graph = state.graph
        graph.outputs = named
      }
      return (
        state.firstError,
        Trace(graph: graph, constants: state.constants, updates: state.updates, numbers: state.numbers)
      )
    }
    if let error { throw error }
    return trace
  }

  /// A recorded program.
  package struct Trace: Sendable {
    package var graph: Graph
    /// The numbers of the graph's constants.
    package var constants: [Tensor]
    package var updates: [(parameter: Graph.ValueID, value: Graph.ValueID)]
    /// The numbers of tracked values, by index.
    package var numbers: [Int: Tensor]
  }
}

extension Tracer.State {
  /// The value that a tensor stands for; a tensor from outside the trace becomes a constant.
  fileprivate mutating func id(of tensor: Tensor, in tracer: Tracer) -> Graph.ValueID {
    if let symbol = tensor.symbol, symbol.tracer === tracer { return symbol.value }
    guard let storage = tensor.storage else { fail("a symbolic tensor was used outside the trace that made it") }
    if let known = constantIDs[ObjectIdentifier(storage)], graph[known].type.shape == tensor.shape { return known }
    let value = graph.addConstant(TensorType(tensor.shape, tensor.dtype))
    let constant = Tensor(shape: tensor.shape, dtype: tensor.dtype, storage: storage)
    constants.append(constant)
    constantIDs[ObjectIdentifier(storage)] = value
    numbers[value.index] = constant
    return value
  }
}

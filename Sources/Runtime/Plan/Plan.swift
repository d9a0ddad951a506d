public import Graph
import Kernels

/// A graph compiled for fixed shapes: operators fused, layouts and kernels chosen, every intermediate given its place
/// in one arena.
///
/// A plan is immutable. ``LoadedPlan`` joins it with parameters for inference; ``MutablePlan`` runs a training step
/// that updates its parameters in place.
public struct Plan: Sendable {
  /// What a plan is compiled for.
  public struct Options: Sendable {
    /// Whether parameters stay the same between runs; then batch norm is folded and weights are packed ahead.
    public var parametersAreConstant: Bool
    /// Whether operators are fused; an unfused plan runs every node of the graph as it stands.
    public var fuses: Bool
    /// Whether convolutions may use Winograd's algorithm where it is faster: its results differ from those of the
    /// direct one by about 1e-5 of the largest output.
    public var allowsWinograd: Bool
    /// Bytes of arena from which on cheap values of a training step are computed again before the backward pass reads
    /// them, where that lowers the peak; results are the same bits. That costs a percent of the time, which smaller steps
    /// would spend for memory that nobody misses.
    public var recomputationThreshold: Int

    public init(
      parametersAreConstant: Bool = true, fuses: Bool = true, allowsWinograd: Bool = true,
      recomputationThreshold: Int = 64 << 20
    ) {
      self.parametersAreConstant = parametersAreConstant
      self.fuses = fuses
      self.allowsWinograd = allowsWinograd
      self.recomputationThreshold = recomputationThreshold
    }
  }

  /// The graph that runs, after all passes.
  public let graph: Graph
  let constants: [Tensor]
  let prologue: [Step]
  let steps: [Step]
  let memory: MemoryPlan
  /// For each output its buffer, and the parameter that it overwrites, if any.
  let outputs: [(value: Int, parameter: Int?)]
  /// Of each buffer, for observers.
  private let spans: [OutputSpan]
  /// For each step of the prologue the parameters that nothing reads after it.
  private let releases: [[Int]]

  /// Bytes of the arena that each concurrent run needs.
  public var arenaByteCount: Int { memory.arenaByteCount }
  /// Bytes of all intermediates that live at the same time, at most: no arena is smaller.
  package var mostBytesInUse: Int { memory.mostBytesInUse }
  /// Bytes of packed weights and whatever else is computed ahead.
  public var preparedByteCount: Int { memory.preparedByteCount }
  /// Bytes that are needed only while that is computed.
  package var preparationByteCount: Int { memory.preparationByteCount }

  /// Compiles a graph.
  ///
  /// - Parameters:
  ///   - graph: what to run.
  ///   - constants: the numbers of the graph's constants, in order.
  ///   - updates: outputs by name, each with the path of the parameter that it replaces after the run.
  public init(_ graph: Graph, constants: [Tensor] = [], updates: [String: String] = [:], options: Options = .init())
    throws(ShapeError)
  {
    var graph = graph.removingDeadCode()
    if options.fuses {
      if options.parametersAreConstant {
        graph = graph.recognizingLinearLayers().cancellingTransposes()
        graph = graph.foldingPadding().foldingBatchNorm().foldingChannelFactors()
      }
      graph = graph.fusingEpilogues()
    }
    var slots: [String: Int] = [:]
    for (index, id) in graph.parameters.enumerated() {
      if case .parameter(let path) = graph[id].source { slots[path] = index }
    }
    var lowering = try Lowering(graph, options)
    let outputs = graph.outputs.map { output in
      (value: lowering.value(output.value, .rowMajor), parameter: updates[output.name].flatMap { slots[$0] })
    }
    if options.parametersAreConstant {
      lowering.orderPreparation(outputs: outputs)
    } else {
      lowering.recomputeCheapValues(outputs: outputs)
    }
    self.graph = graph
    self.constants = constants
    self.outputs = outputs
    spans = lowering.values.map { OutputSpan($0, base: lowering.values[$0.base]) }
    memory = MemoryPlan(lowering, outputs: outputs)
    prologue = lowering.steps.filter { lowering.values[$0.outputs[0]].isPrepared }
    steps = lowering.steps.filter { !lowering.values[$0.outputs[0]].isPrepared }
    releases = Self.releases(prologue, before: steps, memory, outputs: outputs.map(\.value))
  }

  private static func releases(
    _ prologue: [Step], before steps: [Step], _ memory: MemoryPlan, outputs: [Int]
  ) -> [[Int]] {
    func parameters(_ values: [Int]) -> Set<Int> {
      Set(values.compactMap { if case .parameter(let slot) = memory.places[$0] { slot } else { nil } })
    }
    var kept = parameters(steps.flatMap(\.inputs) + steps.flatMap(\.outputs) + outputs)
    var releases: [[Int]] = []
    for step in prologue.reversed() {
      let last = parameters(step.inputs).subtracting(kept)
      releases.append(last.sorted())
      kept.formUnion(last)
    }
    return releases.reversed()
  }

  /// The names of the inputs, in order.
  public var inputNames: [String] {
    graph.inputs.compactMap { if case .input(let name) = graph[$0].source { name } else { nil } }
  }

  /// The paths of the parameters, in order.
  public var parameterPaths: [String] {
    graph.parameters.compactMap { if case .parameter(let path) = graph[$0].source { path } else { nil } }
  }

  /// The type of an input by name.
  public func inputType(_ name: String) -> TensorType? {
    zip(inputNames, graph.inputs).first { $0.0 == name }.map { graph[$0.1].type }
  }
}

/// A kernel call of an observed run.
package struct ObservedStep {
  /// The graph node that it worked for.
  package var node: String
  package var operation: Operation
  package var kernel: String
  /// The node's, if this kernel did its work; bytes alone for packing, layout changes and the like.
  package var cost: Cost
  fileprivate var output: OutputSpan
  fileprivate var start: UnsafePointer<Float>

  /// Whether the first output holds numbers only.
  package var isFinite: Bool {
    (0..<output.rows).allSatisfy { row in
      UnsafeBufferPointer(start: start + row * output.pixel, count: output.width).allSatisfy(\.isFinite)
    }
  }
}

/// Where the elements of a buffer lie: `rows` times `width` of them, `pixel` floats apart.
private struct OutputSpan {
  var rows: Int
  var width: Int
  var pixel: Int

  init(_ value: LoweredValue, base: LoweredValue) {
    let count = value.type.dtype == .float32 ? value.type.shape.elementCount : 0
    (rows, width, pixel) = (1, count, count)
    if value.sliceOffset == nil { return }
    (width, pixel) = (value.type.shape[1], base.type.shape[1])
    rows = count / max(1, width)
  }
}

/// Called after each kernel of an observed run; returns whether to go on.
package typealias StepObserver = (ObservedStep) -> Bool

/// The memory of one run: the arena, and where every buffer lies.
///
/// One run at a time uses it: runs take it from a pool or own it.
final class Workspace: Sendable {
  let arena: Storage
  nonisolated(unsafe) let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer>
  let count: Int

  init(_ plan: Plan) {
    arena = Storage(byteCount: plan.arenaByteCount)
    count = plan.memory.places.count
    pointers = .allocate(capacity: max(1, count))
    pointers.initialize(repeating: arena.pointer, count: count)
  }

  deinit { pointers.deallocate() }

  /// Points every buffer to its place.
  ///
  /// - Parameters:
  ///   - parameters: `nil` where nothing reads them any more.
  ///   - preparation: while the plan prepares.
  func bind(
    _ plan: Plan, inputs: [Tensor], parameters: [Storage?], prepared: Storage, preparation: Storage? = nil,
    outputs: [Storage?]
  ) {
    for (index, place) in plan.memory.places.enumerated() {
      let start =
        switch place {
        case .input(let slot): inputs[slot].storage!.pointer
        case .parameter(let slot): parameters[slot]?.pointer ?? arena.pointer
        case .constant(let slot): plan.constants[slot].storage!.pointer
        case .output(let slot): outputs[slot]!.pointer
        case .prepared(let offset): prepared.pointer + offset
        case .preparation(let offset): (preparation ?? arena).pointer + offset
        case .arena(let offset): arena.pointer + offset
        }
      pointers[index] = start + plan.memory.offsets[index]
    }
  }
}

extension Plan {
  /// Checks that tensors are what the plan was compiled for.
  func check(_ tensors: [Tensor], against ids: [Graph.ValueID], kind: String) throws(ExecutionError) {
    guard tensors.count == ids.count else {
      throw ExecutionError(description: "the plan takes \(ids.count) \(kind)s, got \(tensors.count)")
    }
    for (tensor, id) in zip(tensors, ids) {
      let expected = graph[id].type
      guard TensorType(tensor.shape, tensor.dtype) == expected else {
        throw ExecutionError(
          description: "the plan was compiled for \(kind) \(expected), got \(TensorType(tensor.shape, tensor.dtype))")
      }
      guard tensor.isConcrete else {
        throw ExecutionError(description: "a symbolic tensor was given as \(kind) of a plan; it has no numbers")
      }
    }
  }

  /// New memory for the outputs that do not overwrite a parameter.
  func makeOutputs() -> [Storage?] {
    zip(outputs, graph.outputs).map { output, named in
      guard output.parameter == nil else { return nil }
      let type = graph[named.value].type
      return Storage(byteCount: type.shape.elementCount * type.dtype.byteCount)
    }
  }

  /// Computes ahead what does not change between runs: packed weights, folded norms, constants.
  ///
  /// - Parameter parameters: those that no run reads become `nil` as soon as they have been used. Where nobody else
  ///   holds them, weights and their packed form so never lie in memory together, all of them.
  func prepare(_ parameters: inout [Storage?], in workspace: Workspace) throws(ExecutionError) -> Storage {
    let prepared = Storage(byteCount: preparedByteCount)
    if prologue.isEmpty { return prepared }
    // The prologue reads neither inputs nor outputs; empty tensors stand in for them.
    let nothing = Tensor([Float]())
    let preparation = Storage(byteCount: memory.preparationByteCount)
    workspace.bind(
      self, inputs: graph.inputs.map { _ in nothing }, parameters: parameters, prepared: prepared,
      preparation: preparation, outputs: outputs.map { _ in nothing.storage })
    for (step, released) in zip(prologue, releases) {
      try execute([step], in: workspace)
      for slot in released {
        if isKnownUniquelyReferenced(&parameters[slot]) { parameters[slot]?.discard() }
        parameters[slot] = nil
      }
    }
    withExtendedLifetime(preparation) {}
    return prepared
  }

  func execute(_ steps: [Step], in workspace: Workspace, observer: StepObserver? = nil) throws(ExecutionError) {
    let pool = ThreadPool.shared
    for step in steps {
      try step.body(Invocation(step: step, pointers: workspace.pointers, pool: pool))
      if let observer {
        let result = step.outputs[0]
        let observed = ObservedStep(
          node: step.name, operation: step.operation, kernel: step.kernel, cost: step.cost, output: spans[result],
          start: UnsafePointer(workspace.pointers[result].assumingMemoryBound(to: Float.self)))
        if !observer(observed) { return }
      }
    }
  }

  /// Copies outputs that no kernel wrote in place, and wraps all of them.
  func collect(_ storages: [Storage?], from workspace: Workspace, parameters: [Storage] = []) -> [Tensor?] {
    zip(graph.outputs, outputs).enumerated().map { slot, pair in
      let (named, output) = pair
      let type = graph[named.value].type
      let byteCount = type.shape.elementCount * type.dtype.byteCount
      let source = workspace.pointers[output.value]
      let target = storages[slot]?.pointer ?? parameters[output.parameter!].pointer
      if source != target { target.copyMemory(from: source, byteCount: byteCount) }
      return storages[slot].map { Tensor(shape: type.shape, dtype: type.dtype, storage: $0) }
    }
  }
}

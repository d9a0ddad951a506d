import Graph
import Kernels

/// One kernel call of a plan.
struct Step: Sendable {
  /// The graph node that it works for.
  var name: String
  var operation: Operation
  /// The kernel, as a profile prints it.
  var kernel: String
  var cost: Cost
  var inputs: [Int]
  var outputs: [Int]
  /// Scratch memory that lives during this step only.
  var workspace: Int?
  /// The input whose memory the first output may take over, if nothing reads it later.
  var inPlaceInput: Int?
  /// How the first output can be made again, if that is cheap.
  var recomputation: Recomputation?
  var body: @Sendable (borrowing Invocation) throws(ExecutionError) -> Void
}

/// What a kernel call gets: its pointers and the pool.
struct Invocation: ~Copyable {
  let step: Step
  let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer>
  let pool: ThreadPool

  func input(_ position: Int) -> UnsafePointer<Float> { UnsafePointer(pointer(step.inputs[position], Float.self)) }
  func input<T>(_ position: Int, as type: T.Type) -> UnsafePointer<T> {
    UnsafePointer(pointer(step.inputs[position], T.self))
  }
  func output(_ position: Int = 0) -> UnsafeMutablePointer<Float> { pointer(step.outputs[position], Float.self) }
  func output<T>(_ position: Int, as type: T.Type) -> UnsafeMutablePointer<T> {
    pointer(step.outputs[position], T.self)
  }

  /// Scratch memory; only for steps that asked for it.
  var workspace: UnsafeMutableRawPointer { step.workspace.map { pointers[$0] } ?? pointers[step.outputs[0]] }

  private func pointer<T>(_ value: Int, _ type: T.Type) -> UnsafeMutablePointer<T> {
    pointers[value].assumingMemoryBound(to: T.self)
  }
}

/// Something that stops the execution of a valid plan: data that no operation can accept.
public struct ExecutionError: Error, CustomStringConvertible {
  public var description: String
}

/// A buffer of a lowered program.
struct LoweredValue: Sendable {
  enum Origin: Hashable, Sendable {
    case input(Int)
    case parameter(Int)
    case constant(Int)
    /// Written by a step.
    case computed
  }

  var type: TensorType
  var byteCount: Int
  var origin: Origin
  /// The value whose memory this one is (a reshape, or a slice of channels); itself if its own.
  var base: Int
  /// Of a slice: where it begins in its base.
  var sliceOffset: Int?
  /// Whether it depends on parameters and constants alone, so that it can be computed ahead.
  var isPrepared: Bool
}

/// Turns a graph into kernel calls on buffers in chosen layouts.
struct Lowering {
  let graph: Graph
  /// Where parameters keep their values between runs (inference), what depends on them alone, such as packed weights,
  /// is computed once.
  let options: Plan.Options
  private(set) var values: [LoweredValue] = []
  var steps: [Step] = []
  /// Which taps won in a pooling node, for its gradient; by the pooled buffer and the attributes.
  var poolTaps: [PoolKey: Int] = [:]
  /// The bits of masks that stand for values in the gradients of pooling.
  var maskBits: [Graph.ValueID: Int] = [:]
  /// Of a value that is never joined (``Graph/joinsForNorms()``) its pieces.
  var pieces: [Graph.ValueID: [Graph.ValueID]] = [:]
  let joinsForNorms: [Bool]
  /// Of values that are written where a concatenation wants them: where.
  let joints: [Graph.ValueID: Joint]
  /// The buffers of such concatenations.
  var jointBuffers: [Graph.ValueID: Int] = [:]
  /// The values of which a batch norm takes statistics.
  let valuesWithStatistics: Set<Graph.ValueID>
  /// Of those whose kernels take them already: these.
  var moments: [Graph.ValueID: MomentsBuffer] = [:]
  /// Updates of parameters that run as one kernel.
  var updates: [PendingUpdate] = []
  /// Values that are slices of wider buffers.
  var slices: [Graph.ValueID: ChannelSlice] = [:]
  /// Batch norms that the convolution which computes this value applies to what it reads.
  var normsOfReaders: [Graph.ValueID: Graph.Node] = [:]
  /// Of a 1x1 convolution's output: the convolutions before it that run together with it.
  var separables: [Graph.ValueID: SeparableNodes] = [:]
  private var lowered: [[Layout: Int]]
  private var packed: [PackKey: Int] = [:]
  private var node: Graph.Node?

  struct PoolKey: Hashable {
    var value: Int
    var attributes: PoolAttributes
  }

  private struct PackKey: Hashable {
    var value: Int
    var shape: Shape
    var kernel: String
    var geometry: String
  }

  init(_ graph: Graph, _ options: Plan.Options) throws(ShapeError) {
    self.graph = graph
    self.options = options
    lowered = .init(repeating: [:], count: graph.values.count)
    joinsForNorms = graph.joinsForNorms()
    joints = graph.joints(exceptFor: joinsForNorms)
    valuesWithStatistics = graph.valuesWithStatistics()
    if options.fuses { separables = separableConvolutions() }
    for (index, id) in graph.inputs.enumerated() { define(id, .input(index)) }
    for (index, id) in graph.parameters.enumerated() { define(id, .parameter(index)) }
    for (index, id) in graph.constants.enumerated() { define(id, .constant(index)) }
    let runLater = Set(separables.values.flatMap(\.nodes).map(\.outputs[0]))
    for node in graph.nodes where !runLater.contains(node.outputs[0]) {
      self.node = node
      if !node.operation.isUpdate { emitUpdates() }
      try node.operation.lower(node, in: &self)
    }
    emitUpdates()
  }

  private mutating func define(_ id: Graph.ValueID, _ origin: LoweredValue.Origin) {
    let type = graph[id].type
    let isPrepared =
      switch origin {
      case .constant: true
      case .parameter: options.parametersAreConstant
      default: false
      }
    let value = addValue(
      type, byteCount: type.shape.elementCount * type.dtype.byteCount, origin, isPrepared: isPrepared)
    set(id, value, .rowMajor)
  }

  private mutating func addValue(_ type: TensorType, byteCount: Int, _ origin: LoweredValue.Origin, isPrepared: Bool)
    -> Int
  {
    values.append(
      LoweredValue(type: type, byteCount: byteCount, origin: origin, base: values.count, isPrepared: isPrepared))
    return values.count - 1
  }

  /// A slice of the channels of a channels-last buffer, which may be a slice itself.
  mutating func slice(of whole: Int, _ type: TensorType, channel: Int) -> Int {
    let slice = temporary(type)
    values[slice].base = values[whole].base
    values[slice].sliceOffset = (values[whole].sliceOffset ?? 0) + channel * type.dtype.byteCount
    return slice
  }

  // MARK: Values in layouts

  func type(_ id: Graph.ValueID) -> TensorType { graph[id].type }
  func shape(_ id: Graph.ValueID) -> Shape { graph.shape(of: id) }

  /// Whether the value already lies in memory in that layout.
  func has(_ id: Graph.ValueID, _ layout: Layout) -> Bool { lowered[id.index][layout] != nil }

  /// The layout for an operation that can work in any: channels last, as convolutions want it, if one of its largest
  /// inputs has it.
  func commonLayout(_ ids: [Graph.ValueID]) -> Layout {
    let most = ids.map { shape($0).elementCount }.max() ?? 0
    let isChannelsLast = ids.contains { id in
      shape(id).elementCount == most && (has(id, .channelsLast) || slices[id] != nil)
    }
    return isChannelsLast ? .channelsLast : .rowMajor
  }

  /// The buffer of a value in a layout, converted if it does not exist yet.
  mutating func value(_ id: Graph.ValueID, _ layout: Layout) -> Int {
    if let value = lowered[id.index][layout] { return value }
    if let slice = slices[id], !has(id, .rowMajor), !has(id, .channelsLast) { copySlice(slice, of: id) }
    if let value = lowered[id.index][layout] { return value }
    let other: Layout = layout == .rowMajor ? .channelsLast : .rowMajor
    guard let source = lowered[id.index][other] else { fail("a plan read a value before it was computed") }
    let shape = shape(id)
    let (batch, channels) = (shape[0], shape[1])
    let points = shape.spatial.reduce(1, *)
    let toChannelsLast = layout == .channelsLast
    let converted = temporary(graph[id].type)
    let body = { @Sendable (call: borrowing Invocation) in
      let (rows, columns) = toChannelsLast ? (channels, points) : (points, channels)
      CopyKernel.transpose(
        call.input(0), call.output(), batch: batch, rows: rows, columns: columns, pool: call.pool)
    }
    emit(
      "convert_layout", inputs: [source], outputs: [converted],
      recomputation: Recomputation(kernel: "convert_layout_again", inputs: [source], body: body), body)
    set(id, converted, layout)
    return converted
  }

  mutating func set(_ id: Graph.ValueID, _ value: Int, _ layout: Layout) {
    lowered[id.index][layout] = value
    if Layout.coincide(shape(id)) { lowered[id.index] = [.rowMajor: value, .channelsLast: value] }
  }

  // MARK: Emitting

  /// A new buffer for a value that a kernel will write.
  mutating func temporary(_ type: TensorType) -> Int {
    addValue(type, byteCount: type.shape.elementCount * type.dtype.byteCount, .computed, isPrepared: false)
  }

  /// A buffer for an output of the current node, in the given layout.
  mutating func output(_ id: Graph.ValueID, _ layout: Layout) -> Int {
    let value = temporary(type(id))
    set(id, value, layout)
    return value
  }

  /// Makes an output of the current node another view of an existing buffer.
  mutating func alias(_ id: Graph.ValueID, of value: Int, _ layout: Layout = .rowMajor) {
    let source = values[value]
    let view = addValue(type(id), byteCount: source.byteCount, source.origin, isPrepared: source.isPrepared)
    values[view].base = source.base
    set(id, view, layout)
  }

  /// - Parameters:
  ///   - joined: the nodes for which the kernel works, if it is not the current one alone.
  ///   - others: nodes whose work it does on the way to that of the current one.
  ///   - writesParts: whether the outputs are parts of the node's result, and that does not exist.
  mutating func emit(
    _ kernel: String, of joined: [Graph.Node]? = nil, and others: [Graph.Node] = [], writesParts: Bool = false,
    inputs: [Int], outputs: [Int], workspaceBytes: Int = 0, inPlaceInput: Int? = nil,
    recomputation: Recomputation? = nil,
    _ body: @escaping @Sendable (borrowing Invocation) throws(ExecutionError) -> Void
  ) {
    guard let node else { fail("a kernel was emitted outside a node") }
    // Slices share their buffer with what is computed in each run.
    let isPrepared =
      (inputs.allSatisfy { values[$0].isPrepared }) && outputs.allSatisfy { values[$0].sliceOffset == nil }
    for output in outputs { values[output].isPrepared = isPrepared }
    let workspace = workspaceBytes == 0 ? nil : workspace(workspaceBytes, isPrepared: isPrepared)
    // A node's work is that of the kernel that writes its result.
    var cost = Cost()
    for node in joined ?? [node] {
      let isResult =
        writesParts
        || node.outputs.contains { id in
          lowered[id.index].values.contains { outputs.contains($0) } || slices[id]?.value == outputs[0]
        }
      if isResult { cost = cost + self.cost(node) }
    }
    for node in others { cost = cost + self.cost(node) }
    cost.bytes = Set(inputs + outputs).reduce(0) { $0 + values[$1].byteCount }
    steps.append(
      Step(
        name: joined.map { "\($0.count) parameters" } ?? node.name, operation: node.operation, kernel: kernel,
        cost: cost, inputs: inputs, outputs: outputs,
        workspace: workspace, inPlaceInput: inPlaceInput, recomputation: recomputation, body: body))
  }

  private func cost(_ node: Graph.Node) -> Cost {
    node.operation.cost(inputs: node.inputs.map(type), outputs: node.outputs.map(type))
  }

  /// Scratch memory for one step.
  mutating func workspace(_ byteCount: Int, isPrepared: Bool = false) -> Int {
    addValue(TensorType([byteCount], .uint8), byteCount: byteCount, .computed, isPrepared: isPrepared)
  }

  /// A derived form of a buffer, such as packed weights, made once for all nodes that want the same.
  ///
  /// - Parameter geometry: what the form depends on, besides the buffer and the kernel that makes it.
  mutating func derived(
    _ value: Int, kernel: String, geometry: String = "", elementCount: Int,
    _ body: @escaping @Sendable (borrowing Invocation) throws(ExecutionError) -> Void
  ) -> Int {
    let key = PackKey(value: values[value].base, shape: values[value].type.shape, kernel: kernel, geometry: geometry)
    if let known = packed[key] { return known }
    let result = temporary(TensorType([elementCount]))
    emit(kernel, inputs: [value], outputs: [result], body)
    packed[key] = result
    return result
  }
}

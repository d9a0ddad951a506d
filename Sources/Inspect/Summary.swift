public import Layers

/// What a model consists of and costs: one row for each operation of its graph, and totals.
public struct Summary: Sendable {
  /// One operation.
  public struct Row: Sendable {
    /// The node's name: the path of its parameters, `layer1.0.conv1`, or a name in the scope around it.
    public var path: String
    /// `conv2d`, `batch_norm`, `relu`, ...
    public var operation: String
    /// Of one example: `[64, 112, 112]`.
    public var output: Shape
    /// Trained numbers; those that an earlier row shares are counted there.
    public var parameters: Int
    public var multiplyAccumulates: Int
    /// The region of the input that one output element depends on; `nil` where nothing of the input reaches.
    public var receptiveField: ReceptiveField?
  }

  public var name: String
  /// Of one example: `[3, 224, 224]`.
  public var input: Shape
  /// Of one example.
  public var output: Shape
  public var rows: [Row]
  /// Trained numbers, each once.
  public var parameters: Int
  /// For one example: multiply-accumulates of convolutions and matrix products.
  public var multiplyAccumulates: Int
  /// Bytes of all tensors of the model in float32, running statistics included.
  public var parameterByteCount: Int
  /// Bytes that the compiled plan needs for the intermediates of one example.
  public var activationByteCount: Int

  /// Traces a model and adds up.
  ///
  /// - Parameters:
  ///   - input: the input with its batch axis, as for `trace`: `[1, 3, 224, 224]`. The batch's extent does not matter:
  ///     a summary is about one example.
  ///   - name: the title.
  /// - Throws: `ShapeError` with the path of the layer where shapes stop fitting.
  public init<Model: Layer>(of model: Model, input: Shape, name: String) throws {
    var single = input
    if single.rank > 0 { single[0] = 1 }
    let traced = try trace(model, input: single)
    let graph = traced.graph
    let tensors = model.parameters
    let trained = Set(tensors.lazy.filter(\.kind.isTrained).map(\.path))
    let fields = graph.receptiveFields()

    var counted: Set<Graph.ValueID> = []
    rows = graph.nodes.map { node in
      var parameters = 0
      for input in node.inputs {
        guard case .parameter(let path) = graph[input].source, trained.contains(path) else { continue }
        if counted.insert(input).inserted { parameters += graph.shape(of: input).elementCount }
      }
      let cost = node.operation.cost(
        inputs: node.inputs.map { graph[$0].type }, outputs: node.outputs.map { graph[$0].type })
      return Row(
        path: node.name, operation: Self.label(node, in: graph), output: graph.shape(of: node.outputs[0]).ofOneExample,
        parameters: parameters, multiplyAccumulates: cost.multiplyAccumulates,
        receptiveField: fields[node.outputs[0].index])
    }
    self.name = name
    self.input = single.ofOneExample
    output = graph.shape(of: graph.outputs[0].value).ofOneExample
    parameters = model.parameterCount
    multiplyAccumulates = rows.reduce(0) { $0 + $1.multiplyAccumulates }
    parameterByteCount = tensors.reduce(0) { $0 + $1.tensor.elementCount * $1.tensor.dtype.byteCount }
    activationByteCount = try Plan(graph, constants: traced.constants).arenaByteCount
  }

  /// The operation's name; a mean over all positions by the name that people know.
  private static func label(_ node: Graph.Node, in graph: Graph) -> String {
    if case .reduce(.mean, let axes, _) = node.operation {
      let rank = graph.shape(of: node.inputs[0]).rank
      if rank > 2 && axes == Array(2..<rank) { return "global_avg_pool" }
    }
    return node.operation.name
  }
}

extension Shape {
  fileprivate var ofOneExample: Shape { Shape(Array(dimensions.dropFirst())) }
}

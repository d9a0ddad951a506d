import Formats
public import Layers

/// A network read from an ONNX file (operator sets 7 and newer; of older ones what has kept its
/// meaning): a module like any other, whose parameters are found
/// by the names that the file gives them.
///
/// Calling it walks the file's nodes and says each one in operations of the graph, so it runs eagerly, can be traced
/// for any input shape that fits, compiled, summarised, trained and saved. ``ONNXSession`` runs it many times.
public struct ONNXModel: Layer {
  /// What the file declares about an input or output.
  public struct Value: Sendable {
    public let name: String
    /// `nil` for what is no tensor that can be held: a sequence, text.
    public let dtype: DType?
    /// Each extent `nil` where it may vary; `nil` if nothing is said.
    public let dimensions: [Int?]?

    init(name: String, dtype: DType?, dimensions: [Int?]?) {
      (self.name, self.dtype, self.dimensions) = (name, dtype, dimensions)
    }
    init(_ value: ONNXFile.Value) { self.init(name: value.name, dtype: value.dtype, dimensions: value.dimensions) }
  }

  struct Parameter {
    var name: String
    var kind: ParameterKind
    var tensor: Tensor
  }

  public let path: String
  public let inputs: [Value]
  public internal(set) var outputs: [Value]

  let nodes: [ONNXFile.Node]
  let version: Int64
  /// Tensors that are no parameters: shapes, limits, and what was computed from such when the file was read.
  var constants: [String: Tensor]
  /// Each name once.
  var weights: [Parameter]

  /// Reads a model: an ONNX file, or a `.safetensors` file that ``write(to:metadata:)`` or a training run wrote.
  /// - Throws: `FormatError` if the file cannot be read; ``ONNXError`` with all operators that are not supported.
  public init(contentsOf path: String) throws {
    if path.hasSuffix(".safetensors") {
      let (tensors, metadata) = try Safetensors.read(path)
      try self.init(tensors: tensors, metadata: metadata, path: path)
      return
    }
    let file = try ONNXFile(path)
    let version = file.operatorSets[""] ?? 1
    let nodes = file.nodes.filter { $0.operation != "Constant" || !$0.domain.isEmpty }
    try Self.checkOperators(nodes, path: path)
    let content = try ONNXContent(file, version: version)
    self.init(
      path: path, inputs: file.inputs.filter { file.initializers[$0.name] == nil }.map(Value.init),
      outputs: file.outputs.map(Value.init), nodes: content.nodes, version: version, constants: content.constants,
      weights: content.weights)
  }

  init(
    path: String, inputs: [Value], outputs: [Value], nodes: [ONNXFile.Node], version: Int64,
    constants: [String: Tensor], weights: [Parameter]
  ) {
    (self.path, self.inputs, self.outputs) = (path, inputs, outputs)
    let others = inputs.map(\.name) + weights.map(\.name)
    self.nodes = ONNXComposites(nodes, constants, others: others).recognized(outputs: outputs.map(\.name))
    (self.version, self.constants, self.weights) = (version, constants, weights)
  }

  static func checkOperators(_ nodes: [ONNXFile.Node], path: String) throws(ONNXError) {
    var unknown: [String: Int] = [:]
    for node in nodes {
      if ONNXOperators.named(by: node) == nil {
        unknown[node.domain.isEmpty ? node.operation : "\(node.domain).\(node.operation)", default: 0] += 1
      }
    }
    if !unknown.isEmpty { throw .unsupportedOperators(path: path, counts: unknown) }
  }

  public mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws {
    for index in weights.indices {
      let name = weights[index].name
      try visit(path.isEmpty ? name : "\(path).\(name)", weights[index].kind, &weights[index].tensor)
    }
  }

  // MARK: Running

  /// Runs the model on its inputs in order; returns its outputs in order.
  /// - Throws: ``ONNXError`` if an input does not fit, or a node uses its operator in an unsupported way.
  public func run(_ tensors: [Tensor]) throws -> [Tensor] {
    try check(tensors.map { TensorType($0.shape, $0.dtype) })
    var values = constants
    for weight in weights { values[weight.name] = weight.tensor }
    for (input, tensor) in zip(inputs, tensors) { values[input.name] = tensor }
    return try ONNXInterpreter(nodes, version: version).run(values, outputs: outputs.map(\.name))
  }

  /// The one output of a model of one input. A mistake stops the program, or is reported by the trace.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    do {
      guard let y = try run([x]).first else { throw ONNXError.inputs(reason: "\(path): the model has no output") }
      return y
    } catch {
      guard let tracer = Tracer.current else { fail("\(error)") }
      tracer.report(ShapeError(message: "\(error)"))
      return x
    }
  }

  /// Whether tensors of these types are what the model declares.
  public func check(_ types: [TensorType]) throws(ONNXError) {
    guard types.count == inputs.count else {
      throw .inputs(reason: "\(path): the model has \(inputs.count) inputs, but got \(types.count)")
    }
    for (input, type) in zip(inputs, types) {
      guard let dtype = input.dtype else {
        throw .unsupported(node: "input \(quoted(input.name))", reason: "values of its type")
      }
      let fits =
        input.dimensions.map { expected in
          expected.count == type.shape.rank
            && zip(expected, type.shape.dimensions).allSatisfy { $0 == nil || $0 == $1 }
        } ?? true
      guard fits, dtype == type.dtype else {
        let extents =
          input.dimensions.map { $0.map { $0.map(String.init) ?? "?" }.joined(separator: "x") } ?? "any shape"
        throw .inputs(
          reason: "\(path): input \(quoted(input.name)) is \(extents) \(dtype), but got \(type.shape) \(type.dtype)")
      }
    }
  }

  /// Traces the model for inputs of the given shapes, in order.
  ///
  /// - Parameter known: inputs whose numbers are the same in every run, by name, such as a shape to reshape to: they
  ///   become constants.
  /// - Throws: ``ONNXError``, with near sizes that fit if the input is one image.
  public func trace(inputs shapes: [Shape], known: [String: Tensor] = [:]) throws -> TracedModel {
    do {
      return try traced(shapes, known: known)
    } catch let error as ONNXError {
      guard case .invalid = error, shapes.count == 1, inputs.count == 1 else { throw error }
      let advice = ShapeError(message: "\(error)").advising(for: shapes[0]) { (try? traced([$0], known: known)) != nil }
      throw ONNXError.inputs(reason: "\(path): \(advice.message)")
    }
  }

  private func traced(_ shapes: [Shape], known: [String: Tensor]) throws -> TracedModel {
    let tracer = Tracer(isTraining: false)
    let symbols = zip(inputs, shapes).map { input, shape in
      known[input.name] ?? tracer.input(input.name, TensorType(shape, input.dtype ?? .float32))
    }
    let symbolic = try mapParameters { path, _, tensor in tracer.parameter(path, tensor, isTracked: false) }
    let results = try Tracer.$current.withValue(tracer) { try symbolic.run(symbols) }
    let trace = try tracer.finish(outputs: Array(zip(outputs.map(\.name), results)))
    return TracedModel(graph: trace.graph, constants: trace.constants)
  }

  /// Compiles the model for inputs of the given shapes, in order.
  ///
  /// Where this is the model's last use, or it is given up (`(consume model).compile(...)`), its weights are freed one by
  /// one as they are packed: the least memory for a server that takes inputs of one shape.
  public consuming func compile(
    inputs shapes: [Shape], known: [String: Tensor] = [:], options: Plan.Options = .init()
  ) throws -> LoadedPlan {
    let traced = try trace(inputs: shapes, known: known)
    let plan = try Plan(traced.graph, constants: traced.constants, options: options)
    let parameters = parameters(of: plan)
    _ = consume self
    return try LoadedPlan(plan, parameters: consume parameters)
  }

  /// The tensors that a plan of the model takes, in order.
  private func parameters(of plan: Plan) -> [Tensor] {
    let tensors = Dictionary(weights.map { ($0.name, $0.tensor) }) { first, _ in first }
    return plan.parameterPaths.compactMap { tensors[$0] }
  }
}

/// A model traced for one input type: its graph, and the numbers the trace captured.
public struct TracedModel: Sendable {
  public package(set) var graph: Graph
  public let constants: [Tensor]

  package init(graph: Graph, constants: [Tensor]) {
    self.graph = graph
    self.constants = constants
  }
}

/// Traces a layer in inference mode: the graph that summaries, plans and exports read.
///
/// - Parameter input: the input with its batch axis, `[1, 3, 224, 224]`.
/// - Throws: `ShapeError` with the path of the layer where shapes stop fitting, and near input sizes that fit.
public func trace<Model: Layer>(_ model: Model, input: Shape, dtype: DType = .float32) throws -> TracedModel {
  func traced(_ input: Shape) throws -> TracedModel {
    let tracer = Tracer(isTraining: false)
    let x = tracer.input("input", TensorType(input, dtype))
    let symbolic = try model.mapParameters { path, _, tensor in tracer.parameter(path, tensor, isTracked: false) }
    let output = Tracer.$current.withValue(tracer) { symbolic(x) }
    let trace = try tracer.finish(outputs: [("output", output)])
    return TracedModel(graph: trace.graph, constants: trace.constants)
  }
  do {
    return try traced(input)
  } catch let error as ShapeError {
    throw error.advising(for: input) { (try? traced($0)) != nil }
  }
}

/// Compiles a layer for inference on inputs of one shape.
///
/// - Parameter model: where it is given up (`consume model`), its weights are freed one by one as they are packed.
public func compile<Model: Layer>(
  _ model: consuming Model, input: Shape, options: Plan.Options = .init()
) throws -> LoadedPlan {
  let traced = try trace(model, input: input)
  return try load(traced, with: consume model, options: options)
}

/// Compiles the part of a layer that computes intermediates by name, for inference on inputs of one shape: its results
/// are the outputs of these layers, in the given order.
///
/// - Parameters:
///   - model: where it is given up (`consume model`), its weights are freed one by one as they are packed.
///   - outputs: paths of layers or names of nodes, as `Graph.value(named:)` takes them.
/// - Throws: `UnknownNameError` with the nearest names; `ShapeError`.
public func compile<Model: Layer>(
  _ model: consuming Model, input: Shape, outputs: [String], options: Plan.Options = .init()
) throws -> LoadedPlan {
  var traced = try trace(model, input: input)
  traced.graph.outputs = try outputs.map { Graph.Output(name: $0, value: try traced.graph.value(named: $0)) }
  return try load(traced, with: consume model, options: options)
}

/// Compiles the part of a classifier that computes the features in front of its head: one output, what the last
/// convolution or linear layer reads.
///
/// - Parameter model: where it is given up (`consume model`), its weights are freed one by one as they are packed.
public func compileFeatures<Model: Layer>(
  _ model: consuming Model, input: Shape, options: Plan.Options = .init()
) throws -> LoadedPlan {
  var traced = try trace(model, input: input)
  guard let features = traced.graph.headInput else {
    throw ShapeError(message: "the model has no convolution and no linear layer, so it has no head to stop before")
  }
  traced.graph.outputs = [Graph.Output(name: "features", value: features)]
  return try load(traced, with: consume model, options: options)
}

private func load<Model: Layer>(
  _ traced: TracedModel, with model: consuming Model, options: Plan.Options
) throws -> LoadedPlan {
  let plan = try Plan(traced.graph, constants: traced.constants, options: options)
  let parameters = plan.parameters(of: model)
  _ = consume model
  return try LoadedPlan(plan, parameters: consume parameters)
}

extension Plan {
  /// The tensors that a plan of a model takes, in order.
  fileprivate func parameters(of model: some Layer) -> [Tensor] {
    let tensors = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor) })
    return parameterPaths.map { tensors[$0]! }
  }
}

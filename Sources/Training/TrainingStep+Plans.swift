import Graph
import Runtime

/// The plans of a training step.
extension TrainingStep {
  private struct Trained {
    var path: String
    var kind: ParameterKind
    var value: Graph.ValueID
  }

  /// Forward and backward, and then the update, or where the batch is only part of a step, the sum of gradients.
  func compile(input: TensorType, target: TensorType, isPart: Bool) throws -> Plan {
    let (forward, constants) = try traceLoss(input: input, target: target)
    let loss = forward.outputs[0].value
    var values: [String: Graph.ValueID] = [:]
    for id in forward.parameters { if case .parameter(let path) = forward[id].source { values[path] = id } }
    let trained = structure.parameters.compactMap { parameter in
      parameter.kind.isTrained && rateFactors[parameter.path] != 0
        ? values[parameter.path].map { Trained(path: parameter.path, kind: parameter.kind, value: $0) } : nil
    }
    var writer = UpdateWriter(GraphBuilder(forward))
    let gradients = forward.gradients(
      of: loss, withRespectTo: trained.map(\.value), in: &writer.builder, resolve: { $0 })
    let updated = zip(trained, gradients).compactMap { parameter, gradient in gradient.map { (parameter, $0) } }
    gradientPaths = Set(updated.map(\.0.path))
    writer.outputs = [Graph.Output(name: "loss", value: loss)]
    if isPart {
      let norm = writer.builder.apply(.clipFactor(maximumNorm: nil), [loss] + updated.map(\.1))[1]
      writer.outputs.append(Graph.Output(name: "norm", value: norm))
      let weight = writer.builder.graph.addInput(Self.weightName, TensorType([1]))
      for (parameter, gradient) in updated {
        let path = Self.path(Self.sum, parameter.path)
        let sum = writer.builder.graph.addParameter(path, writer.builder.type(of: parameter.value))
        let weighted = writer.builder(.binary(.multiply), gradient, weight)
        writer.replace(path, by: writer.builder(.binary(.add), sum, weighted))
      }
    } else {
      addUpdate(of: updated, loss: loss, to: &writer)
    }
    for statistic in forward.outputs.dropFirst() { writer.replace(statistic.name, by: statistic.value) }
    return try plan(writer, constants: constants)
  }

  /// The update along the mean of what was added up.
  func compileUpdate() throws -> Plan {
    var writer = UpdateWriter(GraphBuilder(Graph()))
    let weight = writer.builder.graph.addInput(Self.weightName, TensorType([1]))
    var updated: [(Trained, Graph.ValueID)] = []
    for parameter in structure.parameters where gradientPaths.contains(parameter.path) {
      let type = TensorType(parameter.tensor.shape)
      let value = writer.builder.graph.addParameter(parameter.path, type)
      let sum = writer.builder.graph.addParameter(Self.path(Self.sum, parameter.path), type)
      let mean = writer.builder(.binary(.multiply), sum, weight)
      updated.append((Trained(path: parameter.path, kind: parameter.kind, value: value), mean))
    }
    // The losses were found finite one by one.
    addUpdate(of: updated, loss: weight, to: &writer)
    return try plan(writer, constants: [])
  }

  /// What turns gradients into new parameters, optimizer's tensors and averages.
  private func addUpdate(of updated: [(Trained, Graph.ValueID)], loss: Graph.ValueID, to writer: inout UpdateWriter) {
    let rate = writer.builder.graph.addInput(Self.rateName, TensorType([2]))
    let clipping = writer.builder.apply(
      .clipFactor(maximumNorm: optimizer.settings.maximumGradientNorm), [loss] + updated.map(\.1))
    writer.outputs.append(Graph.Output(name: "norm", value: clipping[1]))
    let averaging = averagingDecay.map { _ in writer.builder.graph.addInput(Self.averagingName, TensorType([1])) }
    var replaced: [(path: String, value: Graph.ValueID)] = []
    for (parameter, gradient) in updated {
      let type = writer.builder.type(of: parameter.value)
      let paths = optimizer.slots.map { Self.path($0, parameter.path) }
      let slots = paths.map { writer.builder.graph.addParameter($0, type) }
      let update = optimizer.operation(for: parameter.kind, rateFactor: rateFactors[parameter.path] ?? 1)
      let results = writer.builder.apply(update, [parameter.value, gradient, clipping[0], rate] + slots)
      for (path, value) in zip([parameter.path] + paths, results) { writer.replace(path, by: value) }
      replaced.append((parameter.path, results[0]))
    }
    // Behind all updates, which then run as one kernel.
    guard let averaging else { return }
    for (path, value) in replaced {
      let path = Self.path(Self.average, path)
      let average = writer.builder.graph.addParameter(path, writer.builder.type(of: value))
      let difference = writer.builder(.binary(.subtract), value, average)
      let moved = writer.builder(.binary(.multiply), difference, averaging)
      writer.replace(path, by: writer.builder(.binary(.add), average, moved))
    }
  }

  private func plan(_ writer: UpdateWriter, constants: [Tensor]) throws -> Plan {
    var graph = writer.builder.graph
    graph.outputs = writer.outputs
    return try Plan(
      graph, constants: constants, updates: writer.updates,
      options: .init(parametersAreConstant: false, allowsWinograd: allowsWinograd))
  }

  /// The graph from a batch to its loss; further outputs are the new running statistics, by path.
  private func traceLoss(input: TensorType, target: TensorType) throws -> (graph: Graph, constants: [Tensor]) {
    let factors = rateFactors
    let isFrozen: @Sendable (String) -> Bool = { factors[$0] == 0 }
    let tracer = Tracer(isTraining: true, isFrozen: isFrozen)
    // A batch of features stands for a batch of inputs.
    let examples = prefix.map { TensorType(Shape([input.shape[0]] + $0.exampleShape.dimensions)) } ?? input
    let (x, t) = (tracer.input("input", examples), tracer.input("target", target))
    let symbolic = try structure.mapParameters { path, _, tensor in tracer.parameter(path, tensor, isTracked: false) }
    let lossTensor = try Tracer.$current.withValue(tracer) { try loss(symbolic, x, t) }
    let trace = try tracer.finish(outputs: [("loss", lossTensor)])
    guard lossTensor.elementCount == 1 else {
      throw ShapeError(message: "a loss must be one number, but its shape is \(lossTensor.shape)")
    }
    var graph = trace.graph
    for update in trace.updates {
      guard case .parameter(let path) = graph[update.parameter].source, !isFrozen(path) else { continue }
      graph.outputs.append(Graph.Output(name: path, value: update.value))
    }
    graph = graph.removingFrozenDropout(isFrozen: isFrozen)
    if let prefix { graph = try prefix.suffix(of: graph, isFrozen: isFrozen) }
    return (graph, trace.constants)
  }
}

/// A graph that becomes a plan which replaces tensors.
private struct UpdateWriter {
  var builder: GraphBuilder
  var outputs: [Graph.Output] = []
  /// The path that each output replaces, by the output's name.
  private(set) var updates: [String: String] = [:]

  init(_ builder: GraphBuilder) { self.builder = builder }

  mutating func replace(_ path: String, by value: Graph.ValueID) {
    outputs.append(Graph.Output(name: "new \(path)", value: value))
    updates["new \(path)"] = path
  }
}

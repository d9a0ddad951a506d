import Layers

/// A classifier's graph with the gradients of one score grown onto it, compiled as far as they are asked for.
///
/// The score of each example is the sum of its logits times its row of an input named `selection`, so one plan serves
/// every class, and examples of one batch do not disturb one another.
struct ExplanationPlans {
  /// What a plan computes beside the logits.
  enum Need: Hashable { case nothing, featureGradients, inputGradients }

  let input: Shape
  let classes: Int
  /// The layer that Grad-CAM reads, if there is one.
  let layer: (name: String, shape: Shape)?
  private let traced: TracedModel
  private let layerValue: Graph.ValueID?

  /// - Parameters:
  ///   - input: `[channels, height, width]`.
  ///   - layer: a node's name, instead of the last spatial feature maps.
  init(_ model: some Layer, input: Shape, layer: String?) throws {
    self.input = input
    traced = try trace(model, input: Shape([1] + input.dimensions))
    let graph = traced.graph
    let output = graph.shape(of: graph.outputs[0].value)
    guard output.rank == 2 else {
      throw InspectError("only classifiers can be explained, but this model gives outputs of \(output)")
    }
    classes = output[1]
    if let layer {
      let value = try graph.featureMaps(named: layer)
      (self.layer, layerValue) = ((layer, graph.shape(of: value)), value)
    } else if let (name, value) = graph.lastSpatialFeatures() {
      (self.layer, layerValue) = ((name, graph.shape(of: value)), value)
    } else {
      (self.layer, layerValue) = (nil, nil)
    }
  }

  /// The plan for batches of `count`; its inputs are `input` and `selection`, its outputs the logits and what is needed.
  func plan(_ model: some Layer, batch count: Int, _ need: Need) throws -> Plan {
    let traced = count == 1 ? self.traced : try trace(model, input: Shape([count] + input.dimensions))
    var builder = GraphBuilder(traced.graph)
    let logits = traced.graph.outputs[0].value
    var outputs = [Graph.Output(name: "logits", value: logits)]
    if need != .nothing {
      let selection = builder.graph.addInput("selection", TensorType([count, classes]))
      let score = builder(
        .reduce(.sum, axes: [0, 1], keepsDimensions: false), builder(.binary(.multiply), logits, selection))
      // The trace numbers its values in the same order for any batch.
      guard let source = need == .inputGradients ? traced.graph.inputs.first : layerValue else {
        throw InspectError("the model has no two-dimensional feature maps, so Grad-CAM has nothing to look at")
      }
      let forward = builder.graph
      let gradient = forward.gradients(of: score, withRespectTo: [source], in: &builder, resolve: { $0 })[0]
      guard let gradient else { throw InspectError("the scores do not depend on the feature maps of that layer") }
      if need == .featureGradients { outputs.append(.init(name: "features", value: source)) }
      outputs.append(.init(name: "gradient", value: gradient))
    }
    var graph = builder.graph
    graph.outputs = outputs
    return try Plan(graph, constants: traced.constants)
  }
}

import Graph

/// The output types of an operation on float32 inputs (or of the given types).
func outputs(_ operation: Operation, _ shapes: Shape...) throws -> [Shape] {
  try operation.outputTypes(of: shapes.map { TensorType($0) }).map(\.shape)
}

/// The text of the error that an operation gives for inputs of these types; "no error" if it takes them.
func errorText(_ operation: Operation, _ types: [TensorType]) -> String {
  do {
    _ = try operation.outputTypes(of: types)
    return "no error"
  } catch {
    return error.description
  }
}

func errorText(_ operation: Operation, _ shapes: Shape...) -> String {
  errorText(operation, shapes.map { TensorType($0) })
}

/// A two-dimensional convolution with equal attributes along both axes.
func conv2d(stride: Int = 1, padding: Int = 0, dilation: Int = 1, groups: Int = 1, hasBias: Bool = false) -> Operation {
  .conv(
    ConvAttributes(
      stride: [stride, stride], dilation: [dilation, dilation], paddingBefore: [padding, padding],
      paddingAfter: [padding, padding], groups: groups, hasBias: hasBias))
}

func pool2d(
  _ kind: PoolAttributes.Kind, kernel: Int, stride: Int, padding: Int = 0, roundsUp: Bool = false
) -> Operation {
  .pool(
    PoolAttributes(
      kind: kind, kernel: [kernel, kernel], stride: [stride, stride], dilation: [1, 1],
      paddingBefore: [padding, padding], paddingAfter: [padding, padding], roundsUp: roundsUp))
}

/// A chain of layers on one input, each with parameters of its own.
struct Chain {
  var graph = Graph()
  var value: Graph.ValueID

  init(_ input: Shape) { value = graph.addInput("x", TensorType(input)) }

  var shape: Shape { graph.shape(of: value) }

  mutating func append(_ operation: Operation, parameters: Shape..., name: String = "layer") throws {
    let ids = parameters.enumerated().map {
      graph.addParameter("\(name).\($0.offset == 0 ? "weight" : "bias")", TensorType($0.element))
    }
    value = try graph.append(operation, [value] + ids)[0]
  }

  mutating func conv(_ outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1) throws {
    try append(
      conv2d(stride: stride, padding: padding, dilation: dilation),
      parameters: [outputs, shape[1], kernel, kernel])
  }

  mutating func linear(_ outputs: Int) throws {
    try append(.linear(hasBias: false), parameters: [outputs, shape[1]])
  }

  /// The receptive field of the last value.
  var field: ReceptiveField? { graph.receptiveFields()[value.index] }

  var multiplyAccumulates: Int {
    graph.nodes.reduce(0) { sum, node in
      let types = (node.inputs.map { graph[$0].type }, node.outputs.map { graph[$0].type })
      return sum + node.operation.cost(inputs: types.0, outputs: types.1).multiplyAccumulates
    }
  }
}

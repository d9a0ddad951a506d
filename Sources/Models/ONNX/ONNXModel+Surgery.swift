import Formats
import Layers

/// Changes to an imported network that make it fit another task.
extension ONNXModel {
  /// The model without the softmax or sigmoid that its first output ends with: what losses are computed from.
  public func endingInLogits() -> ONNXModel {
    guard let output = outputs.first, let node = producer(of: output.name),
      ["Softmax", "LogSoftmax", "Sigmoid"].contains(node.operation), let source = node.inputs.first
    else { return self }
    var model = self
    model.outputs[0] = Value(name: source, dtype: output.dtype, dimensions: output.dimensions)
    return model
  }

  /// The model with a classifier of another number of classes: the last fully connected layer (or convolution, where
  /// that classifies) before the first output gets new weights, drawn as PyTorch draws those of a new layer.
  ///
  /// - Parameters:
  ///   - classes: outputs of the new classifier.
  ///   - seed: of its weights.
  /// - Throws: ``ONNXError`` if no layer can be found that alone decides on the number of outputs.
  public func replacingClassifier(classes: Int, seed: UInt64 = 0) throws(ONNXError) -> ONNXModel {
    guard 1...1 << 20 ~= classes else {
      throw .inputs(reason: "\(path): a classifier of \(classes) classes; there must be at least 1, at most 1048576")
    }
    let head = try classifier()
    var model = self
    let (weight, bias) = withSeed(seed) {
      let shape = Shape([classes] + head.shape.dimensions.dropFirst())
      let fanIn = shape.dimensions.dropFirst().reduce(1, *)
      return (Initializer.uniformFanIn(shape), Initializer.uniformFanIn([classes], fanIn: fanIn))
    }
    for index in model.weights.indices {
      if model.weights[index].name == head.weight {
        model.weights[index].tensor = head.isTransposed ? weight.transposed : weight
      }
      if model.weights[index].name == head.bias {
        model.weights[index].tensor = bias.reshaped(to: Shape(head.biasShape.replacingLast(head.classes, by: classes)))
      }
    }
    // Shapes that name the old number, such as that of a reshape to rows of classes.
    for name in head.shapes {
      guard let tensor = constants[name], tensor.dtype == .int64 else { continue }
      let extents = tensor.scalars(as: Int64.self).replacingLast(Int64(head.classes), by: Int64(classes))
      model.constants[name] = Tensor(extents, shape: tensor.shape)
    }
    model.outputs[0] = Value(
      name: outputs[0].name, dtype: outputs[0].dtype,
      dimensions: outputs[0].dimensions.map { $0.replacingLast(head.classes, by: classes) })
    return model
  }

  /// The paths of the classifier's parameters: what ``replacingClassifier(classes:seed:)`` replaces.
  public func classifierParameters() throws(ONNXError) -> [String] {
    let head = try classifier()
    return [head.weight] + (head.bias.map { [$0] } ?? [])
  }

  // MARK: Finding the classifier

  private struct Classifier {
    var weight: String
    /// `[classes, in, ...]`.
    var shape: Shape
    /// Whether the tensor is `[in, classes]`.
    var isTransposed: Bool
    var bias: String?
    var biasShape: [Int] = []
    /// Constants behind it that may name the number of classes.
    var shapes: [String]
    var classes: Int { shape[0] }
  }

  private func producer(of value: String) -> ONNXFile.Node? { nodes.last { $0.outputs.contains(value) } }

  private func parameter(_ name: String) -> Parameter? { weights.first { $0.name == name } }

  /// Walks from the first output towards the input, through operators that keep the classes apart.
  private func classifier() throws(ONNXError) -> Classifier {
    func unfound(_ reason: String) -> ONNXError {
      .unsupported(node: path, reason: "replacing the classifier: \(reason)")
    }
    guard var value = outputs.first?.name else { throw unfound("the model has no output") }
    var shapes: [String] = []
    var bias: String?
    while let node = producer(of: value) {
      switch node.operation {
      case "Gemm", "MatMul", "Conv":
        return try layer(node, bias: bias, shapes, unfound)
      case "Add":
        let added = node.inputs.filter { parameter($0) != nil }
        guard bias == nil, let vector = added.first, added.count == 1,
          let other = node.inputs.first(where: { $0 != vector })
        else { throw unfound("the sum \(ONNXCall.label(node)) comes after it") }
        (bias, value) = (vector, other)
      case "Softmax", "LogSoftmax", "Sigmoid", "Identity", "Flatten", "Dropout", "Relu", "Squeeze", "Cast",
        "GlobalAveragePool", "GlobalMaxPool", "AveragePool", "ReduceMean", "Reshape":
        guard let input = node.inputs.first else { throw unfound("\(ONNXCall.label(node)) has no input") }
        if node.operation == "Reshape" { shapes += node.inputs.dropFirst() }
        value = input
      default: throw unfound("\(ONNXCall.label(node)) (\(node.operation)) comes after the last layer with weights")
      }
    }
    throw unfound("no layer with weights leads to the output \(quoted(outputs[0].name))")
  }

  private func layer(
    _ node: ONNXFile.Node, bias outer: String?, _ shapes: [String], _ unfound: (String) -> ONNXError
  ) throws(ONNXError) -> Classifier {
    let label = ONNXCall.label(node)
    func used(_ name: String) -> Int { nodes.reduce(0) { $0 + $1.inputs.count { $0 == name } } }
    guard node.inputs.count > 1 else { throw unfound("\(label) has no weights") }
    var name = node.inputs[1]
    var isTransposed = node.operation == "MatMul"
    if node.operation == "Gemm" {
      isTransposed = true
      if case .integer(let flag)? = node.attributes["transB"], flag != 0 { isTransposed = false }
    }
    // Exporters may keep the weight as [classes, in] and turn it in the graph.
    if parameter(name) == nil, let turn = producer(of: name), turn.operation == "Transpose",
      let source = turn.inputs.first
    {
      (name, isTransposed) = (source, !isTransposed)
    }
    guard let weight = parameter(name), used(name) == 1,
      node.operation == "Conv" ? weight.tensor.rank > 2 : weight.tensor.rank == 2
    else { throw unfound("the weights of \(label) are no tensor of its own") }
    if case .integer(let groups)? = node.attributes["group"], groups > 1 {
      throw unfound("\(label) is a convolution in \(groups) groups")
    }
    let extents = weight.tensor.shape.dimensions
    let shape = isTransposed ? Shape(extents.reversed()) : weight.tensor.shape
    var head = Classifier(weight: name, shape: shape, isTransposed: isTransposed, bias: outer, shapes: shapes)
    if node.inputs.count > 2, !node.inputs[2].isEmpty {
      guard outer == nil else { throw unfound("\(label) has two biases") }
      head.bias = node.inputs[2]
    }
    if let bias = head.bias {
      guard let vector = parameter(bias), used(bias) == 1, vector.tensor.elementCount == head.classes else {
        throw unfound("the bias of \(label) is no vector of \(head.classes) numbers of its own")
      }
      head.biasShape = vector.tensor.shape.dimensions
    }
    return head
  }
}

extension Array where Element: Equatable {
  fileprivate func replacingLast(_ old: Element, by new: Element) -> [Element] {
    var result = self
    if let index = lastIndex(of: old) { result[index] = new }
    return result
  }
}

extension Graph {
  /// Brings the gradients of ReLU and ReLU6 nearer to the products that make what they mask: past maximum pooling, where
  /// the gradient of a window's maximum passes just where the maximum itself lies inside the bounds, and past reshapes.
  /// What the activation gave then need not be kept, only its maxima.
  func movingMasksToProducts() -> Graph {
    /// By the mask, the node before it, and what masks that node's input.
    var moves: [ValueID: (node: Node, output: ValueID)] = [:]
    for (mask, _, node) in masks() {
      let output: ValueID?
      switch node.operation {
      case .poolGradient(let attributes, _, .none) where attributes.kind == .max && node.inputs[1] == mask.inputs[1]:
        output = result(of: .pool(attributes), on: mask.inputs[1])
      case .reshape: output = result(of: .reshape(shape(of: node.inputs[0])), on: mask.inputs[1])
      default: output = nil
      }
      if let output, output.index < mask.outputs[0].index { moves[mask.outputs[0]] = (node, output) }
    }
    let moved = Set(moves.values.map { $0.node.outputs[0] })
    var rewriting = Rewriting(self)
    for node in nodes where !moved.contains(node.outputs[0]) {
      guard let move = moves[node.outputs[0]] else {
        rewriting.copy(node)
        continue
      }
      rewriting.copy(node, inputs: [rewriting[move.node.inputs[0]], rewriting[move.output]])
      var last = move.node
      last.outputs = node.outputs
      rewriting.copy(last, inputs: [rewriting[node.outputs[0]]] + last.inputs.dropFirst().map { rewriting[$0] })
    }
    // One step at a time: a reshape may stand behind a pooling.
    return moves.isEmpty ? self : rewriting.finished().movingMasksToProducts()
  }

  /// The gradients of ReLU and ReLU6, each with its activation and the node whose result it alone reads.
  private func masks() -> [(mask: Node, function: UnaryFunction, node: Node)] {
    let single = singleReaders()
    return nodes.compactMap { mask in
      guard case .unaryGradient(let function) = mask.operation, showsGradient(function), single[mask.inputs[0].index],
        let node = producer(of: mask.inputs[0])
      else { return nil }
      return (mask, function, node)
    }
  }

  /// What a node with this operation and input gives, if there is one.
  private func result(of operation: Operation, on input: ValueID) -> ValueID? {
    nodes.first { $0.operation == operation && $0.inputs == [input] }?.outputs[0]
  }

  /// The gradients of ReLU and ReLU6 go into the convolutions, matrix products and poolings that make what they mask.
  func fusingMasksIntoProducts() -> Graph {
    /// By the mask, the node that takes it over, and what that becomes.
    var fusions: [ValueID: (node: Node, operation: Operation)] = [:]
    for (mask, function, node) in masks() {
      if let operation = node.operation.masking(function) { fusions[mask.outputs[0]] = (node, operation) }
    }
    let absorbed = Set(fusions.values.map { $0.node.outputs[0] })
    var rewriting = Rewriting(self)
    for node in nodes where !absorbed.contains(node.outputs[0]) {
      guard let fusion = fusions[node.outputs[0]] else {
        rewriting.copy(node)
        continue
      }
      // At the place of the mask, where both exist.
      var merged = fusion.node
      merged.outputs = node.outputs
      rewriting.copy(
        merged, as: fusion.operation, inputs: (merged.inputs + [node.inputs[1]]).map { rewriting[$0] })
    }
    return rewriting.finished()
  }
}

extension Graph {
  /// The sums of a gradient, a bias's, go into the kernel that computes the gradient of the weights from it.
  func fusingBiasGradients() -> Graph {
    var sums: [ValueID: Node] = [:]
    for node in nodes {
      if case .reduce(.sum, let axes, keepsDimensions: false) = node.operation, shape(of: node.inputs[0]).rank > 2,
        axes == [0] + Array(2..<shape(of: node.inputs[0]).rank)
      {
        sums[node.inputs[0]] = node
      }
    }
    /// By the sums, and by the gradient of the weights, the node that gives both.
    var fusions: [ValueID: Node] = [:]
    for node in nodes {
      guard case .convWeightGradient(let attributes, let weight, sumsGradient: false) = node.operation,
        attributes.groups == 1, weight[0] > 1, let sum = sums[node.inputs[1]],
        node.inputs[0].index < sum.outputs[0].index
      else { continue }
      sums[node.inputs[1]] = nil
      var merged = node
      merged.operation = .convWeightGradient(attributes, weight: weight, sumsGradient: true)
      merged.outputs += sum.outputs
      for output in merged.outputs { fusions[output] = merged }
    }
    var rewriting = Rewriting(self)
    for node in nodes {
      guard let merged = fusions[node.outputs[0]] else {
        rewriting.copy(node)
        continue
      }
      // At the place of the first of both.
      if !rewriting.has(node.outputs[0]) { rewriting.copy(merged) }
    }
    return rewriting.finished()
  }
}

extension Operation {
  /// The operation with the gradient of an activation at its end, if it can have one and has neither.
  fileprivate func masking(_ function: UnaryFunction) -> Operation? {
    func masked(_ epilogue: Epilogue) -> Epilogue? {
      guard epilogue.activation == nil, epilogue.mask == nil else { return nil }
      return Epilogue(addsResidual: epilogue.addsResidual, mask: function)
    }
    switch self {
    case .conv(var attributes):
      guard let epilogue = masked(attributes.epilogue) else { return nil }
      attributes.epilogue = epilogue
      return .conv(attributes)
    case .convTransposed(var attributes, let output):
      guard let epilogue = masked(attributes.epilogue) else { return nil }
      attributes.epilogue = epilogue
      return .convTransposed(attributes, output: output)
    // The product that gives the gradient of a weight is one of another kind.
    case .matmul(transposesA: false, let transposesB, let epilogue):
      return masked(epilogue).map { .matmul(transposesA: false, transposesB: transposesB, epilogue: $0) }
    case .poolGradient(let attributes, let input, let epilogue):
      return masked(epilogue).map { .poolGradient(attributes, input: input, epilogue: $0) }
    default: return nil
    }
  }
}

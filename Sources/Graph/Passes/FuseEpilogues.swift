extension Graph {
  /// Moves a residual addition and an activation into the kernel that produces their input, where nothing else needs
  /// the value in between.
  ///
  /// In a training step the gradients of ReLU and ReLU6 are first made to read the activation's output instead of its
  /// input (both lie inside the same bounds or neither does), which frees the input for fusion.
  public func fusingEpilogues() -> Graph {
    redirectingGradients().fusingResiduals().fusingActivations().fusingReLUGradients()
  }

  /// Whether the gradient can be told from the activation's output.
  private func showsGradient(_ function: UnaryFunction) -> Bool { function == .relu || function == .relu6 }

  private func redirectingGradients() -> Graph {
    var activated: [ValueID: ValueID] = [:]
    for node in nodes {
      if case .unary(let function) = node.operation, showsGradient(function) {
        activated[node.inputs[0]] = node.outputs[0]
      }
    }
    var rewriting = Rewriting(self)
    for node in nodes {
      if case .unaryGradient(let function) = node.operation, showsGradient(function),
        case .unary(function)? = activated[node.inputs[1]].flatMap({ producer(of: $0)?.operation }),
        let output = activated[node.inputs[1]]
      {
        rewriting.copy(node, inputs: [rewriting[node.inputs[0]], rewriting[output]])
      } else {
        rewriting.copy(node)
      }
    }
    return rewriting.finished()
  }

  /// `add(conv(x), r)` becomes a convolution with a residual.
  private func fusingResiduals() -> Graph {
    let single = singleReaders()
    let fusions = nodes.map { residualFusion(into: $0, single: single) }
    let absorbed = Set(fusions.compactMap { $0?.value })
    var rewriting = Rewriting(self)
    for (node, fusion) in zip(nodes, fusions) where !absorbed.contains(node.outputs[0]) {
      guard let fusion, var merged = producer(of: fusion.value) else {
        rewriting.copy(node)
        continue
      }
      // At the place of the addition, where both operands exist.
      merged.outputs = node.outputs
      rewriting.copy(
        merged, as: fusion.operation, inputs: (merged.inputs + [fusion.residual]).map { rewriting[$0] })
    }
    return rewriting.finished()
  }

  /// For an addition: which operand's producer can add the other, and as which operation it does. Of two such operands
  /// the later one, which leaves the kernels in their order.
  private func residualFusion(into node: Node, single: [Bool])
    -> (value: ValueID, operation: Operation, residual: ValueID)?
  {
    guard case .binary(.add) = node.operation, shape(of: node.inputs[0]) == shape(of: node.inputs[1]) else {
      return nil
    }
    let (a, b) = (node.inputs[0], node.inputs[1])
    for (value, residual) in a.index > b.index ? [(a, b), (b, a)] : [(b, a), (a, b)] where single[value.index] {
      switch producer(of: value)?.operation {
      case .conv(var attributes) where attributes.epilogue == .none:
        attributes.epilogue.addsResidual = true
        return (value, .conv(attributes), residual)
      case .convTransposed(var attributes, let output) where attributes.epilogue == .none:
        attributes.epilogue.addsResidual = true
        return (value, .convTransposed(attributes, output: output), residual)
      case .linear(let hasBias, .none):
        return (value, .linear(hasBias: hasBias, epilogue: Epilogue(addsResidual: true)), residual)
      default: continue
      }
    }
    return nil
  }

  private func fusingActivations() -> Graph {
    let single = singleReaders()
    /// By the value in front of the activation: what its producer becomes, and what that then gives.
    var fusions: [ValueID: (operation: Operation, output: ValueID)] = [:]
    for node in nodes {
      guard case .unary(let function) = node.operation, function.isActivation, single[node.inputs[0].index],
        let producer = producer(of: node.inputs[0]), let operation = producer.operation.adding(function)
      else { continue }
      fusions[node.inputs[0]] = (operation, node.outputs[0])
    }
    let absorbed = Set(fusions.values.map(\.output))
    var rewriting = Rewriting(self)
    for node in nodes where !absorbed.contains(node.outputs[0]) {
      var merged = node
      if let fusion = fusions[node.outputs[0]] {
        merged.operation = fusion.operation
        merged.outputs[0] = fusion.output
      }
      rewriting.copy(merged)
    }
    return rewriting.finished()
  }

  /// The mask of ReLU goes into the gradient of the batch norm before it.
  private func fusingReLUGradients() -> Graph {
    let single = singleReaders()
    var rewriting = Rewriting(self)
    for node in nodes {
      guard case .batchNormGradient(false) = node.operation, single[node.inputs[0].index],
        let mask = producer(of: node.inputs[0]), case .unaryGradient(.relu) = mask.operation
      else {
        rewriting.copy(node)
        continue
      }
      rewriting.copy(
        node, as: .batchNormGradient(fusesReLU: true),
        inputs: ([mask.inputs[0]] + node.inputs[1...] + [mask.inputs[1]]).map { rewriting[$0] })
    }
    return rewriting.finished().removingDeadCode()
  }
}

extension Operation {
  /// The operation with an activation at its end, if it can have one and has none.
  fileprivate func adding(_ activation: UnaryFunction) -> Operation? {
    switch self {
    case .conv(var attributes) where attributes.epilogue.activation == nil:
      attributes.epilogue.activation = activation
      return .conv(attributes)
    case .convTransposed(var attributes, let output) where attributes.epilogue.activation == nil:
      attributes.epilogue.activation = activation
      return .convTransposed(attributes, output: output)
    case .linear(let hasBias, var epilogue) where epilogue.activation == nil:
      epilogue.activation = activation
      return .linear(hasBias: hasBias, epilogue: epilogue)
    case .batchNorm(let epsilon, nil): return .batchNorm(epsilon: epsilon, activation: activation)
    case .batchNormTraining(let epsilon, let momentum, nil) where activation == .relu || activation == .relu6:
      return .batchNormTraining(epsilon: epsilon, momentum: momentum, activation: activation)
    default: return nil
    }
  }
}

extension Graph {
  /// Moves a residual addition, an activation and the gradient of one into the kernel that produces their input, where
  /// nothing else needs the value in between.
  ///
  /// In a training step the gradients of ReLU and ReLU6 are first made to read the activation's output instead of its
  /// input (both lie inside the same bounds or neither does), which frees the input for fusion.
  public func fusingEpilogues() -> Graph {
    redirectingGradients().fusingResiduals().fusingActivations().fusingMasks().movingMasksToProducts()
      .fusingMasksIntoProducts().fusingBiasGradients()
  }

  /// Whether the gradient can be told from the activation's output.
  func showsGradient(_ function: UnaryFunction) -> Bool { function == .relu || function == .relu6 }

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

  /// `add(conv(x), r)` becomes a convolution with a residual; the same for batch norms in training and their gradients.
  private func fusingResiduals() -> Graph {
    let single = singleReaders()
    let consumers = consumers()
    let fusions = nodes.indices.map { residualFusion(into: $0, single: single, consumers) }
    let absorbed = Set(fusions.compactMap { $0?.value })
    var rewriting = Rewriting(self)
    for (node, fusion) in zip(nodes, fusions) where !absorbed.contains(node.outputs[0]) {
      guard let fusion, var merged = producer(of: fusion.value) else {
        rewriting.copy(node)
        continue
      }
      // At the place of the addition, where both operands exist.
      merged.outputs[0] = node.outputs[0]
      rewriting.copy(
        merged, as: fusion.operation, inputs: (merged.inputs + [fusion.residual]).map { rewriting[$0] })
    }
    return rewriting.finished()
  }

  /// For an addition: which operand's producer can add the other, and as which operation it does. Of two such operands
  /// the later one, which leaves the kernels in their order.
  private func residualFusion(into index: Int, single: [Bool], _ consumers: [[Int]])
    -> (value: ValueID, operation: Operation, residual: ValueID)?
  {
    let node = nodes[index]
    /// Whether nothing reads the producer's other results before the addition.
    func canWait(_ value: ValueID) -> Bool {
      producer(of: value)?.outputs.allSatisfy { output in
        output == value || consumers[output.index].allSatisfy { $0 > index }
      } ?? false
    }
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
      case .batchNormTraining(let epsilon, let momentum, .none) where canWait(value):
        let epilogue = Epilogue(addsResidual: true)
        return (value, .batchNormTraining(epsilon: epsilon, momentum: momentum, epilogue: epilogue), residual)
      case .batchNormGradient(var attributes) where !attributes.addsResidual && canWait(value):
        attributes.addsResidual = true
        return (value, .batchNormGradient(attributes), residual)
      case .poolGradient(let attributes, let input, .none):
        let epilogue = Epilogue(addsResidual: true)
        return (value, .poolGradient(attributes, input: input, epilogue: epilogue), residual)
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

  /// The gradients of ReLU and ReLU6 go into those of the batch norms before them. Where others read the masked
  /// gradient too, as a shortcut does, the norm's gradient returns it.
  private func fusingMasks() -> Graph {
    let consumers = consumers()
    let seen = Set(outputs.map(\.value))
    var absorbed: Set<ValueID> = []
    /// By the index of the norm's gradient, the mask that it takes over.
    var masks: [Int: Node] = [:]
    for node in nodes {
      guard case .unaryGradient(let function) = node.operation, showsGradient(function),
        let first = consumers[node.outputs[0].index].first,
        case .batchNormGradient(let attributes) = nodes[first].operation,
        attributes.mask == nil, nodes[first].inputs[0] == node.outputs[0],
        !nodes[first].inputs.dropFirst().contains(node.outputs[0])
      else { continue }
      absorbed.insert(node.outputs[0])
      masks[first] = node
    }
    var rewriting = Rewriting(self)
    for (index, node) in nodes.enumerated() where !absorbed.contains(node.outputs[0]) {
      guard let mask = masks[index], case .unaryGradient(let function) = mask.operation,
        case .batchNormGradient(var attributes) = node.operation
      else {
        rewriting.copy(node)
        continue
      }
      var merged = node
      attributes.returnsMasked = consumers[mask.outputs[0].index].count > 1 || seen.contains(mask.outputs[0])
      if attributes.returnsMasked { merged.outputs.append(mask.outputs[0]) }
      let shift =
        attributes.returnsMasked ? nil : shift(ofNorm: mask.inputs[1], on: node.inputs[1], activation: function)
      attributes.mask = shift == nil ? .output(function) : .shift(function)
      merged.inputs[0] = mask.inputs[0]
      merged.inputs.insert(shift ?? mask.inputs[1], at: 5)
      rewriting.copy(merged, as: .batchNormGradient(attributes))
    }
    return rewriting.finished().removingDeadCode()
  }

  /// The shift of the batch norm that computes a value from x and an activation alone.
  private func shift(ofNorm value: ValueID, on x: ValueID, activation: UnaryFunction) -> ValueID? {
    guard let norm = producer(of: value), norm.inputs[0] == x,
      case .batchNormTraining(_, _, Epilogue(activation: activation)) = norm.operation
    else { return nil }
    return norm.inputs[2]
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
    case .batchNormTraining(let epsilon, let momentum, var epilogue)
    where epilogue.activation == nil && (activation == .relu || activation == .relu6):
      epilogue.activation = activation
      return .batchNormTraining(epsilon: epsilon, momentum: momentum, epilogue: epilogue)
    default: return nil
    }
  }
}

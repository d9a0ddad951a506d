import Formats
public import Graph

extension Graph {
  /// The last feature maps that still know where something is: before global pooling, or before the maps are laid in a
  /// row. This is where Grad-CAM looks.
  ///
  /// - Returns: the value `[N, C, height, width]` and its node's name; `nil` if the output rests on no such value.
  public func lastSpatialFeatures() -> (name: String, value: ValueID)? {
    guard let output = outputs.first?.value else { return nil }
    let depended = ancestors(of: output)
    let isSpatial = { (id: ValueID) in
      let shape = self.shape(of: id)
      return shape.rank == 4 && shape[2] * shape[3] > 1
    }
    guard
      var found = nodes.last(where: { $0.outputs.contains { depended[$0.index] && isSpatial($0) } })
    else { return nil }
    // Pooling, dropout and movement add nothing to see; the maps before are finer.
    while found.operation.onlyPassesOn, let before = producer(of: found.inputs[0]), isSpatial(found.inputs[0]) {
      found = before
    }
    return (found.name, found.outputs[0])
  }

  /// The feature vector that the classifier reads: what enters the last linear layer, or failing that the last spatial
  /// feature maps.
  public func classifierInput() -> ValueID? {
    guard let output = outputs.first?.value else { return nil }
    let depended = ancestors(of: output)
    let last = nodes.last { node in
      guard case .linear = node.operation else { return false }
      return depended[node.outputs[0].index] && shape(of: node.inputs[0]).rank == 2
    }
    return last?.inputs[0] ?? lastSpatialFeatures()?.value
  }

  /// The feature maps that a person may name: outputs of nodes of shape `[N, C, height, width]`.
  public func featureMaps(named name: String) throws(InspectError) -> ValueID {
    if let node = nodes.first(where: { $0.name == name }) {
      let shape = shape(of: node.outputs[0])
      guard shape.rank == 4 else {
        throw InspectError("the layer \(name) gives \(shape), no feature maps; choose one of four axes")
      }
      return node.outputs[0]
    }
    let spatial = nodes.filter { shape(of: $0.outputs[0]).rank == 4 }.map(\.name)
    let near = nearestNames(to: name, among: spatial)
    let hint =
      near.isEmpty ? "the last ones are \(spatial.suffix(3).joined(separator: ", "))" : near.joined(separator: ", ")
    throw InspectError("the model has no layer \"\(name)\"; " + (near.isEmpty ? hint : "did you mean \(hint)?"))
  }

  /// For each value, whether another one depends on it.
  private func ancestors(of output: ValueID) -> [Bool] {
    var depended = [Bool](repeating: false, count: values.count)
    depended[output.index] = true
    for node in nodes.reversed() where node.outputs.contains(where: { depended[$0.index] }) {
      for input in node.inputs { depended[input.index] = true }
    }
    return depended
  }
}

extension Operation {
  /// Whether the operation only summarises or moves what its input says.
  fileprivate var onlyPassesOn: Bool {
    switch self {
    case .pool, .dropout, .reshape, .transpose, .pad, .slice, .cast: true
    case .resample: true
    default: false
    }
  }
}

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

  /// The feature maps that a person means by the name of a layer, as ``value(named:)`` takes it: `[N, C, height, width]`.
  public func featureMaps(named name: String) throws -> ValueID {
    let value = try value(named: name)
    let shape = shape(of: value)
    guard shape.rank == 4 else {
      throw InspectError("the layer \(name) gives \(shape), no feature maps; choose one of four axes")
    }
    return value
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

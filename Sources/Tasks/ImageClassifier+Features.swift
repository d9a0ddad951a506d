import Models

extension ImageClassifier {
  /// What the network computes on the way: one row for each picture.
  ///
  /// - Parameters:
  ///   - paths: files of pictures.
  ///   - layer: the path of a layer, `layer4` or `features.18`, whose output is wanted; without one, what the head reads.
  ///   - progress: called with the number of pictures done.
  /// - Returns: `[pictures, ...]`.
  /// - Throws: `UnknownNameError` with the nearest names; `ImageError`.
  public func features(
    ofFilesAt paths: [String], layer: String? = nil, progress: (Int) throws -> Void = { _ in }
  ) throws -> Tensor {
    let rule = description.preprocessing
    let input = Shape([1] + rule.shape.dimensions)
    let plan = try layer.map { try compile(model, input: input, outputs: [$0]) } ?? compileFeatures(model, input: input)
    var rows: [Tensor] = []
    for path in paths {
      let image = try Image(contentsOf: path, background: rule.background)
      rows.append(try plan.run([rule.tensor(from: image).reshaped(to: input)])[0])
      try progress(rows.count)
    }
    guard let first = rows.first else { throw TaskError("no pictures were given") }
    var shape = first.shape
    shape[0] = rows.count
    return Tensor(shape: shape, of: Float.self) { buffer in
      for (index, row) in rows.enumerated() {
        row.withUnsafeBuffer(of: Float.self) { numbers in
          for position in numbers.indices { buffer[index * numbers.count + position] = numbers[position] }
        }
      }
    }
  }

  /// The names that ``features(ofFilesAt:layer:progress:)`` takes.
  public func layerNames() throws -> [String] {
    try trace(model, input: Shape([1] + description.preprocessing.shape.dimensions)).graph.layerNames
  }
}

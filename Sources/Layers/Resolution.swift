extension Layer {
  /// The model with the parameters of layers that were declared without their input's size, such as
  /// `Conv2D(out: 64, kernel: 3)`, made for an input of this shape. All others stay as they are.
  ///
  /// - Parameter input: a sample's shape with its batch axis, `[1, 3, 224, 224]`.
  /// - Throws: `ShapeError` with the path of the layer where shapes stop fitting.
  public func resolved(for input: Shape) throws -> Self {
    let tracer = Tracer(isTraining: false, isResolving: true)
    let x = tracer.input("input", TensorType(input))
    let symbolic = try mapParameters { path, _, tensor in tracer.parameter(path, tensor, isTracked: false) }
    let output = Tracer.$current.withValue(tracer) { symbolic(x) }
    _ = try tracer.finish(outputs: [("output", output)])
    return try mapParameters { path, _, tensor in tracer.resolutions[path] ?? tensor }
  }
}

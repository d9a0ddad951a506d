import Formats
import Layers

/// Numbers that must be known when the model is traced (shapes, indices, limits), and computing with them one by one.
extension ONNXCall {
  /// Refuses a tensor whose numbers are not known yet, or through which a gradient would have to pass.
  func known(_ tensor: Tensor) throws -> Tensor {
    guard tensor.isConcrete, tensor.symbol == nil || !tensor.dtype.isFloatingPoint else {
      throw unsupported("\(node.operation) of numbers that depend on the input, in a compiled model")
    }
    return tensor.untracked
  }

  func isKnown(_ tensor: Tensor) -> Bool { (try? known(tensor)) != nil }

  func integers(of tensor: Tensor) throws -> [Int] { try wideIntegers(of: tensor).map { Int($0) } }

  func wideIntegers(of tensor: Tensor) throws -> [Int64] {
    let tensor = try known(tensor)
    switch tensor.dtype {
    case .int64: return tensor.scalars()
    case .int32: return tensor.scalars(as: Int32.self).map { Int64($0) }
    case .uint8: return tensor.scalars(as: UInt8.self).map { Int64($0) }
    case .bool: return tensor.scalars(as: Bool.self).map { $0 ? 1 : 0 }
    case .float32, .float64: throw invalid("expected integers, but got \(tensor.dtype)")
    }
  }

  func doubles(of tensor: Tensor) throws -> [Double] {
    let tensor = try known(tensor)
    switch tensor.dtype {
    case .float32: return tensor.scalars(as: Float.self).map { Double($0) }
    case .float64: return tensor.scalars()
    default: return try wideIntegers(of: tensor).map { Double($0) }
    }
  }

  /// The one number of an input.
  func double(_ index: Int) throws -> Double? {
    guard let tensor = optional(index) else { return nil }
    guard tensor.elementCount == 1 else { throw invalid("input \(index) must be one number, but is \(tensor.shape)") }
    return try doubles(of: tensor)[0]
  }

  /// Computes each element by itself.
  func map(_ x: Tensor, to dtype: DType? = nil, _ function: (Double) -> Double) throws -> Tensor {
    try checked(x.shape.dimensions, isSlow: true)
    return .made(try doubles(of: x).map(function), x.shape, dtype ?? x.dtype)
  }

  /// The shape that tensors broadcast to.
  func broadcastShape(_ tensors: [Tensor]) throws -> Shape {
    var shape = Shape.scalar
    for tensor in tensors {
      guard let next = Shape.broadcast(shape, tensor.shape) else {
        throw invalid("\(shape) and \(tensor.shape) do not broadcast")
      }
      shape = next
    }
    return try checked(shape.dimensions, isSlow: true)
  }

  /// Where the elements of `target` are in a tensor of `shape` that is broadcast to it.
  func positions(_ shape: Shape, broadcastTo target: Shape) -> [Int] {
    let added = target.rank - shape.rank
    let strides = shape.strides
    return positions(
      target.dimensions,
      strides: (0..<target.rank).map { $0 < added || shape[$0 - added] == 1 ? 0 : strides[$0 - added] }
    )
  }

  /// The offset of each index below the extents, in row-major order.
  func positions(_ extents: [Int], strides: [Int], start: Int = 0) -> [Int] {
    var offsets = [start]
    for (extent, stride) in zip(extents, strides) {
      offsets = offsets.flatMap { offset in (0..<extent).map { offset + $0 * stride } }
    }
    return offsets
  }

  /// Elements of a tensor by their position in row-major order; `-1` takes the value of `otherwise`.
  func take(_ x: Tensor, _ positions: [Int], _ shape: Shape, otherwise: Double = 0) throws -> Tensor {
    guard isKnown(x) else { return try takeByKernel(x, positions, shape, otherwise: otherwise) }
    let x = x.untracked
    func taken<Scalar: TensorScalar>(_: Scalar.Type) -> Tensor {
      let filler: Scalar = Tensor.made([otherwise], .scalar, x.dtype).item()
      return x.withUnsafeBuffer(of: Scalar.self) { source in
        Tensor(positions.map { $0 < 0 ? filler : source[$0] }, shape: shape)
      }
    }
    switch x.dtype {
    case .float32: return taken(Float.self)
    case .float64: return taken(Double.self)
    case .int32: return taken(Int32.self)
    case .int64: return taken(Int64.self)
    case .uint8: return taken(UInt8.self)
    case .bool: return taken(Bool.self)
    }
  }

  private func takeByKernel(_ x: Tensor, _ positions: [Int], _ shape: Shape, otherwise: Double) throws -> Tensor {
    try checked(shape.dimensions, isSlow: true)
    var flat = try reshape(x, [x.elementCount])
    var places = positions
    if places.contains(-1) {
      flat = try concatenate([flat, .made([otherwise], [1], x.dtype)], axis: 0)
      places = places.map { $0 < 0 ? x.elementCount : $0 }
    }
    guard flat.elementCount < Int(Int32.max) else { throw unsupported("elements of \(x.shape) by position") }
    return try reshape(compute(.gatherElements(axis: 0), flat, Tensor(places.map { Int32($0) })), shape.dimensions)
  }
}

extension Tensor {
  /// A tensor of any element type; integers round towards zero and saturate.
  static func made(_ values: [Double], _ shape: Shape, _ dtype: DType) -> Tensor {
    switch dtype {
    case .float32: Tensor(values.map { Float($0) }, shape: shape)
    case .float64: Tensor(values, shape: shape)
    case .bool: Tensor(values.map { $0 != 0 }, shape: shape)
    case .int32: Tensor(values.map { Int32(saturating: $0) }, shape: shape)
    case .int64: Tensor(values.map { Int64(saturating: $0) }, shape: shape)
    case .uint8: Tensor(values.map { UInt8(saturating: $0) }, shape: shape)
    }
  }

  /// A tensor of one number, which is given as a tensor.
  static func filled(_ shape: Shape, with value: Tensor) -> Tensor {
    func filled<Scalar: TensorScalar>(_: Scalar.Type) -> Tensor {
      let number: Scalar = value.item()
      return Tensor(shape: shape, of: Scalar.self) { $0.initialize(repeating: number) }
    }
    return switch value.dtype {
    case .float32: filled(Float.self)
    case .float64: filled(Double.self)
    case .int32: filled(Int32.self)
    case .int64: filled(Int64.self)
    case .uint8: filled(UInt8.self)
    case .bool: filled(Bool.self)
    }
  }

  /// A tensor of integers, which keep their low bits.
  static func made(_ values: [Int64], _ shape: Shape, _ dtype: DType) -> Tensor {
    switch dtype {
    case .int64: Tensor(values, shape: shape)
    case .int32: Tensor(values.map { Int32(truncatingIfNeeded: $0) }, shape: shape)
    case .uint8: Tensor(values.map { UInt8(truncatingIfNeeded: $0) }, shape: shape)
    case .bool: Tensor(values.map { $0 != 0 }, shape: shape)
    case .float32, .float64: made(values.map { Double($0) }, shape, dtype)
    }
  }
}

extension FixedWidthInteger {
  fileprivate init(saturating value: Double) {
    let whole = value.rounded(.towardZero)
    self = value.isNaN ? 0 : Self(exactly: whole) ?? (whole < 0 ? .min : .max)
  }
}

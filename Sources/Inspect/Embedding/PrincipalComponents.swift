import Runtime

/// A flat map of points in many dimensions: the two directions in which they differ most (Pearson, 1901).
public struct PrincipalComponents: Sendable {
  /// `x` and `y` of each point.
  public let points: [SIMD2<Float>]
  /// The shares of the variance that the two axes show.
  public let explained: SIMD2<Float>

  /// - Parameters:
  ///   - rows: `[count, dimensions]`.
  ///   - count: at least 1.
  public init(_ rows: [Float], count: Int) {
    let dimensions = rows.count / max(1, count)
    guard count > 1, dimensions > 0 else {
      points = .init(repeating: .zero, count: count)
      explained = .zero
      return
    }
    var centered = rows
    for axis in 0..<dimensions {
      var sum = 0.0
      for row in 0..<count { sum += Double(rows[row * dimensions + axis]) }
      for row in 0..<count { centered[row * dimensions + axis] -= Float(sum / Double(count)) }
    }
    let total = centered.reduce(0.0) { $0 + Double($1) * Double($1) }
    let x = Tensor(centered, shape: [count, dimensions])
    let transposed = x.transposed([1, 0])

    // Orthogonal iteration; the start is drawn from a fixed seed.
    var random = RandomStream(seed: 0, stream: RandomStream.stream(0x7063_61))
    var basis = Self.orthonormal((0..<dimensions * 2).map { _ in random.uniform(-1..<1) })
    for _ in 0..<60 {
      let product = matmul(transposed, matmul(x, Tensor(basis, shape: [dimensions, 2])))
      basis = Self.orthonormal(product.scalars())
    }
    // A component and its mirror image are equally good: the largest coordinate of its axis is made positive.
    for column in 0..<2 {
      let axis = stride(from: column, to: basis.count, by: 2)
      let largest = axis.max { abs(basis[$0]) < abs(basis[$1]) }
      if let largest, basis[largest] < 0 { for index in axis { basis[index] = -basis[index] } }
    }
    let projected: [Float] = matmul(x, Tensor(basis, shape: [dimensions, 2])).scalars()
    points = (0..<count).map { [projected[2 * $0], projected[2 * $0 + 1]] }
    let variance = points.reduce(SIMD2<Double>.zero) {
      $0 + SIMD2(Double($1.x) * Double($1.x), Double($1.y) * Double($1.y))
    }
    explained = total > 0 ? SIMD2<Float>(variance / total) : .zero
  }

  /// Two columns made orthogonal and of length 1 (Gram and Schmidt); a column of zeros stays one.
  private static func orthonormal(_ basis: [Float]) -> [Float] {
    var result = basis.map(Double.init)
    for column in 0..<2 {
      let axis = stride(from: column, to: result.count, by: 2)
      if column == 1 {
        let overlap = axis.reduce(0.0) { $0 + result[$1] * result[$1 - 1] }
        for index in axis { result[index] -= overlap * result[index - 1] }
      }
      let length = axis.reduce(0.0) { $0 + result[$1] * result[$1] }.squareRoot()
      for index in axis { result[index] = length > 1e-20 ? result[index] / length : 0 }
    }
    return result.map(Float.init)
  }
}

/// The rows of one table that point in the same direction as a row of another: cosine similarity.
public struct NearestRows: Sendable {
  public struct Neighbor: Hashable, Sendable {
    public var row: Int
    /// From -1 to 1, the cosine of the angle.
    public var similarity: Float
  }

  private let table: Tensor
  private let dimensions: Int

  /// - Parameter rows: `[count, dimensions]`, among which to look.
  public init(_ rows: [Float], dimensions: Int) {
    self.dimensions = dimensions
    let count = rows.count / max(1, dimensions)
    table = Tensor(Self.normalized(rows, dimensions), shape: [count, dimensions]).transposed([1, 0])
  }

  /// The nearest rows to a vector, nearest first; the lower row first of equals.
  public func nearest(to vector: ArraySlice<Float>, count: Int) -> [Neighbor] {
    let query = Tensor(Self.normalized(Array(vector), dimensions), shape: [1, dimensions])
    let similarities: [Float] = matmul(query, table).scalars()
    return similarities.indices.sorted { (-similarities[$0], $0) < (-similarities[$1], $1) }.prefix(count)
      .map { Neighbor(row: $0, similarity: similarities[$0]) }
  }

  private static func normalized(_ rows: [Float], _ dimensions: Int) -> [Float] {
    var result = rows
    for start in stride(from: 0, to: rows.count, by: max(1, dimensions)) {
      let length = rows[start..<start + dimensions].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      for index in start..<start + dimensions { result[index] = length > 0 ? Float(Double(rows[index]) / length) : 0 }
    }
    return result
  }
}

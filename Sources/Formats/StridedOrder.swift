import Graph

/// Where in memory the elements of an array with given strides lie, in row-major order: counts like an odometer.
struct StridedOrder: Sequence, IteratorProtocol {
  private let extents: [Int]
  private let strides: [Int]
  private var position: [Int]
  private var offset = 0
  private var rest: Int

  /// - Parameter strides: one for each axis, in elements.
  init(_ shape: Shape, strides: [Int]) {
    extents = shape.dimensions
    self.strides = strides
    position = Array(repeating: 0, count: shape.rank)
    rest = shape.elementCount
  }

  /// Column-major: the first axis is the fastest.
  init(fortran shape: Shape) {
    var stride = 1
    self.init(
      shape,
      strides: shape.dimensions.map { extent in
        defer { stride *= extent }
        return stride
      })
  }

  mutating func next() -> Int? {
    guard rest > 0 else { return nil }
    rest -= 1
    defer { advance() }
    return offset
  }

  private mutating func advance() {
    for axis in extents.indices.reversed() {
      position[axis] += 1
      offset += strides[axis]
      if position[axis] < extents[axis] { return }
      offset -= strides[axis] * extents[axis]
      position[axis] = 0
    }
  }
}

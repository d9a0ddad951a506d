internal import Graph

extension ReferenceBackend {
  /// One axis after the other: `y[.., i, ..] = sum over taps of weight * x[.., source, ..]`.
  static func resample(_ x: ReferenceArray, _ maps: [AxisMap?]) -> ReferenceArray {
    var current = x
    for (axis, map) in maps.enumerated() {
      guard let map else { continue }
      let from = AxisView(current.shape, axis: axis)
      var shape = current.shape
      shape[axis] = map.taps.count
      let to = AxisView(shape, axis: axis)
      var next = ReferenceArray(zeros: shape)
      for outer in 0..<to.outer {
        for (position, taps) in map.taps.enumerated() {
          for inner in 0..<to.inner {
            next.values[to.offset(outer, position, inner)] = taps.reduce(0) {
              $0 + $1.weight * current.values[from.offset(outer, $1.source, inner)]
            }
          }
        }
      }
      current = next
    }
    return current
  }

  static func gatherElements(_ x: ReferenceArray, indices: ReferenceArray, axis: Int) throws(ReferenceError)
    -> ReferenceArray
  {
    var y = ReferenceArray(zeros: indices.shape)
    try forEachIndexed(indices, axis: axis, into: x.shape) { position, target in
      y.values[position] = x.values[target]
    }
    return y
  }

  static func scatterElements(_ x: ReferenceArray, indices: ReferenceArray, axis: Int, output: Shape)
    throws(ReferenceError) -> ReferenceArray
  {
    var y = ReferenceArray(zeros: output)
    try forEachIndexed(indices, axis: axis, into: output) { position, target in
      y.values[target] += x.values[position]
    }
    return y
  }

  /// Calls `body` with the offset of each index, and the offset in `shape` that it leads to.
  private static func forEachIndexed(
    _ indices: ReferenceArray, axis: Int, into shape: Shape, _ body: (Int, Int) -> Void
  ) throws(ReferenceError) {
    if let wrong = indices.values.first(where: { $0 < 0 || $0 >= Double(shape[axis]) }) {
      throw ReferenceError("index \(Int(wrong)) is outside an axis of \(shape[axis]) elements")
    }
    let (from, to) = (AxisView(indices.shape, axis: axis), AxisView(shape, axis: axis))
    for outer in 0..<from.outer {
      for position in 0..<from.length {
        for inner in 0..<from.inner {
          let offset = from.offset(outer, position, inner)
          body(offset, to.offset(outer, Int(indices.values[offset]), inner))
        }
      }
    }
  }

  static func argmax(_ x: ReferenceArray, axis: Int, output: Shape) -> ReferenceArray {
    let view = AxisView(x.shape, axis: axis)
    var values: [Double] = []
    for outer in 0..<view.outer {
      for inner in 0..<view.inner {
        let line = (0..<view.length).map { x.values[view.offset(outer, $0, inner)] }
        values.append(Double(line.firstIndex(where: \.isNaN) ?? line.firstIndex(of: line.max() ?? 0) ?? 0))
      }
    }
    return ReferenceArray(output, values)
  }

  static func standardize(_ x: ReferenceArray, axis: Int, epsilon: Double) -> [ReferenceArray] {
    let view = AxisView(x.shape, axis: axis)
    var (y, inverses) = (x, [Double]())
    for outer in 0..<view.outer {
      for inner in 0..<view.inner {
        let line = (0..<view.length).map { view.offset(outer, $0, inner) }
        let mean = line.reduce(0) { $0 + x.values[$1] } / Double(view.length)
        let variance = line.reduce(0) { $0 + (x.values[$1] - mean) * (x.values[$1] - mean) } / Double(view.length)
        inverses.append(1 / (variance + epsilon).squareRoot())
        for index in line { y.values[index] = (x.values[index] - mean) * inverses.last! }
      }
    }
    var shape = x.shape
    shape[axis] = 1
    return [y, ReferenceArray(shape, inverses)]
  }

  /// `dx = (dy - mean(dy) - y * mean(dy * y)) * inverse`.
  static func standardizeGradient(dy: ReferenceArray, y: ReferenceArray, inverse: ReferenceArray, axis: Int)
    -> ReferenceArray
  {
    let view = AxisView(y.shape, axis: axis)
    var dx = dy
    for outer in 0..<view.outer {
      for inner in 0..<view.inner {
        let line = (0..<view.length).map { view.offset(outer, $0, inner) }
        let mean = line.reduce(0) { $0 + dy.values[$1] } / Double(view.length)
        let slope = line.reduce(0) { $0 + dy.values[$1] * y.values[$1] } / Double(view.length)
        for index in line {
          dx.values[index] =
            (dy.values[index] - mean - y.values[index] * slope) * inverse.values[outer * view.inner + inner]
        }
      }
    }
    return dx
  }
}

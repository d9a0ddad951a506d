internal import Graph

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension ReferenceBackend {
  static func reduce(_ reduction: Reduction, _ x: ReferenceArray, axes: [Int], output: Shape) -> ReferenceArray {
    // Strides into the output for each axis of the input: 0 along the reduced ones.
    let kept = Shape(x.shape.dimensions.enumerated().map { axes.contains($0.offset) ? 1 : $0.element })
    let strides = kept.strides(broadcastTo: x.shape)
    var groups = [[Double]](repeating: [], count: output.elementCount)
    var position = 0
    forEachIndex(below: x.shape.dimensions) { index in
      groups[offset(index, strides)].append(x.values[position])
      position += 1
    }
    return ReferenceArray(
      output,
      groups.map { group in
        switch reduction {
        case .sum: group.reduce(0, +)
        case .mean: group.reduce(0, +) / Double(group.count)
        case .maximum: group.reduce(-.infinity, BinaryFunction.maximum.value)
        case .minimum: group.reduce(.infinity, BinaryFunction.minimum.value)
        case .product: group.reduce(1, *)
        }
      })
  }

  /// The logarithm of softmax along one axis, shifted by the maximum so that no exponential overflows.
  static func logSoftmax(_ x: ReferenceArray, axis: Int) -> ReferenceArray {
    let view = AxisView(x.shape, axis: axis)
    var logarithm = x
    for outer in 0..<view.outer {
      for inner in 0..<view.inner {
        let line = (0..<view.length).map { view.offset(outer, $0, inner) }
        let peak = line.reduce(-.infinity) { BinaryFunction.maximum.value($0, x.values[$1]) }
        let logSum = log(line.reduce(0) { $0 + exp(x.values[$1] - peak) })
        for index in line { logarithm.values[index] = x.values[index] - peak - logSum }
      }
    }
    return logarithm
  }

  /// `softmax: y * (dy - sum(dy * y))`; `logSoftmax: dy - exp(y) * sum(dy)`.
  static func softmaxGradient(dy: ReferenceArray, y: ReferenceArray, axis: Int, isLog: Bool) -> ReferenceArray {
    let view = AxisView(y.shape, axis: axis)
    var dx = dy
    for outer in 0..<view.outer {
      for inner in 0..<view.inner {
        let line = (0..<view.length).map { view.offset(outer, $0, inner) }
        let sum = line.reduce(0) { $0 + dy.values[$1] * (isLog ? 1 : y.values[$1]) }
        for index in line {
          dx.values[index] =
            isLog ? dy.values[index] - exp(y.values[index]) * sum : y.values[index] * (dy.values[index] - sum)
        }
      }
    }
    return dx
  }
}

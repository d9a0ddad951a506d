import CKernels
import Kernels
import Testing

@Suite struct ReductionTests {
  static let cases: [(extents: [Int], axes: Set<Int>)] = [
    ([1], [0]), ([7], [0]), ([17], [0]), ([1000], [0]), ([300_003], [0]), ([5, 100_003], [1]), ([1000, 17], [1]),
    ([1000, 17], [0]), ([20_000, 70], [0]), ([3, 5], []), ([2, 3, 4], [0, 1, 2]), ([4, 64, 100], [0, 2]),
    ([3, 500, 130], [1]), ([2, 3, 4, 5, 6, 7], [0, 2, 4]), ([2, 3, 4, 5, 6, 7], [1, 3, 5]), ([2, 1, 4, 1, 6], [1, 2]),
    ([2, 3, 4, 5, 6, 7], [2, 3]), ([1], []),
  ]

  @Test(arguments: InstructionSet.available, cases.indices)
  func reduces(isa: InstructionSet, index: Int) {
    let (extents, axes) = Self.cases[index]
    for function in ReductionKernel.allCases {
      let values = random(extents.reduce(1, *), function == .product ? 0.9..<1.1 : -1..<3)
      let x = GuardedBuffer(values)
      let (expected, count) = Self.reference(function, values, extents, axes)
      let y = GuardedBuffer(count: count)
      let bytes = ReductionKernel.workspaceBytes(extents: extents, axes: axes)
      let workspace = GuardedBuffer(count: bytes / 4)
      function.apply(
        x.pointer, y.pointer, extents: extents, axes: axes, workspace: workspace.raw, pool: serialPool, isa: isa)
      expectClose(y.values, expected, 5e-7, "\(function) of \(extents) over \(axes.sorted())")
      #expect(y.isIntact && workspace.isIntact)
    }
  }

  static func reference(
    _ function: ReductionKernel, _ x: [Float], _ extents: [Int], _ axes: Set<Int>
  ) -> ([Double], Int) {
    let kept = extents.indices.map { axes.contains($0) ? 1 : extents[$0] }
    let (strides, _) = BinaryTests.strides(kept, broadcast: axes)
    let count = kept.reduce(1, *)
    let start: Double =
      switch function {
      case .product: 1
      case .maximum: -.infinity
      case .minimum: .infinity
      default: 0
      }
    var y = [Double](repeating: start, count: count)
    for i in x.indices {
      let at = BinaryTests.offset(i, extents, strides)
      let value = Double(x[i])
      switch function {
      case .sum: y[at] += value
      case .mean: y[at] += value / Double(x.count / count)
      case .sumOfSquares: y[at] += value * value
      case .product: y[at] *= value
      case .maximum: y[at] = max(y[at], value)
      case .minimum: y[at] = min(y[at], value)
      }
    }
    return (y, count)
  }

  @Test(
    arguments: InstructionSet.available, [([500], [0]), ([500, 20], [0]), ([20, 500], [1])] as [([Int], Set<Int>)])
  func extremesKeepNaN(isa: InstructionSet, shape: ([Int], Set<Int>)) {
    for at in [0, 3, 77, 499] {
      var values = random(shape.0.reduce(1, *))
      values[at] = .nan
      let x = GuardedBuffer(values)
      let y = GuardedBuffer(count: 20)
      let workspace = GuardedBuffer(count: ReductionKernel.workspaceBytes(extents: shape.0, axes: shape.1) / 4)
      for function in [ReductionKernel.maximum, .minimum] {
        function.apply(
          x.pointer, y.pointer, extents: shape.0, axes: shape.1, workspace: workspace.raw, pool: serialPool, isa: isa)
        let column = shape.0.count == 1 ? 0 : shape.1 == [0] ? at % 20 : at / 500
        for c in 0..<(shape.0.count == 1 ? 1 : 20) { #expect(y.values[c].isNaN == (c == column)) }
      }
    }
  }

  @Test(arguments: InstructionSet.available) func columnSumsOfManyRows(isa: InstructionSet) {
    let (rows, columns) = (30_000, 13)
    let x = GuardedBuffer(random(rows * columns, 0..<1))
    let y = GuardedBuffer(count: columns)
    let workspace = GuardedBuffer(count: ReductionKernel.workspaceBytes(extents: [rows, columns], axes: [0]) / 4)
    ReductionKernel.columnSums(
      x.pointer, y.pointer, rows: rows, columns: columns, workspace: workspace.raw, pool: serialPool, isa: isa)
    expectClose(y.values, Self.reference(.sum, x.values, [rows, columns], [0]).0, 1e-7)
  }

  @Test(arguments: InstructionSet.available) func globalSumOfSquares(isa: InstructionSet) {
    let buffers = sizes.map { GuardedBuffer(random($0, seed: UInt64($0))) }
    let sum = ReductionKernel.sumOfSquares(
      buffers.map { UnsafeBufferPointer(start: $0.pointer, count: $0.count) }, pool: serialPool, isa: isa)
    let expected = buffers.flatMap(\.values).reduce(0) { $0 + Double($1) * Double($1) }
    #expect(abs(sum - expected) < 1e-7 * expected)
  }

  @Test(arguments: InstructionSet.available) func findsWhatIsNotFinite(isa: InstructionSet) {
    for count in sizes {
      let x = GuardedBuffer(random(count, -1e38..<1e38))
      #expect(ReductionKernel.allFinite(x.pointer, count: count, pool: serialPool, isa: isa))
      for (at, bad) in [(count / 2, Float.nan), (count - 1, .infinity), (0, -.infinity)] {
        let old = x.pointer[at]
        x.pointer[at] = bad
        #expect(!ReductionKernel.allFinite(x.pointer, count: count, pool: serialPool, isa: isa))
        x.pointer[at] = old
      }
    }
  }
}

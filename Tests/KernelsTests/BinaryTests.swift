import CKernels
import Foundation
import Kernels
import Testing

@Suite struct BinaryTests {
  static func reference(_ function: BinaryKernel, _ a: Float, _ b: Float) -> Float {
    switch function {
    case .add: a + b
    case .subtract: a - b
    case .multiply: a * b
    case .divide: a / b
    case .maximum: a.isNaN || b.isNaN ? .nan : max(a, b)
    case .minimum: a.isNaN || b.isNaN ? .nan : min(a, b)
    case .power: Float(pow(Double(a), Double(b)))
    case .greater: a > b ? 1 : 0
    case .less: a < b ? 1 : 0
    case .equal: a == b ? 1 : 0
    case .greaterOrEqual: a >= b ? 1 : 0
    case .lessOrEqual: a <= b ? 1 : 0
    case .and: a != 0 && b != 0 ? 1 : 0
    case .or: a != 0 || b != 0 ? 1 : 0
    case .exclusiveOr: (a != 0) != (b != 0) ? 1 : 0
    }
  }

  /// SpatialExtents and the axes along which a and b are broadcast.
  static let cases: [(extents: [Int], a: Set<Int>, b: Set<Int>)] = [
    ([100_003], [], []), ([17], [], []), ([1000], [], [0]), ([1000], [0], []), ([1], [], []),
    ([999, 3], [], [0]), ([300, 64], [], [0]), ([300, 65], [0], []), ([50, 7], [1], []), ([50, 7], [], [1]),
    ([2, 3, 4, 5, 6, 7], [1, 3], [0, 5]), ([2, 3, 4, 5, 6, 7], [0, 2, 4], [1, 3, 5]), ([5, 70], [0], [1]),
    ([0, 3], [], []),
  ]

  @Test(arguments: InstructionSet.available, cases.indices)
  func broadcasts(isa: InstructionSet, index: Int) {
    let (extents, aBroadcast, bBroadcast) = Self.cases[index]
    let (aStrides, aCount) = Self.strides(extents, broadcast: aBroadcast)
    let (bStrides, bCount) = Self.strides(extents, broadcast: bBroadcast)
    var values = random(aCount)
    values[aCount / 2] = .nan
    let a = GuardedBuffer(values)
    let b = GuardedBuffer(random(bCount, 0.5..<3, seed: 2))
    let count = extents.reduce(1, *)
    for function in BinaryKernel.allCases {
      let y = GuardedBuffer(count: count)
      function.apply(
        a.pointer, aStrides, b.pointer, bStrides, y.pointer, extents: extents, pool: serialPool, isa: isa)
      let expected = (0..<count).map { i in
        Self.reference(
          function, a.pointer[Self.offset(i, extents, aStrides)], b.pointer[Self.offset(i, extents, bStrides)])
      }
      expectClose(y.values, expected, 2e-7, "\(function) \(extents)")
      #expect(y.isIntact)
    }
  }

  @Test(arguments: InstructionSet.available) func readsTransposedSides(isa: InstructionSet) {
    let (rows, columns) = (37, 41)
    let a = GuardedBuffer(random(rows * columns))
    let b = GuardedBuffer(random(rows * columns, seed: 2))
    let y = GuardedBuffer(count: rows * columns)
    BinaryKernel.subtract.apply(
      a.pointer, [columns, 1], b.pointer, [1, rows], y.pointer, extents: [rows, columns], pool: serialPool, isa: isa)
    let expected = (0..<rows * columns).map { a.pointer[$0] - b.pointer[$0 % columns * rows + $0 / columns] }
    #expect(y.values == expected)
  }

  static func strides(_ extents: [Int], broadcast: Set<Int>) -> ([Int], Int) {
    var step = 1
    var strides = [Int](repeating: 0, count: extents.count)
    for axis in extents.indices.reversed() where !broadcast.contains(axis) {
      strides[axis] = step
      step *= extents[axis]
    }
    return (strides, max(1, step))
  }

  static func offset(_ index: Int, _ extents: [Int], _ strides: [Int]) -> Int {
    var rest = index
    var offset = 0
    for axis in extents.indices.reversed() {
      offset += rest % extents[axis] * strides[axis]
      rest /= extents[axis]
    }
    return offset
  }
}

@Suite struct CopyTests {
  static let cases: [(extents: [Int], source: [Int], destination: [Int])] = [
    ([100_003], [1], [1]), ([1000], [0], [1]), ([1000], [3], [1]), ([1000], [1], [2]), ([30, 40], [1, 30], [40, 1]),
    ([2, 3, 5, 7], [105, 35, 7, 1], [105, 1, 21, 3]),
    ([2, 64, 33, 31], [65_472, 1023, 31, 1], [65_472, 1, 1984, 64]),
    ([2, 3, 4, 5, 6, 7], [1, 2, 6, 24, 120, 720], [2520, 840, 210, 42, 7, 1]),
    ([4, 5], [0, 1], [5, 1]), ([4, 5], [1, 0], [5, 1]), ([3, 20_000], [20_001, 1], [20_002, 1]),
    ([3, 0], [1, 1], [1, 1]),
  ]

  @Test(arguments: InstructionSet.available, cases.indices)
  func copiesStrided(isa: InstructionSet, index: Int) {
    let (extents, from, to) = Self.cases[index]
    func length(_ strides: [Int]) -> Int { zip(extents, strides).reduce(1) { $0 + max(0, $1.0 - 1) * $1.1 } }
    let x = GuardedBuffer(random(length(from)))
    let y = GuardedBuffer(count: length(to))
    var expected = y.bits
    let bits = x.bits
    for i in 0..<extents.reduce(1, *) {
      expected[BinaryTests.offset(i, extents, to)] = bits[BinaryTests.offset(i, extents, from)]
    }
    CopyKernel.strided(from: x.pointer, from, to: y.pointer, to, extents: extents, pool: serialPool, isa: isa)
    #expect(y.bits == expected)
    #expect(y.isIntact)
  }

  @Test(arguments: InstructionSet.available, [(2, 3, 1000), (3, 64, 49), (1, 17, 33), (1, 1, 5), (2, 130, 4)])
  func transposes(isa: InstructionSet, size: (batch: Int, rows: Int, columns: Int)) {
    let (batch, rows, columns) = size
    let x = GuardedBuffer(random(batch * rows * columns))
    let y = GuardedBuffer(count: x.count)
    CopyKernel.transpose(
      x.pointer, y.pointer, batch: batch, rows: rows, columns: columns, pool: serialPool, isa: isa)
    let plane = rows * columns
    let expected = (0..<x.count).map { x.pointer[$0 / plane * plane + $0 % rows * columns + $0 % plane / rows] }
    #expect(y.values == expected)
    #expect(y.isIntact)
  }

  @Test(arguments: InstructionSet.available) func fillsAccumulatesAndPads(isa: InstructionSet) {
    for count in sizes {
      let y = GuardedBuffer(count: count)
      CopyKernel.fill(y.pointer, count: count, value: 2.5, pool: serialPool, isa: isa)
      #expect(y.values == [Float](repeating: 2.5, count: count))
      let x = GuardedBuffer(random(count))
      CopyKernel.accumulate(x.pointer, into: y.pointer, count: count, pool: serialPool, isa: isa)
      #expect(y.values == x.values.map { $0 + 2.5 })
      #expect(y.isIntact)
    }
    let x = GuardedBuffer([1, 2, 3, 4, 5, 6])
    let y = GuardedBuffer(count: 20)
    CopyKernel.pad(
      x.pointer, y.pointer, extents: [2, 3], before: [1, 0], after: [1, 2], value: 9, pool: serialPool, isa: isa)
    #expect(y.values == [9, 9, 9, 9, 9, 1, 2, 3, 9, 9, 4, 5, 6, 9, 9, 9, 9, 9, 9, 9])
    #expect(y.isIntact)
  }
}

import CKernels
import Foundation
import Kernels
import Testing

@Suite struct StandardizationTests {
  static let shapes: [(outer: Int, count: Int, inner: Int)] = [
    (1, 1, 1), (3, 7, 1), (2, 1000, 1), (70, 33, 1), (1, 5, 3), (2, 17, 9), (3, 100, 64), (2, 3, 70),
    (9, 96, 1), (5, 4096, 1), (2, 4097, 1), (3, 16, 1), (4, 24, 1),
  ]

  @Test(arguments: InstructionSet.available, shapes.indices)
  func agreesWithDouble(isa: InstructionSet, index: Int) {
    let (outer, count, inner) = Self.shapes[index]
    let x = GuardedBuffer(random(outer * count * inner, 90..<110))
    let dy = GuardedBuffer(random(x.count, seed: 2))
    let (y, dx) = (GuardedBuffer(count: x.count), GuardedBuffer(count: x.count))
    let inverse = GuardedBuffer(count: outer * inner)
    StandardizationKernel.forward(
      x.pointer, y.pointer, inverse: inverse.pointer, outer: outer, count: count, inner: inner, epsilon: 1e-3,
      pool: serialPool, isa: isa)
    StandardizationKernel.backward(
      dy.pointer, y.pointer, inverse: inverse.pointer, dx.pointer, outer: outer, count: count, inner: inner,
      pool: serialPool, isa: isa)

    var (expected, gradient) = ([Float](repeating: 0, count: x.count), [Float](repeating: 0, count: x.count))
    for line in 0..<outer * inner {
      let places = (0..<count).map { (line / inner * count + $0) * inner + line % inner }
      let numbers = places.map { Double(x.values[$0]) }
      let mean = numbers.reduce(0, +) / Double(count)
      let scale = 1 / (numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count) + 1e-3).squareRoot()
      let upstream = places.map { Double(dy.values[$0]) }
      let centre = upstream.reduce(0, +) / Double(count)
      let slope = zip(upstream, numbers).reduce(0) { $0 + $1.0 * ($1.1 - mean) * scale } / Double(count)
      for (i, place) in places.enumerated() {
        expected[place] = Float((numbers[i] - mean) * scale)
        gradient[place] = Float((upstream[i] - centre - (numbers[i] - mean) * scale * slope) * scale)
      }
    }
    // One element is its own mean; what remains of it is rounding, scaled by 1 / sqrt(epsilon).
    expectClose(y.values, expected, count == 1 ? 2e-4 : 4e-6, "forward")
    expectClose(dx.values, gradient, count == 1 ? 2e-4 : 2e-5, "backward")
    #expect(y.isIntact && dx.isIntact && inverse.isIntact)
  }
}

@Suite struct AxisResamplingTests {
  /// Taps of any number, none too, against the sum that defines them; and the same bits on more threads.
  @Test(arguments: InstructionSet.available, [(1, 1), (3, 1), (2, 5), (40, 64), (1, 1000)])
  func sumsTaps(isa: InstructionSet, size: (outer: Int, inner: Int)) {
    let (outer, inner) = size
    let taps: [[(source: Int, weight: Float)]] = [
      [(0, 1)], [(2, 0.5), (3, -1.5)], [], [(1, 2)], [(0, 1), (1, 1), (4, 1)],
    ]
    let kernel = AxisResampling(inputCount: 5, taps: taps)
    let x = GuardedBuffer(random(outer * 5 * inner))
    let y = GuardedBuffer(count: outer * taps.count * inner)
    kernel.apply(x.pointer, y.pointer, outer: outer, inner: inner, pool: serialPool, isa: isa)
    for block in 0..<outer {
      for (row, list) in taps.enumerated() {
        for i in 0..<inner {
          let sum = list.reduce(Float(0)) { $0 + $1.weight * x.values[(block * 5 + $1.source) * inner + i] }
          #expect(abs(y.values[(block * taps.count + row) * inner + i] - sum) <= 1e-5)
        }
      }
    }
    #expect(y.isIntact)

    // Two axes at once are one after the other.
    let next = AxisResampling(inputCount: 3, taps: [[(1, 0.5), (2, 1)], [], [(0, 3)], [(2, 1)]])
    let cube = GuardedBuffer(random(outer * 5 * 3 * inner))
    let between = GuardedBuffer(count: outer * taps.count * 3 * inner)
    let (apart, together) = (GuardedBuffer(count: between.count / 3 * 4), GuardedBuffer(count: between.count / 3 * 4))
    kernel.apply(cube.pointer, between.pointer, outer: outer, inner: 3 * inner, pool: serialPool, isa: isa)
    next.apply(
      between.pointer, apart.pointer, outer: outer * taps.count, inner: inner, pool: serialPool, isa: isa)
    for pool in ConvolutionTests.pools {
      kernel.apply(cube.pointer, together.pointer, then: next, outer: outer, inner: inner, pool: pool, isa: isa)
      #expect(together.bits == apart.bits && together.isIntact)
    }
  }
}

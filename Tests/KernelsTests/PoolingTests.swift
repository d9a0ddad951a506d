import CKernels
import Kernels
import Testing

@Suite struct PoolingTests {
  static func geometry(_ name: String) -> PoolGeometry {
    func d1(_ w: Int) -> SIMD3<Int> { [1, 1, w] }
    func p1(_ w: Int) -> SIMD3<Int> { [0, 0, w] }
    return switch name {
    case "max 1":
      PoolGeometry(
        batch: 2, channels: 3, input: d1(11), kernel: d1(3), stride: d1(2), paddingBefore: p1(1), output: d1(6))
    case "max 2":
      PoolGeometry(
        batch: 2, channels: 5, input: [1, 9, 8], kernel: [1, 3, 2], stride: [1, 2, 1], dilation: [1, 2, 1],
        paddingBefore: [0, 1, 1], output: [1, 4, 9])
    case "max 3":
      PoolGeometry(
        batch: 2, channels: 2, input: [5, 4, 6], kernel: [2, 2, 2], stride: [2, 2, 2], paddingBefore: [1, 1, 1],
        output: [3, 3, 4])
    case "average 1":
      PoolGeometry(
        batch: 2, channels: 3, input: d1(11), kernel: d1(4), stride: d1(3), paddingBefore: p1(1), output: d1(4))
    case "average 3":
      PoolGeometry(
        batch: 2, channels: 2, input: [5, 4, 6], kernel: [2, 2, 2], stride: [2, 2, 2], output: [2, 2, 3])
    default:
      PoolGeometry(
        batch: 2, channels: 5, input: [1, 9, 8], kernel: [1, 3, 3], stride: [1, 2, 2], paddingBefore: [0, 1, 1],
        output: [1, 5, 5])
    }
  }

  static func count(_ g: PoolGeometry, _ extents: SIMD3<Int>) -> Int {
    g.batch * g.channels * extents.x * extents.y * extents.z
  }

  @Test(arguments: InstructionSet.available, ["max 1", "max 2", "max 3"])
  func maxAgreesWithPyTorch(isa: InstructionSet, name: String) throws {
    let g = Self.geometry(name)
    let x = GuardedBuffer(wave(Self.count(g, g.input)))
    let y = GuardedBuffer(count: Self.count(g, g.output))
    let plain = GuardedBuffer(count: y.count)
    let (taps, indices) = (GuardedBuffer(count: y.count), GuardedBuffer(count: y.count))
    let dy = GuardedBuffer(wave(y.count, step: 29))
    let dx = GuardedBuffer(count: x.count)
    g.maxForward(x.pointer, y.pointer, taps: taps.raw, pool: serialPool, isa: isa)
    g.maxForward(x.pointer, plain.pointer, taps: nil, pool: serialPool, isa: isa)
    g.positions(of: taps.raw, into: indices.integers, pool: serialPool)
    g.maxBackward(dy.rows(g.channels), taps: taps.raw, dx.pointer, pool: serialPool, isa: isa)
    expectClose(y.values, try #require(pytorch["\(name) y"]), 0)
    #expect(plain.values == y.values)
    #expect(
      (0..<y.count).map { Float(indices.integers[$0]) } == (try #require(pytorch["\(name) indices"])))
    expectClose(dx.values, try #require(pytorch["\(name) dx"]), 1e-6)
    #expect(y.isIntact && plain.isIntact && taps.isIntact && indices.isIntact && dx.isIntact)
  }

  @Test(arguments: InstructionSet.available, ["average 1", "average 2", "average 2 padding", "average 3"])
  func averageAgreesWithPyTorch(isa: InstructionSet, name: String) throws {
    let g = Self.geometry(name)
    let countsPadding = name != "average 2"
    let x = GuardedBuffer(wave(Self.count(g, g.input)))
    let y = GuardedBuffer(count: Self.count(g, g.output))
    let dy = GuardedBuffer(wave(y.count, step: 29))
    let dx = GuardedBuffer(count: x.count)
    g.averageForward(x.pointer, y.pointer, countsPadding: countsPadding, pool: serialPool, isa: isa)
    g.averageBackward(dy.rows(g.channels), dx.pointer, countsPadding: countsPadding, pool: serialPool, isa: isa)
    expectClose(y.values, try #require(pytorch["\(name) y"]), 3e-7)
    expectClose(dx.values, try #require(pytorch["\(name) dx"]), 1e-6)
    #expect(y.isIntact && dx.isIntact)
  }

  /// Windows of many sizes, and few and many channels, against a plain loop.
  @Test(arguments: InstructionSet.available, [1, 2, 3, 7, 15, 16, 17, 64, 67, 150])
  func agreesWithPlainLoops(isa: InstructionSet, channels: Int) {
    for g in [
      PoolGeometry(
        batch: 2, channels: channels, input: [3, 10, 11], kernel: [2, 3, 3], stride: [1, 2, 3], dilation: [1, 1, 2],
        paddingBefore: [0, 1, 2], paddingAfter: [1, 1, 0], output: [3, 5, 3]),
      // Windows that tile the input, but for its end; that tile it with padding; that overlap; that leave gaps.
      PoolGeometry(
        batch: 2, channels: channels, input: [1, 10, 11], kernel: [1, 2, 2], stride: [1, 2, 2], output: [1, 5, 5]),
      PoolGeometry(
        batch: 2, channels: channels, input: [1, 10, 11], kernel: [1, 3, 3], stride: [1, 3, 3],
        paddingBefore: [0, 1, 1], output: [1, 4, 4]),
      PoolGeometry(
        batch: 2, channels: channels, input: [1, 10, 11], kernel: [1, 3, 3], stride: [1, 2, 2],
        paddingBefore: [0, 1, 1], output: [1, 5, 6]),
      PoolGeometry(
        batch: 2, channels: channels, input: [1, 10, 11], kernel: [1, 2, 2], stride: [1, 3, 4], output: [1, 3, 3]),
      // Taps whose numbers fit a byte just so, and more of them.
      PoolGeometry(
        batch: 2, channels: channels, input: [1, 17, 18], kernel: [1, 16, 16], stride: .one, output: [1, 2, 3]),
      PoolGeometry(
        batch: 2, channels: channels, input: [1, 18, 18], kernel: [1, 16, 17], stride: [1, 2, 1], output: [1, 2, 2]),
    ] { expectPlainLoops(isa, g) }
  }

  private func expectPlainLoops(_ isa: InstructionSet, _ g: PoolGeometry) {
    let channels = g.channels
    // Of few distinct values, so that the first of equals is seen to win.
    var values = random(Self.count(g, g.input)).map { ($0 * 3).rounded() }
    for position in [40, 41, 51] { values[channels * position] = .nan }
    let x = GuardedBuffer(values)
    let y = GuardedBuffer(count: Self.count(g, g.output))
    let average = GuardedBuffer(count: y.count)
    let (taps, indices) = (GuardedBuffer(count: y.count), GuardedBuffer(count: y.count))
    g.maxForward(x.pointer, y.pointer, taps: taps.raw, pool: serialPool, isa: isa)
    g.positions(of: taps.raw, into: indices.integers, pool: serialPool)
    g.averageForward(x.pointer, average.pointer, countsPadding: false, pool: serialPool, isa: isa)
    let dy = GuardedBuffer(random(y.count, seed: 2))
    let dx = GuardedBuffer(count: x.count)
    g.maxBackward(dy.rows(channels), taps: taps.raw, dx.pointer, pool: serialPool, isa: isa)
    let averageDx = GuardedBuffer(count: x.count)
    g.averageBackward(dy.rows(channels), averageDx.pointer, countsPadding: false, pool: serialPool, isa: isa)
    // The same with something to add and a mask.
    let residual = GuardedBuffer(random(x.count, seed: 3))
    let mask = GuardedBuffer(random(x.count, -3..<9, seed: 4).map { $0.rounded() })
    let (finished, averageFinished) = (GuardedBuffer(count: x.count), GuardedBuffer(count: x.count))
    g.maxBackward(
      dy.rows(channels), taps: taps.raw, finished.pointer, residual: residual.rows(channels),
      mask: .output(mask.rows(channels), .relu6), pool: serialPool, isa: isa)
    g.averageBackward(
      dy.rows(channels), averageFinished.pointer, countsPadding: false, mask: .output(mask.rows(channels), .relu),
      pool: serialPool, isa: isa)

    let bits = GuardedBuffer(count: (g.maskByteCount(isa: isa) + 3) / 4)
    let sixteens = bits.raw.assumingMemoryBound(to: UInt16.self)
    g.maskBits(mask.rows(channels), .relu6, into: sixteens, pool: serialPool, isa: isa)
    let finishedByBits = GuardedBuffer(count: x.count)
    g.maxBackward(
      dy.rows(channels), taps: taps.raw, finishedByBits.pointer, residual: residual.rows(channels),
      mask: .bits(sixteens), pool: serialPool, isa: isa)
    #expect(finishedByBits.bits == finished.bits && bits.isIntact)

    var best: [Double] = []
    var mean: [Double] = []
    var winners: [Int32] = []
    var expectedDx = [Double](repeating: 0, count: x.count)
    var expectedAverageDx = expectedDx
    let positions = g.input.x * g.input.y * g.input.z
    for o in 0..<y.count {
      let c = o % channels
      let n = o / channels / (g.output.x * g.output.y * g.output.z)
      let at = SIMD3(
        o / channels / (g.output.y * g.output.z) % g.output.x, o / channels / g.output.z % g.output.y,
        o / channels % g.output.z)
      var taps: [Int] = []
      for kd in 0..<g.kernel.x {
        for kh in 0..<g.kernel.y {
          for kw in 0..<g.kernel.z {
            let p = at &* g.stride &+ SIMD3(kd, kh, kw) &* g.dilation &- g.paddingBefore
            guard (0..<3).allSatisfy({ p[$0] >= 0 && p[$0] < g.input[$0] }) else { continue }
            taps.append((p.x * g.input.y + p.y) * g.input.z + p.z)
          }
        }
      }
      let window = taps.map { Double(values[(n * positions + $0) * channels + c]) }
      let nan = window.lastIndex { $0.isNaN }
      let largest = window.max() ?? -.infinity
      let winner = nan ?? window.firstIndex(of: largest) ?? 0
      best.append(nan == nil ? largest : .nan)
      winners.append(Int32(taps[winner]))
      mean.append(window.reduce(0, +) / Double(window.count))
      expectedDx[(n * positions + taps[winner]) * channels + c] += Double(dy.pointer[o])
      for tap in taps {
        expectedAverageDx[(n * positions + tap) * channels + c] += Double(dy.pointer[o]) / Double(taps.count)
      }
    }
    expectClose(y.values, best, 0)
    #expect((0..<y.count).map { indices.integers[$0] } == winners)
    expectClose(average.values, mean, 4e-7)
    expectClose(dx.values, expectedDx, 1e-6)
    expectClose(averageDx.values, expectedAverageDx, 1e-6)
    expectClose(
      finished.values,
      expectedDx.indices.map { (1..<6).contains(mask.pointer[$0]) ? expectedDx[$0] + Double(residual.pointer[$0]) : 0 },
      1e-6)
    expectClose(
      averageFinished.values, expectedAverageDx.indices.map { mask.pointer[$0] > 0 ? expectedAverageDx[$0] : 0 }, 1e-6)
    #expect(y.isIntact && taps.isIntact && average.isIntact && dx.isIntact && averageDx.isIntact)
    #expect(finished.isIntact && averageFinished.isIntact)
  }

  @Test(arguments: InstructionSet.available, [1, 17, 100])
  func globalAverage(isa: InstructionSet, channels: Int) {
    let g = PoolGeometry(
      batch: 3, channels: channels, input: [1, 7, 9], kernel: [1, 7, 9], stride: .one, output: .one)
    let x = GuardedBuffer(random(Self.count(g, g.input)))
    let y = GuardedBuffer(count: 3 * channels)
    g.averageForward(x.pointer, y.pointer, countsPadding: true, pool: serialPool, isa: isa)
    let expected = (0..<y.count).map { o in
      (0..<63).reduce(0.0) { $0 + Double(x.pointer[(o / channels * 63 + $1) * channels + o % channels]) } / 63
    }
    expectClose(y.values, expected, 1e-7)
    let dx = GuardedBuffer(count: x.count)
    g.averageBackward(y.rows(channels), dx.pointer, countsPadding: true, pool: serialPool, isa: isa)
    expectClose(dx.values, (0..<x.count).map { expected[$0 / channels / 63 * channels + $0 % channels] / 63 }, 1e-7)
    #expect(y.isIntact && dx.isIntact)
  }
}

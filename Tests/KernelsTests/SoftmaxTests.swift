import CKernels
import Foundation
import Kernels
import Testing

@Suite struct SoftmaxTests {
  @Test(
    arguments: InstructionSet.available,
    [(1, 1, 1), (3, 7, 1), (100, 10, 1), (5, 1000, 1), (2, 100_003, 1), (3, 5, 7), (2, 21, 300), (4, 16, 17)])
  func agreesWithDouble(isa: InstructionSet, shape: (outer: Int, n: Int, inner: Int)) {
    let (outer, n, inner) = shape
    let x = GuardedBuffer(random(outer * n * inner, -30..<30))
    let dy = GuardedBuffer(random(x.count, seed: 2))
    for logarithm in [false, true] {
      let y = GuardedBuffer(count: x.count)
      let dx = GuardedBuffer(count: x.count)
      SoftmaxKernel.forward(
        x.pointer, y.pointer, outer: outer, n: n, inner: inner, logarithm: logarithm, pool: serialPool, isa: isa)
      SoftmaxKernel.backward(
        dy.pointer, y.pointer, dx.pointer, outer: outer, n: n, inner: inner, logarithm: logarithm, pool: serialPool,
        isa: isa)
      var expectedY = [Double](repeating: 0, count: x.count)
      var expectedDx = expectedY
      for row in 0..<outer * inner {
        let at = (0..<n).map { (row / inner * n + $0) * inner + row % inner }
        let largest = at.map { Double(x.pointer[$0]) }.max() ?? 0
        let sum = at.reduce(0) { $0 + exp(Double(x.pointer[$1]) - largest) }
        let p = at.map { exp(Double(x.pointer[$0]) - largest) / sum }
        let dot = zip(at, p).reduce(0) { $0 + Double(dy.pointer[$1.0]) * (logarithm ? 1 : $1.1) }
        for (i, p) in zip(at, p) {
          let d = Double(dy.pointer[i])
          expectedY[i] = logarithm ? Double(x.pointer[i]) - largest - log(sum) : p
          expectedDx[i] = logarithm ? d - p * dot : p * (d - dot)
        }
      }
      expectClose(y.values, expectedY, 1e-6, "logarithm \(logarithm)")
      expectClose(dx.values, expectedDx, n > 10_000 ? 2e-5 : 5e-6, "logarithm \(logarithm)")
      #expect(y.isIntact && dx.isIntact)
    }
  }
}

@Suite struct CrossEntropyTests {
  static let labels: [Int32] = [3, 0, 9, 9, 1, 5, 2]

  @Test(arguments: InstructionSet.available, [(0.0, false), (0.0, true), (0.1, false), (0.1, true)])
  func agreesWithPyTorch(isa: InstructionSet, options: (smoothing: Double, weighted: Bool)) throws {
    let name = "crossEntropy \(options.smoothing) \(options.weighted ? "weighted" : "plain")"
    let kernel = CrossEntropyKernel(rows: 7, classes: 10, smoothing: options.smoothing)
    let logits = GuardedBuffer(wave(70))
    let weights = GuardedBuffer(wave(10, step: 11).map(abs))
    let workspace = GuardedBuffer(count: kernel.workspaceBytes / 4)
    let dlogits = GuardedBuffer(count: 70)
    let loss = try kernel.forward(
      logits.pointer, labels: Self.labels, weights: options.weighted ? UnsafePointer(weights.pointer) : nil,
      workspace: workspace.raw, pool: serialPool, isa: isa)
    try kernel.backward(
      logits.pointer, labels: Self.labels, weights: options.weighted ? UnsafePointer(weights.pointer) : nil, dloss: 1.5,
      dlogits: dlogits.pointer, pool: serialPool, isa: isa)
    expectClose([loss], try #require(pytorch["\(name) loss"]), 5e-7)
    expectClose(dlogits.values, try #require(pytorch["\(name) dlogits"]), 2e-7)
    #expect(workspace.isIntact && dlogits.isIntact)
  }

  /// Many rows of few classes: several rows in a vector. Labels of all degrees of confidence.
  @Test(arguments: InstructionSet.available, [1, 2, 3, 8])
  func manyRowsOfFewClasses(isa: InstructionSet, classes: Int) throws {
    let rows = 10_007
    let kernel = CrossEntropyKernel(rows: rows, classes: classes)
    var stream = RandomStream(seed: 9)
    let labels = (0..<rows).map { _ in Int32(stream.uniform(0..<Float(classes))) }
    let logits = GuardedBuffer(random(rows * classes, -1..<1).enumerated().map { $1 * Float($0 % 100) })
    let workspace = GuardedBuffer(count: kernel.workspaceBytes / 4)
    var first: (loss: Float, bits: [UInt32])?
    for threads in 1...3 {
      let pool = ThreadPool(threadCount: threads)
      let dlogits = GuardedBuffer(count: logits.count)
      let loss = try kernel.forward(
        logits.pointer, labels: labels, workspace: workspace.raw, pool: pool, isa: isa)
      try kernel.backward(
        logits.pointer, labels: labels, dloss: Float(rows), dlogits: dlogits.pointer, pool: pool, isa: isa)
      var exactLoss = 0.0
      var exact: [Double] = []
      for row in 0..<rows {
        let x = (0..<classes).map { Double(logits.pointer[row * classes + $0]) }
        let e = x.map { exp($0 - x.max()!) }
        let (sum, label) = (e.reduce(0, +), Int(labels[row]))
        exactLoss += (log(sum) + x.max()! - x[label]) / Double(rows)
        exact += e.indices.map { $0 == label ? -(sum - e[label]) / sum : e[$0] / sum }
      }
      expectClose([loss], [exactLoss], 5e-7)
      expectClose(dlogits.values, exact, 5e-7)
      #expect(workspace.isIntact && dlogits.isIntact)
      first = first ?? (loss, dlogits.bits)
      #expect(first?.loss == loss && first?.bits == dlogits.bits)
    }
  }

  @Test(arguments: [(-1, 2), (10, 6)] as [(Int32, Int)])
  func reportsLabelsOutOfRange(label: Int32, row: Int) {
    let kernel = CrossEntropyKernel(rows: 7, classes: 10)
    var labels = Self.labels
    labels[row] = label
    let logits = GuardedBuffer(wave(70))
    let workspace = GuardedBuffer(count: 14)
    let report = "the label of row \(row) is \(label), but there are 10 classes: labels go from 0 to 9"
    let forward = #expect(throws: LabelOutOfRange.self) {
      try kernel.forward(
        logits.pointer, labels: labels, workspace: workspace.raw, pool: serialPool)
    }
    let backward = #expect(throws: LabelOutOfRange.self) {
      try kernel.backward(
        logits.pointer, labels: labels, dloss: 1, dlogits: logits.pointer,
        pool: serialPool)
    }
    #expect(forward?.description == report && backward?.row == row && backward?.label == label)
    #expect(logits.values == wave(70))
  }
}

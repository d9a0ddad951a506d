import CKernels

/// Reductions over any axes of a dense row-major tensor. Sums are taken in Float within short blocks and in Double
/// across them, in an order fixed by the shape. `maximum` and `minimum` give NaN if any element is.
package enum ReductionKernel: CaseIterable, Sendable {
  case sum, mean, sumOfSquares, product, maximum, minimum

  private var op: ck_reduce_op {
    switch self {
    case .sum, .mean: CK_SUM
    case .sumOfSquares: CK_SUM_OF_SQUARES
    case .product: CK_PRODUCT
    case .maximum: CK_MAX
    case .minimum: CK_MIN
    }
  }

  private var identity: Double {
    switch self {
    case .sum, .mean, .sumOfSquares: 0
    case .product: 1
    case .maximum: -.infinity
    case .minimum: .infinity
    }
  }

  private func combine(_ a: Double, _ b: Double) -> Double {
    switch self {
    case .sum, .mean, .sumOfSquares: a + b
    case .product: a * b
    case .maximum: a.isNaN || a >= b ? a : b
    case .minimum: a.isNaN || a <= b ? a : b
    }
  }

  /// Bytes of workspace that ``apply`` needs.
  package static func workspaceBytes(extents: [Int], axes: Set<Int>) -> Int {
    ReductionPlan(extents: extents, axes: axes).partials * MemoryLayout<Double>.stride
  }

  /// y (dense, the kept axes in order) = the reduction of x over `axes`. The mean of no elements is NaN.
  ///
  /// - Parameter pixel: of a reduction of rows to one of several channels, floats between the rows where they are slices
  ///   of wider ones.
  package func apply(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, extents: [Int], axes: Set<Int>, pixel: Int? = nil,
    workspace: UnsafeMutableRawPointer, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let plan = ReductionPlan(extents: extents, axes: axes)
    let rowStep = pixel ?? plan.width
    let kernels = isa.pointwise
    let partials = workspace.assumingMemoryBound(to: Double.self)
    partials.initialize(repeating: identity, count: plan.partials)

    let tasks = plan.outputs * plan.splits
    let grouped = max(1, ThreadPool.chunk / max(1, plan.piecesPerTask * plan.pieceElements))
    pool.chunks(tasks, of: grouped) { range in
      for task in range {
        let base = x + plan.keptOffset(task / plan.splits)
        let partial = partials + task * plan.width
        let first = task % plan.splits * plan.piecesPerTask
        for piece in first..<min(first + plan.piecesPerTask, plan.pieces) {
          let start = piece % plan.unitSplits * plan.unitStep
          let rows = min(plan.unitStep, plan.unitRows - start)
          let at = base + plan.reducedOffset(piece / plan.unitSplits) + start * rowStep
          if plan.isRun {
            partial.pointee = combine(partial.pointee, kernels.reduce(op, at, rows))
          } else {
            kernels.reduce_columns(op, at, rows, plan.width, rowStep, partial)
          }
        }
      }
    }

    let divisor = self == .mean ? Double(plan.reducedCount) : 1
    pool.chunks(plan.outputs * plan.width) { range in
      for i in range {
        let at = partials + i / plan.width * plan.splits * plan.width + i % plan.width
        var total = at.pointee
        for split in 1..<max(1, plan.splits) { total = combine(total, at[split * plan.width]) }
        y[i] = Float(total / divisor)
      }
    }
  }

  /// The column sums of [rows, columns]: a bias's gradient.
  package static func columnSums(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rows: Int, columns: Int,
    workspace: UnsafeMutableRawPointer, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    sum.apply(x, y, extents: [rows, columns], axes: [0], workspace: workspace, pool: pool, isa: isa)
  }

  /// The sum of squares over several buffers in order, for clipping by global norm.
  package static func sumOfSquares(
    _ buffers: [UnsafeBufferPointer<Float>], pool: ThreadPool, isa: InstructionSet = .best
  ) -> Double {
    let reduce = isa.pointwise.reduce!
    return forEachChunk(buffers, pool: pool) { reduce(CK_SUM_OF_SQUARES, $0, $1) }.reduce(0, +)
  }

  /// Whether no element is infinite or NaN.
  package static func allFinite(
    _ x: UnsafePointer<Float>, count: Int, pool: ThreadPool, isa: InstructionSet = .best
  ) -> Bool {
    let check = isa.pointwise.all_finite!
    let buffer = UnsafeBufferPointer(start: x, count: count)
    return forEachChunk([buffer], pool: pool) { Double(check($0, $1)) }.allSatisfy { $0 == 1 }
  }

  /// One number for each chunk of 64k elements of each buffer, in order.
  private static func forEachChunk(
    _ buffers: [UnsafeBufferPointer<Float>], pool: ThreadPool, _ body: (UnsafePointer<Float>, Int) -> Double
  ) -> [Double] {
    let step = 65_536
    let pieces = buffers.flatMap { buffer in
      stride(from: 0, to: buffer.count, by: step).map {
        UnsafeBufferPointer(rebasing: buffer[$0..<min($0 + step, buffer.count)])
      }
    }
    return Array(unsafeUninitializedCapacity: pieces.count) { results, count in
      let results = results
      pool.parallel(pieces.count) { results[$0] = body(pieces[$0].baseAddress!, pieces[$0].count) }
      count = pieces.count
    }
  }
}

/// How a reduction is cut: each output row of `width` gathers `pieces`, and each task takes `piecesPerTask` of them.
private struct ReductionPlan {
  private var kept: [(extent: Int, stride: Int)] = []
  private var reduced: [(extent: Int, stride: Int)] = []
  /// Whether the innermost axis is reduced; then the unit is a run of `unitRows` elements, else it is `unitRows` rows
  /// of `width` columns.
  let isRun: Bool
  private(set) var width = 1
  private(set) var unitRows = 1
  let unitStep: Int
  let unitSplits: Int
  let outputs: Int
  let reducedCount: Int
  let pieces: Int
  let pieceElements: Int
  let piecesPerTask: Int
  let splits: Int

  var partials: Int { outputs * splits * width }

  init(extents: [Int], axes: Set<Int>) {
    // Merge neighbouring axes of the same kind.
    var groups: [(extent: Int, isReduced: Bool)] = []
    for axis in extents.indices where extents[axis] != 1 {
      if groups.last?.isReduced == axes.contains(axis) {
        groups[groups.count - 1].extent *= extents[axis]
      } else {
        groups.append((extents[axis], axes.contains(axis)))
      }
    }
    isRun = groups.last?.isReduced ?? true
    var step = 1
    if !isRun, let last = groups.popLast() {
      width = last.extent
      step = width
    }
    if let last = groups.popLast() {
      unitRows = last.extent
      step *= unitRows
    }
    for group in groups.reversed() {
      if group.isReduced { reduced.append((group.extent, step)) } else { kept.append((group.extent, step)) }
      step *= group.extent
    }
    let taskElements = 65_536
    unitStep = rowsPerChunk(width: width, elements: taskElements, multiple: 64)
    unitSplits = (unitRows + unitStep - 1) / unitStep
    outputs = kept.reduce(1) { $0 * $1.extent }
    let outerReduced = reduced.reduce(1) { $0 * $1.extent }
    reducedCount = outerReduced * unitRows
    pieces = outerReduced * unitSplits
    pieceElements = min(unitStep, unitRows) * width
    piecesPerTask = max(1, taskElements / max(1, pieceElements))
    splits = max(1, (pieces + piecesPerTask - 1) / piecesPerTask)
  }

  func keptOffset(_ index: Int) -> Int { Self.offset(index, kept) }
  func reducedOffset(_ index: Int) -> Int { Self.offset(index, reduced) }

  private static func offset(_ index: Int, _ axes: [(extent: Int, stride: Int)]) -> Int {
    var rest = index
    var offset = 0
    for axis in axes {
      offset += rest % axis.extent * axis.stride
      rest /= axis.extent
    }
    return offset
  }
}

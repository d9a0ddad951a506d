import CKernels

/// Moving numbers between buffers.
package enum CopyKernel {
  /// Copies an N-D block (at most 6 axes) between buffers with any strides, in elements; a source stride of 0 repeats.
  /// Serves slices, concatenation, padding, transposition and broadcasting. Destination elements must be distinct, and
  /// the buffers must not overlap.
  package static func strided(
    from source: UnsafePointer<Float>, _ sourceStrides: [Int], to destination: UnsafeMutablePointer<Float>,
    _ destinationStrides: [Int], extents: [Int], pool: ThreadPool, isa: InstructionSet = .best
  ) {
    guard !extents.contains(0) else { return }
    let order = extents.indices.sorted { abs(destinationStrides[$0]) > abs(destinationStrides[$1]) }
    let loop = StridedLoop(
      extents: order.map { extents[$0] },
      strides: [order.map { sourceStrides[$0] }, order.map { destinationStrides[$0] }])
    let kernels = isa.pointwise
    let last = loop.extents.count - 1
    let (from, to) = (loop.strides[0][last], loop.strides[1][last])
    let across = to == 1 && from != 1 ? loop.strides[0].firstIndex(of: 1) : nil
    // One task copies `width` elements of the last loop, and of `across` if that is the source's dense axis.
    let width = loop.extents[last]
    let columns = across.map { loop.extents[$0] } ?? width
    let rows = across == nil ? 1 : width
    let step = across == nil ? ThreadPool.chunk : rowsPerChunk(width: rows, elements: ThreadPool.chunk, multiple: 32)
    let splits = (columns + step - 1) / step
    let outerLoops = (0..<last).reversed().filter { $0 != across }
    let outer = outerLoops.reduce(1) { $0 * loop.extents[$1] }

    pool.rowChunks(outer * splits, width: min(columns, step) * rows) { pieces in
      for piece in pieces {
        let start = piece % splits * step
        let count = min(step, columns - start)
        let source = source + loop.offset(piece / splits, of: 0, loops: outerLoops)
        let destination = destination + loop.offset(piece / splits, of: 1, loops: outerLoops)
        if let across {
          let stride = loop.strides[1][across]
          kernels.transpose(source + start, from, destination + start * stride, stride, rows, count)
        } else if from == 1 && to == 1 {
          (destination + start).update(from: source + start, count: count)
        } else if from == 0 && to == 1 {
          kernels.fill(destination + start, count, source.pointee)
        } else {
          for i in start..<start + count { destination[i * to] = source[i * from] }
        }
      }
    }
  }

  /// [batch, rows, columns] to [batch, columns, rows]: NCHW to NHWC with rows = C and columns = the pixels, and back.
  package static func transpose(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, batch: Int, rows: Int, columns: Int, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    strided(
      from: x, [rows * columns, 1, columns], to: y, [rows * columns, rows, 1], extents: [batch, columns, rows],
      pool: pool, isa: isa)
  }

  package static func fill(
    _ y: UnsafeMutablePointer<Float>, count: Int, value: Float, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let fill = isa.pointwise.fill!
    pool.chunks(count) { fill(y + $0.lowerBound, $0.count, value) }
  }

  /// y += x, the sum of gradients that reach one value along several paths.
  package static func accumulate(
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    let accumulate = isa.pointwise.accumulate!
    pool.chunks(count) { accumulate(x + $0.lowerBound, y + $0.lowerBound, $0.count) }
  }

  /// Places a dense row-major block of `extents` (at most 6 axes) in a dense y that has `before` and `after` more
  /// elements on each axis, filled with `value`.
  package static func pad(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, extents: [Int], before: [Int], after: [Int],
    value: Float, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let padded = extents.indices.map { before[$0] + extents[$0] + after[$0] }
    let strides = StridedLoop.dense(padded)
    fill(y, count: padded.reduce(1, *), value: value, pool: pool, isa: isa)
    let origin = zip(before, strides).reduce(0) { $0 + $1.0 * $1.1 }
    strided(
      from: x, StridedLoop.dense(extents), to: y + origin, strides, extents: extents, pool: pool, isa: isa)
  }
}

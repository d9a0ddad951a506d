/// Moving elements to and from places that are data, seen as `[outer, count, inner]` with indices along the middle axis.
package enum GatherKernel {
  /// An index that is not on its axis.
  package struct IndexOutOfRange: Error {
    package let index: Int32
    package let extent: Int
  }

  /// Checks that all indices are in `0 ..< extent`.
  package static func check(_ indices: UnsafePointer<Int32>, count: Int, extent: Int) throws(IndexOutOfRange) {
    for i in 0..<count where indices[i] < 0 || Int(indices[i]) >= extent {
      throw IndexOutOfRange(index: indices[i], extent: extent)
    }
  }

  /// `y[o, i, n] = x[o, indices[o, i, n], n]`; the indices are known to be right.
  package static func gather(
    _ x: UnsafePointer<Float>, extent: Int, indices: UnsafePointer<Int32>, _ y: UnsafeMutablePointer<Float>,
    outer: Int, count: Int, inner: Int, pool: ThreadPool
  ) {
    pool.rowChunks(outer * count, width: inner) { rows in
      for row in rows {
        let x = x + row / count * extent * inner
        for n in 0..<inner { y[row * inner + n] = x[Int(indices[row * inner + n]) * inner + n] }
      }
    }
  }

  /// `y[o, indices[o, i, n], n] += x[o, i, n]` over zeros, in the order of `i`; the indices are known to be right.
  package static func scatter(
    _ x: UnsafePointer<Float>, indices: UnsafePointer<Int32>, _ y: UnsafeMutablePointer<Float>, extent: Int,
    outer: Int, count: Int, inner: Int, pool: ThreadPool
  ) {
    pool.rowChunks(outer, width: (count + extent) * inner) { blocks in
      for block in blocks {
        let y = y + block * extent * inner
        y.update(repeating: 0, count: extent * inner)
        for i in 0..<count {
          let row = (block * count + i) * inner
          for n in 0..<inner { y[Int(indices[row + n]) * inner + n] += x[row + n] }
        }
      }
    }
  }

  /// The first index of the largest element along the middle axis; NaN counts as the largest.
  package static func argmax(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Int32>, outer: Int, count: Int, inner: Int, pool: ThreadPool
  ) {
    pool.rowChunks(outer * inner, width: count) { cells in
      for cell in cells {
        let x = x + cell / inner * count * inner + cell % inner
        var best = 0
        for i in 1..<max(1, count) {
          let (value, record) = (x[i * inner], x[best * inner])
          if value > record || value.isNaN && !record.isNaN { best = i }
        }
        y[cell] = Int32(best)
      }
    }
  }

  /// `y = condition != 0 ? a : b`; y may be any of them.
  package static func choose(
    _ condition: UnsafePointer<Float>, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ y: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    pool.chunks(count) { for i in $0 { y[i] = condition[i] != 0 ? a[i] : b[i] } }
  }
}

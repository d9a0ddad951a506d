import CKernels

extension ThreadPool {
  /// Elements of one task of an element-wise loop: a multiple of every vector width, so that only the last task has a
  /// partial vector, and 64 KB, so that fused steps find their data in cache.
  static let chunk = 16_384

  /// Runs `body` over consecutive ranges of `size` that cover `0..<count`; the split depends on nothing else.
  func chunks(_ count: Int, of size: Int = ThreadPool.chunk, _ body: (Range<Int>) -> Void) {
    guard count > size else {
      if count > 0 { body(0..<count) }
      return
    }
    parallel((count + size - 1) / size) { task in body(task * size..<min((task + 1) * size, count)) }
  }

  /// ``chunks(_:of:_:)`` over rows, as many a task as make about `elements` elements, in multiples of `multiple`.
  func rowChunks(
    _ rows: Int, width: Int, elements: Int = ThreadPool.chunk, multiple: Int = 1, _ body: (Range<Int>) -> Void
  ) {
    chunks(rows, of: rowsPerChunk(width: width, elements: elements, multiple: multiple), body)
  }
}

/// Rows of `width` that make about `elements` elements, a multiple of `multiple` and at least that.
func rowsPerChunk(width: Int, elements: Int, multiple: Int) -> Int {
  max(1, elements / max(1, width * multiple)) * multiple
}

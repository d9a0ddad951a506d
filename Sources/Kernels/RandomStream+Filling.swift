extension RandomStream {
  /// Writes `deviation * normal()` into each element in order, from the stream's start; on all threads of the pool.
  package func fillNormal(
    _ elements: UnsafeMutableBufferPointer<Float>, deviation: Float, pool: ThreadPool = .shared
  ) {
    // Two words, which are one block, for each element.
    fill(elements, elementsPerBlock: 1, pool) { deviation * Float($0.normal()) }
  }

  /// Writes `uniform(range)` into each element in order, from the stream's start; on all threads of the pool.
  package func fillUniform(
    _ elements: UnsafeMutableBufferPointer<Float>, in range: Range<Float>, pool: ThreadPool = .shared
  ) {
    fill(elements, elementsPerBlock: 2, pool) { $0.uniform(range) }
  }

  /// A chunk's first block follows from its first element, so chunks need not be drawn in order.
  private func fill(
    _ elements: UnsafeMutableBufferPointer<Float>, elementsPerBlock: Int, _ pool: ThreadPool,
    _ draw: (inout RandomStream) -> Float
  ) {
    pool.chunks(elements.count) { range in
      var stream = starting(atBlock: UInt64(range.lowerBound / elementsPerBlock))
      for index in range { elements[index] = draw(&stream) }
    }
  }
}

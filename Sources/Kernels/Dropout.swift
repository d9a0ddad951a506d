import CKernels

/// Inverted dropout (Srivastava et al. 2014) with a mask that is a pure function of (seed, stream, element index).
package enum DropoutKernel {
  /// y = x / (1 - p) where an element is kept, else 0; y may be x. The backward is the same function of dy.
  ///
  /// Element i belongs to word i % 4 of block i / 4 of the stream, and is kept if that word's upper 24 bits, as a
  /// number in [0, 1), are at least `probability`, which is below 1.
  package static func apply(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int, probability: Float, seed: UInt64,
    stream: UInt64, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let dropout = isa.pointwise.dropout!
    let p = ck_dropout(seed: seed, stream: stream, probability: probability, scale: 1 / (1 - probability))
    pool.chunks(count) { range in
      let i = range.lowerBound
      dropout(p, UInt64(i), x + i, y + i, range.count)
    }
  }
}

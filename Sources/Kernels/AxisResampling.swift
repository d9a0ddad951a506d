import CKernels

/// A sparse linear map along one axis of a dense tensor: borders, interpolation, uneven means.
package struct AxisResampling: Sendable {
  /// The taps of output `i` are `starts[i] ..< starts[i + 1]` of the two lists that follow.
  private var starts = [0]
  private var sources: [Int] = []
  private var weights: [Float] = []
  private let inputCount: Int

  /// - Parameter taps: for each output element its input elements and their weights.
  package init(inputCount: Int, taps: [[(source: Int, weight: Float)]]) {
    self.inputCount = inputCount
    for row in taps {
      sources += row.map(\.source)
      weights += row.map(\.weight)
      starts.append(sources.count)
    }
  }

  private var outputCount: Int { starts.count - 1 }

  /// `[outer, input count, inner]` to `[outer, output count, inner]`.
  package func apply(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, outer: Int, inner: Int, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    if outer * outputCount * inner == 0 { return }
    let taps = max(1, sources.count / outputCount)
    let kernels = isa.pointwise
    starts.withUnsafeBufferPointer { starts in
      // Where no output has taps, nothing is read.
      (sources.isEmpty ? [0] : sources).withUnsafeBufferPointer { sources in
        (weights.isEmpty ? [0] : weights).withUnsafeBufferPointer { weights in
          guard let starts = starts.baseAddress, let sources = sources.baseAddress, let weights = weights.baseAddress
          else { return }
          // The tables outlive the loop, which waits for its tasks.
          nonisolated(unsafe) let tables = (starts: starts, sources: sources, weights: weights)
          pool.rowChunks(outer * outputCount, width: inner * taps) { rows in
            var row = rows.lowerBound
            while row < rows.upperBound {
              let (block, first) = row.quotientAndRemainder(dividingBy: outputCount)
              let last = min(outputCount, first + rows.upperBound - row)
              kernels.resample(
                x + block * inputCount * inner, tables.starts, tables.sources, tables.weights, first, last, inner,
                y + block * outputCount * inner)
              row += last - first
            }
          }
        }
      }
    }
  }
}

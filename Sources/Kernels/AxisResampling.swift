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
  private var tapsPerOutput: Int { sources.count / max(1, outputCount) + 1 }

  /// `[outer, input count, inner]` to `[outer, output count, inner]`; with `next`, which maps the axis behind it,
  /// `[outer, input count, next's, inner]` to `[outer, output count, next's, inner]`, each row passing from one to the
  /// other in the cache.
  package func apply(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, then next: AxisResampling? = nil, outer: Int,
    inner: Int, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let kernels = isa.pointwise
    let rows = outer * outputCount
    let width = inner * (next?.inputCount ?? 1)
    guard let next else {
      return withMap { map in
        pool.rowChunks(rows, width: width * tapsPerOutput) { rows in
          var row = rows.lowerBound
          while row < rows.upperBound {
            let (block, first) = row.quotientAndRemainder(dividingBy: outputCount)
            let last = min(outputCount, first + rows.upperBound - row)
            kernels.resample(map, x + block * inputCount * width, first, last, width, y + row * width)
            row += last - first
          }
        }
      }
    }
    let nextWidth = inner * next.outputCount
    withMap { map in
      next.withMap { nextMap in
        pool.rowChunks(rows, width: nextWidth, elements: 4 * ThreadPool.chunk) { rows in
          // Vectors may read past its end.
          withUnsafeTemporaryAllocation(of: Float.self, capacity: width + 64) { buffer in
            guard let between = buffer.baseAddress else { return }
            for row in rows {
              let (block, output) = row.quotientAndRemainder(dividingBy: outputCount)
              kernels.resample(map, x + block * inputCount * width, output, output + 1, width, between)
              kernels.resample(nextMap, between, 0, next.outputCount, inner, y + row * nextWidth)
            }
          }
        }
      }
    }
  }

  /// The tables are for the call only.
  private func withMap(_ body: (UnsafePointer<ck_resampling>) -> Void) {
    starts.withUnsafeBufferPointer { starts in
      sources.withUnsafeBufferPointer { sources in
        weights.withUnsafeBufferPointer { weights in
          withUnsafePointer(
            to: ck_resampling(
              starts: starts.baseAddress, sources: sources.baseAddress, weights: weights.baseAddress), body)
        }
      }
    }
  }
}

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
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, outer: Int, inner: Int, pool: ThreadPool
  ) {
    let taps = max(1, sources.count / max(1, outputCount))
    starts.withUnsafeBufferPointer { starts in
      sources.withUnsafeBufferPointer { sources in
        weights.withUnsafeBufferPointer { weights in
          let (starts, sources, weights) = (starts.baseAddress!, sources.baseAddress, weights.baseAddress)
          // The tables outlive the loop, which waits for its tasks.
          nonisolated(unsafe) let tables = (starts: starts, sources: sources, weights: weights)
          pool.rowChunks(outer * outputCount, width: inner * taps) { rows in
            for row in rows {
              let (block, output) = row.quotientAndRemainder(dividingBy: outputCount)
              let range = tables.starts[output]..<tables.starts[output + 1]
              let x = x + block * inputCount * inner
              let y = y + row * inner
              if range.isEmpty { y.update(repeating: 0, count: inner) }
              for tap in range {
                let weight = tables.weights![tap]
                let source = x + tables.sources![tap] * inner
                if tap > range.lowerBound {
                  for i in 0..<inner { y[i] += weight * source[i] }
                } else if weight == 1 {
                  y.update(from: source, count: inner)
                } else {
                  for i in 0..<inner { y[i] = weight * source[i] }
                }
              }
            }
          }
        }
      }
    }
  }
}

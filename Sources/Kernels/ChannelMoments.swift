import CKernels

/// Mean and sum of squared deviations of each channel of some rows, part by part: whoever has rows at hand adds them to
/// a part of its own, and all parts are merged at the end, in their order (Chan, Golub and LeVeque 1979).
///
/// A part holds, for each channel, how many rows were added, their mean and their sum of squared deviations; different
/// channels of a part may be added by different threads.
package struct ChannelMoments {
  private let start: UnsafeMutablePointer<Double>
  let parts: Int
  let channels: Int

  /// - Parameter memory: ``byteCount(parts:channels:)`` bytes, aligned to 8.
  package init(_ memory: UnsafeMutableRawPointer, parts: Int, channels: Int) {
    start = memory.assumingMemoryBound(to: Double.self)
    self.parts = parts
    self.channels = channels
  }

  package static func byteCount(parts: Int, channels: Int) -> Int {
    parts * 3 * channels * MemoryLayout<Double>.stride
  }

  /// Removes all rows.
  package func clear() { start.initialize(repeating: 0, count: parts * 3 * channels) }

  /// Adds rows of some channels, or of all, to a part.
  package func add(
    _ x: ChannelRows, rows: Int, channels: Range<Int>? = nil, to part: Int, isa: InstructionSet
  ) {
    let channels = channels ?? 0..<self.channels
    let counts = start + part * 3 * self.channels + channels.lowerBound
    let means = counts + self.channels
    isa.pointwise.moments(x.ck, rows, channels.count, Int(counts[0]), means, means + self.channels)
    for c in 0..<channels.count { counts[c] += Double(rows) }
  }

  /// Merges all parts; the result lies in the first, which then holds all rows.
  package func merged() -> (mean: UnsafePointer<Double>, m2: UnsafePointer<Double>) {
    let (counts, means, squares) = (start, start + channels, start + 2 * channels)
    for part in 1..<max(1, parts) {
      let added = start + part * 3 * channels
      for c in 0..<channels where added[c] > 0 {
        let (seen, delta) = (counts[c], added[channels + c] - means[c])
        counts[c] += added[c]
        means[c] += delta * added[c] / counts[c]
        squares[c] += added[2 * channels + c] + delta * delta * seen * added[c] / counts[c]
      }
    }
    return (UnsafePointer(means), UnsafePointer(squares))
  }
}

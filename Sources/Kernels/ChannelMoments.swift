import CKernels

/// Mean and sum of squared deviations of each channel of some rows, part by part, so that whoever writes or reads rows
/// takes those of its own. All parts are merged at the end, in their order (Chan, Golub and LeVeque 1979).
package struct ChannelMoments {
  /// Of each part: how many rows it has, then the means, then the sums.
  private let start: UnsafeMutablePointer<Double>
  private let parts: Int
  private let channels: Int

  /// - Parameter memory: ``byteCount(parts:channels:)`` bytes, aligned to 8, whatever is in there.
  package init(_ memory: UnsafeMutableRawPointer, parts: Int, channels: Int) {
    start = memory.assumingMemoryBound(to: Double.self)
    self.parts = parts
    self.channels = channels
  }

  package static func byteCount(parts: Int, channels: Int) -> Int {
    parts * (1 + 2 * channels) * MemoryLayout<Double>.stride
  }

  private func part(_ index: Int) -> UnsafeMutablePointer<Double> { start + index * (1 + 2 * channels) }

  /// Where a kernel that writes the channels from `channel` on puts their moments for a part.
  func ck(_ index: Int, from channel: Int = 0) -> ck_moments {
    let mean = part(index) + 1 + channel
    return ck_moments(rows: channel == 0 ? part(index) : nil, mean: mean, m2: mean + channels)
  }

  /// Takes the moments of rows as a part.
  func take(_ x: ChannelRows, rows: Int, as index: Int, isa: InstructionSet) {
    let mean = part(index) + 1
    isa.pointwise.moments(x.ck, rows, channels, 0, mean, mean + channels)
    part(index).pointee = Double(rows)
  }

  /// The moments of all rows.
  ///
  /// - Parameter mean, m2: [channels].
  package func merge(mean: UnsafeMutablePointer<Double>, m2: UnsafeMutablePointer<Double>) {
    mean.update(from: part(0) + 1, count: channels)
    m2.update(from: part(0) + 1 + channels, count: channels)
    var seen = part(0).pointee
    for index in 1..<max(1, parts) {
      let rows = part(index).pointee
      let (means, sums) = (part(index) + 1, part(index) + 1 + channels)
      let weight = rows / (seen + rows)
      let cross = weight * seen
      for c in 0..<channels {
        let delta = means[c] - mean[c]
        mean[c] += delta * weight
        m2[c] += sums[c] + delta * delta * cross
      }
      seen += rows
    }
  }
}

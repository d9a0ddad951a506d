/// A counter-based generator: the n-th number of a stream is a pure function of (seed, stream, n), so random results
/// depend neither on the number of threads nor on what was drawn before, and a resumed run draws what the
/// uninterrupted one would have drawn.
///
/// Philox 4x32-10: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
public struct RandomStream: RandomNumberGenerator, Hashable, Sendable {
  public let seed: UInt64
  public let stream: UInt64
  /// Number of 128-bit blocks drawn so far.
  public private(set) var block: UInt64 = 0
  private var buffer: UInt64 = 0
  private var hasBuffered = false

  /// - Parameters:
  ///   - seed: the run's seed.
  ///   - stream: what the numbers are for; mix several keys with ``stream(_:)``.
  public init(seed: UInt64, stream: UInt64 = 0) {
    self.seed = seed
    self.stream = stream
  }

  /// The same stream from a block on, as if all before had been drawn.
  func starting(atBlock block: UInt64) -> RandomStream {
    var stream = RandomStream(seed: seed, stream: stream)
    stream.block = block
    return stream
  }

  /// One stream number made of several keys, for example `(purpose, epoch, sample)`.
  public static func stream(_ keys: UInt64...) -> UInt64 {
    keys.reduce(0x9E37_79B9_7F4A_7C15) { splitMix($0 ^ splitMix($1 &+ 0x9E37_79B9_7F4A_7C15)) }
  }

  public mutating func next() -> UInt64 {
    if hasBuffered {
      hasBuffered = false
      return buffer
    }
    let words = Self.philox(
      counter: SIMD4(
        UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32),
        UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32)),
      key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    block &+= 1
    buffer = UInt64(words[2]) | UInt64(words[3]) << 32
    hasBuffered = true
    return UInt64(words[0]) | UInt64(words[1]) << 32
  }

  /// Uniform in [0, 1), 24 bits.
  public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Uniform in the half-open range.
  public mutating func uniform(_ range: Range<Float>) -> Float {
    range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
  }

  static func splitMix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// One block of four 32-bit words.
  package static func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var c = counter
    var k = key
    for _ in 0..<10 {
      let p0 = UInt64(c[0]) &* 0xD251_1F53
      let p1 = UInt64(c[2]) &* 0xCD9E_8D57
      c = SIMD4(
        UInt32(truncatingIfNeeded: p1 >> 32) ^ c[1] ^ k[0], UInt32(truncatingIfNeeded: p1),
        UInt32(truncatingIfNeeded: p0 >> 32) ^ c[3] ^ k[1], UInt32(truncatingIfNeeded: p0))
      k = k &+ SIMD2(0x9E37_79B9, 0xBB67_AE85)
    }
    return c
  }
}

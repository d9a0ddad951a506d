/// A fast, well mixed 64-bit hash whose value never changes: XXH64 by Yann Collet
/// (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md). It recognises equal contents and finds damage; it
/// is no defence against someone who wants two contents to collide.
///
/// Hash several pieces by giving each the hash of the ones before it as its seed.
public enum XXHash64 {
  private static let primes: (UInt64, UInt64, UInt64, UInt64, UInt64) = (
    0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63, 0x27D4_EB2F_1656_67C5
  )

  /// The hash of an array's bytes.
  public static func hash(_ bytes: [UInt8], seed: UInt64 = 0) -> UInt64 {
    bytes.withUnsafeBytes { hash($0, seed: seed) }
  }

  /// The hash of a string's UTF-8.
  public static func hash(_ string: String, seed: UInt64 = 0) -> UInt64 { hash(Array(string.utf8), seed: seed) }

  /// The hash of a number's eight bytes, the lowest first.
  public static func hash(_ number: UInt64, seed: UInt64 = 0) -> UInt64 {
    withUnsafeBytes(of: number.littleEndian) { hash($0, seed: seed) }
  }

  /// The hash of the bytes in a buffer.
  public static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    let (p1, p2, p3, p4, p5) = primes
    var offset = 0
    var hash: UInt64
    if bytes.count >= 32 {
      var lane0 = seed &+ p1 &+ p2
      var lane1 = seed &+ p2
      var lane2 = seed
      var lane3 = seed &- p1
      while offset <= bytes.count - 32 {
        lane0 = round(lane0, word(bytes, offset))
        lane1 = round(lane1, word(bytes, offset + 8))
        lane2 = round(lane2, word(bytes, offset + 16))
        lane3 = round(lane3, word(bytes, offset + 24))
        offset += 32
      }
      hash = rotate(lane0, 1) &+ rotate(lane1, 7) &+ rotate(lane2, 12) &+ rotate(lane3, 18)
      for lane in [lane0, lane1, lane2, lane3] { hash = (hash ^ round(0, lane)) &* p1 &+ p4 }
    } else {
      hash = seed &+ p5
    }
    hash &+= UInt64(bytes.count)
    while offset <= bytes.count - 8 {
      hash = rotate(hash ^ round(0, word(bytes, offset)), 27) &* p1 &+ p4
      offset += 8
    }
    if offset <= bytes.count - 4 {
      let half = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      hash = rotate(hash ^ (UInt64(half) &* p1), 23) &* p2 &+ p3
      offset += 4
    }
    while offset < bytes.count {
      hash = rotate(hash ^ (UInt64(bytes[offset]) &* p5), 11) &* p1
      offset += 1
    }
    hash = (hash ^ (hash >> 33)) &* p2
    hash = (hash ^ (hash >> 29)) &* p3
    return hash ^ (hash >> 32)
  }

  @inline(__always)
  private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  @inline(__always)
  private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    rotate(lane &+ word &* primes.1, 31) &* primes.0
  }

  @inline(__always)
  private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value << count | value >> (64 - count) }
}

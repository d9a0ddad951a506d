/// Numbers of 16 bits, which files hold and nothing here computes with. (Swift's own `Float16` is missing on some
/// platforms.)
enum HalfPrecision {
  /// An IEEE 754 half: 1 sign, 5 exponent, 10 significand bits.
  static func float(fromHalf bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10) & 0x1F
    let significand = UInt32(bits & 0x3FF)
    switch exponent {
    case 0:
      // Zero or subnormal: a multiple of 2^-24.
      let magnitude = Float(significand) * 0x1p-24
      return sign == 0 ? magnitude : -magnitude
    case 31: return Float(bitPattern: sign | 0x7F80_0000 | significand << 13)
    default: return Float(bitPattern: sign | (exponent + 112) << 23 | significand << 13)
    }
  }

  /// The upper half of a float32.
  static func float(fromBFloat bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
}

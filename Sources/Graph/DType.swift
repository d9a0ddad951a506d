/// The element type of a tensor. Computation is in `float32`; `float64` is the reference backend's second precision;
/// the integer types carry labels, indices and pixels.
public enum DType: String, Hashable, Codable, Sendable, CaseIterable {
  case float32, float64, int32, int64, uint8, bool

  /// Bytes one element takes.
  public var byteCount: Int {
    switch self {
    case .float32, .int32: 4
    case .float64, .int64: 8
    case .uint8, .bool: 1
    }
  }

  public var isFloatingPoint: Bool { self == .float32 || self == .float64 }
}

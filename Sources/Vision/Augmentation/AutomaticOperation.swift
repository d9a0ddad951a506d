import Foundation
import Runtime

/// The fourteen operations that RandAugment and TrivialAugment draw from, in torchvision's order.
enum AutomaticOperation: CaseIterable {
  case identity, shearX, shearY, translateX, translateY, rotate, brightness, color, contrast, sharpness, posterize,
    solarize, autoContrast, equalize

  /// Magnitudes are 31 steps, from 0 (nothing, or nearly) to this.
  static let largestMagnitude = 30

  /// What the largest magnitude means.
  struct Ranges {
    /// Tangent of the angle.
    var shear: Double
    /// Share of the side.
    var translation: Double
    var degrees: Double
    /// Distance of a factor from 1.
    var factor: Float
    /// Bits that `posterize` removes.
    var removedBits: Float

    static let randAugment = Ranges(shear: 0.3, translation: 150.0 / 331, degrees: 30, factor: 0.9, removedBits: 4)
    /// The wide ranges of TrivialAugment. Its moves of up to 32 pixels belong to pictures of 224: a seventh of the side.
    static let wide = Ranges(shear: 0.99, translation: 1.0 / 7, degrees: 135, factor: 0.99, removedBits: 6)
  }

  /// The change at a magnitude, to either side at random.
  func change(
    _ magnitude: Int, _ ranges: Ranges, width: Int, height: Int, _ random: inout RandomStream
  ) -> Augmentation.Change {
    let share = Double(magnitude) / Double(Self.largestMagnitude)
    let sign: Double = random.chance(0.5) ? -1 : 1
    let factor = 1 + Float(sign * share) * ranges.factor
    func shear(_ x: Double, _ y: Double) -> ProjectiveTransform {
      let degrees = atan(sign * share * ranges.shear) * 180 / .pi
      // About the upper left corner, as in the papers' code.
      return .affine(shear: (x * degrees, y * degrees), about: (0, 0))
    }
    // Whole pixels, as torchvision takes them.
    func pixels(_ side: Int) -> Double { sign * (share * ranges.translation * Double(side)).rounded(.towardZero) }
    switch self {
    case .identity: return .move(.identity, "identity")
    case .shearX: return .move(shear(1, 0), "shear")
    case .shearY: return .move(shear(0, 1), "shear")
    case .translateX: return .move(.translation(right: pixels(width), down: 0), "translate")
    case .translateY: return .move(.translation(right: 0, down: pixels(height)), "translate")
    case .rotate:
      return .move(
        .affine(degrees: sign * share * ranges.degrees, about: (Double(width) / 2, Double(height) / 2)), "rotate")
    case .brightness: return .brightness(factor)
    case .color: return .saturation(factor)
    case .contrast: return .contrast(factor)
    case .sharpness: return .sharpness(factor)
    case .posterize: return .posterize(bits: 8 - Int((Float(share) * ranges.removedBits).rounded()))
    case .solarize: return .solarize(threshold: 255 * Float(1 - share))
    case .autoContrast: return .autocontrast
    case .equalize: return .equalize
    }
  }
}

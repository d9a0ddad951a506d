import Foundation

/// A map of the plane that keeps straight lines straight: moves, turns, shears, mirrors and perspective, in any
/// composition, as one 3x3 matrix.
///
/// Points are continuous: the pixel in column `x` and row `y` covers `x...x + 1` by `y...y + 1`, and y runs down. A
/// transform says where each point of a picture goes.
public struct ProjectiveTransform: Hashable, Sendable {
  /// The rows of the matrix; it multiplies columns `(x, y, 1)`.
  public let rows: [SIMD3<Double>]

  private init(_ first: SIMD3<Double>, _ second: SIMD3<Double>, _ third: SIMD3<Double> = SIMD3(0, 0, 1)) {
    rows = [first, second, third]
  }

  public static let identity = ProjectiveTransform(SIMD3(1, 0, 0), SIMD3(0, 1, 0))

  public static func translation(right: Double, down: Double) -> ProjectiveTransform {
    ProjectiveTransform(SIMD3(1, 0, right), SIMD3(0, 1, down))
  }

  /// A picture of this width with left and right exchanged.
  public static func horizontalFlip(width: Int) -> ProjectiveTransform {
    ProjectiveTransform(SIMD3(-1, 0, Double(width)), SIMD3(0, 1, 0))
  }

  /// A picture of this height upside down, as in water.
  public static func verticalFlip(height: Int) -> ProjectiveTransform {
    ProjectiveTransform(SIMD3(1, 0, 0), SIMD3(0, -1, Double(height)))
  }

  /// Sheared, turned and scaled about a point: the matrix of torchvision's `affine`.
  ///
  /// - Parameters:
  ///   - degrees: clockwise.
  ///   - scale: above 0.
  ///   - shear: degrees along x and along y, each between -90 and 90.
  ///   - center: the point that stays.
  public static func affine(
    degrees: Double = 0, scale: Double = 1, shear: (x: Double, y: Double) = (0, 0), about center: (x: Double, y: Double)
  ) -> ProjectiveTransform {
    let (turn, x, y) = (degrees * .pi / 180, shear.x * .pi / 180, shear.y * .pi / 180)
    let (cosine, sine) = (scale * cos(turn - y) / cos(y), scale * sin(turn - y) / cos(y))
    let linear = ProjectiveTransform(
      SIMD3(cosine, -cosine * tan(x) - scale * sin(turn), 0), SIMD3(sine, -sine * tan(x) + scale * cos(turn), 0))
    return .translation(right: -center.x, down: -center.y).followed(by: linear)
      .followed(by: .translation(right: center.x, down: center.y))
  }

  /// Takes the corners of a `width` x `height` picture (upper left, upper right, lower right, lower left) to four
  /// points of which no three lie in a line (Heckbert, "Fundamentals of Texture Mapping and Image Warping", 1989).
  public static func perspective(width: Double, height: Double, corners: [SIMD2<Double>]) -> ProjectiveTransform {
    let (a, b, c, d) = (corners[0], corners[1], corners[2], corners[3])
    let (first, second, sum) = (b - c, d - c, a - b + c - d)
    let area = first.x * second.y - first.y * second.x
    let g = (sum.x * second.y - sum.y * second.x) / area
    let h = (first.x * sum.y - first.y * sum.x) / area
    let across = (b - a + g * b) / width
    let down = (d - a + h * d) / height
    return ProjectiveTransform(
      SIMD3(across.x, down.x, a.x), SIMD3(across.y, down.y, a.y), SIMD3(g / width, h / height, 1))
  }

  /// This transform, and then another one.
  public func followed(by next: ProjectiveTransform) -> ProjectiveTransform {
    let product = next.rows.map { row in row.x * rows[0] + row.y * rows[1] + row.z * rows[2] }
    return ProjectiveTransform(product[0], product[1], product[2])
  }

  /// The way back.
  public var inverse: ProjectiveTransform {
    let (a, b, c) = (rows[0], rows[1], rows[2])
    func cross(_ u: SIMD3<Double>, _ v: SIMD3<Double>) -> SIMD3<Double> {
      SIMD3(u.y * v.z - u.z * v.y, u.z * v.x - u.x * v.z, u.x * v.y - u.y * v.x)
    }
    let columns = [cross(b, c), cross(c, a), cross(a, b)]
    let determinant = a.x * columns[0].x + a.y * columns[0].y + a.z * columns[0].z
    let scaled = columns.map { $0 / determinant }
    return ProjectiveTransform(
      SIMD3(scaled[0].x, scaled[1].x, scaled[2].x), SIMD3(scaled[0].y, scaled[1].y, scaled[2].y),
      SIMD3(scaled[0].z, scaled[1].z, scaled[2].z))
  }

  /// Where a point goes.
  public func callAsFunction(_ point: SIMD2<Double>) -> SIMD2<Double> {
    let vector = SIMD3(point.x, point.y, 1)
    let depth = (rows[2] * vector).sum()
    return SIMD2((rows[0] * vector).sum() / depth, (rows[1] * vector).sum() / depth)
  }

  /// Whether parallel lines stay parallel.
  public var isAffine: Bool { rows[2].x == 0 && rows[2].y == 0 }
}

/// Resizes feature maps `[N, C, ...]` by a factor, or to fixed extents.
public struct Resize: Layer {
  private enum Target: Hashable { case extents([Int]), factor(Double) }
  private let target: Target
  public var method: ResizeAttributes.Method
  public var coordinates: ResizeAttributes.Coordinates
  public var antialiases: Bool

  /// - Parameter extents: of the spatial axes.
  public init(
    to extents: [Int], method: ResizeAttributes.Method = .linear,
    coordinates: ResizeAttributes.Coordinates = .halfPixel, antialiases: Bool = false
  ) {
    target = .extents(extents)
    (self.method, self.coordinates, self.antialiases) = (method, coordinates, antialiases)
  }

  /// - Parameter factor: output elements for each input element; the extents are rounded down.
  public init(
    by factor: Double, method: ResizeAttributes.Method = .linear,
    coordinates: ResizeAttributes.Coordinates = .halfPixel, antialiases: Bool = false
  ) {
    if !(factor > 0 && factor.isFinite) { fail("the factor of a resize must be positive, but it is \(factor)") }
    target = .factor(factor)
    (self.method, self.coordinates, self.antialiases) = (method, coordinates, antialiases)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let (output, scales): ([Int], [Double]?) =
      switch target {
      case .extents(let extents): (extents, nil)
      case .factor(let factor):
        // PyTorch lets corners coincide at the extents as they are.
        (
          x.shape.spatial.map { Int(Double($0) * factor) },
          coordinates == .alignCorners ? nil : x.shape.spatial.map { _ in factor }
        )
      }
    return x.resized(
      ResizeAttributes(
        output: output, scales: scales, method: method, coordinates: coordinates, antialiases: antialiases))
  }
}

/// `[N, C * r * r, H, W]` to `[N, C, H * r, W * r]` (Shi et al., 2016).
public struct PixelShuffle: Layer {
  public let factor: Int
  public init(_ factor: Int) { self.factor = factor }
  public func callAsFunction(_ x: Tensor) -> Tensor { x.pixelShuffled(by: factor) }
}

/// The inverse of ``PixelShuffle``: `[N, C, H * r, W * r]` to `[N, C * r * r, H, W]`.
public struct PixelUnshuffle: Layer {
  public let factor: Int
  public init(_ factor: Int) { self.factor = factor }
  public func callAsFunction(_ x: Tensor) -> Tensor { x.pixelUnshuffled(by: factor) }
}

/// ReLU with a learned slope for negative elements, one for all or one for each channel (He et al., 2015).
public struct PReLU: Layer {
  /// `[1]` or `[C]`.
  public var slope: Tensor

  public static var fields: [Field<Self>] { [.init("weight", \.slope, kind: .vector)] }

  public init(channels: Int = 1, slope: Float = 0.25) { self.slope = .filled(with: slope, [channels]) }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    // Another number of channels might broadcast.
    if slope.elementCount > 1, x.rank < 2 || x.shape[1] != slope.elementCount {
      return x.misfit("prelu: the layer has \(slope.elementCount) channels, but the input is \(x.shape)")
    }
    return choose(where: relu(x), x, x * (slope.elementCount == 1 ? slope : slope.asChannels(of: x.rank)))
  }
}

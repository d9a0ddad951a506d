public import Layers
public import Vision

extension HeatMap {
  /// From black through red to light yellow ("inferno", made for even steps in lightness).
  private static let warm: [SIMD3<Float>] = [
    [0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39],
    [252, 255, 164],
  ]
  private static let cold = SIMD3<Float>(46, 134, 222)

  /// A picture under the map: what speaks for the class glows, what speaks against it is blue, and the rest is dimmed.
  ///
  /// - Parameter picture: as the network sees it; the map is brought to its size.
  public func overlay(on picture: Image) -> Image {
    let map = resized(width: picture.width, height: picture.height)
    let largest = map.brightness
    let (color, grey) = (picture.rgb(), picture.composited(over: .white).grey())
    var pixels = [UInt8](repeating: 0, count: picture.width * picture.height * 3)
    for pixel in 0..<picture.width * picture.height {
      let value = map.values[pixel]
      let level = largest > 0 && value.isFinite ? min(1, abs(value) / largest) : 0
      let own = SIMD3<Float>(
        Float(color.pixels[3 * pixel]), Float(color.pixels[3 * pixel + 1]), Float(color.pixels[3 * pixel + 2]))
      // Half of the colour is taken out, so that the map's own stands out.
      let ground = (own + SIMD3(repeating: Float(grey.pixels[pixel]))) * 0.5
      let ink = value < 0 ? Self.cold : Self.color(level)
      let share = 0.2 + 0.55 * level
      let mixed = ground * (1 - share) + ink * share
      for channel in 0..<3 { pixels[3 * pixel + channel] = UInt8(min(255, max(0, mixed[channel].rounded()))) }
    }
    return Image(width: picture.width, height: picture.height, channels: 3, pixels: pixels)
  }

  private static func color(_ level: Float) -> SIMD3<Float> {
    let position = level * Float(warm.count - 1)
    let index = min(warm.count - 2, Int(position))
    let share = position - Float(index)
    return warm[index] * (1 - share) + warm[index + 1] * share
  }

  /// The magnitude that is drawn brightest: of fine maps all but one in a hundred lie below it, since single pixels
  /// would leave the rest dark.
  private var brightness: Float {
    let magnitudes = values.map { $0.isFinite ? abs($0) : 0 }.sorted()
    guard let largest = magnitudes.last else { return 0 }
    let high = magnitudes[(magnitudes.count - 1) * 99 / 100]
    return magnitudes.count < 1000 || high == 0 ? largest : high
  }
}

extension Image {
  /// The strongest feature maps of one example as grey tiles, each from its own smallest to its own largest value.
  ///
  /// - Parameters:
  ///   - tensor: `[1, channels, height, width]`.
  ///   - count: of maps, those with the largest sum first.
  ///   - side: pixels of a tile's longer side, about.
  public static func featureMaps(_ tensor: Tensor, count: Int = 12, side: Int = 64) -> Image {
    if tensor.rank != 4 { fail("feature maps have four axes, but these are \(tensor.shape)") }
    let (channels, height, width) = (tensor.shape[1], tensor.shape[2], tensor.shape[3])
    let (area, numbers) = (height * width, tensor.scalars(as: Float.self))
    let sums = (0..<channels).map { numbers[$0 * area..<($0 + 1) * area].reduce(Float(0)) { $0 + abs($1) } }
    let chosen = (0..<channels).sorted { (-sums[$0], $0) < (-sums[$1], $1) }.prefix(count).sorted()
    let tiles = chosen.map { channel in
      let map = numbers[channel * area..<(channel + 1) * area].map { $0.isFinite ? $0 : 0 }
      let (low, high) = (map.min() ?? 0, map.max() ?? 0)
      let scale = high > low ? 255 / (high - low) : 0
      let tile = Image(
        width: width, height: height, channels: 1, pixels: map.map { UInt8((($0 - low) * scale).rounded()) })
      return max(width, height) > side ? tile.thumbnail(side: side) : tile.enlarged(by: side / max(width, height))
    }
    return ContactSheet(tiles.map { .init($0) }, columns: 6).image(gap: 4, smallestSide: 1)
  }
}

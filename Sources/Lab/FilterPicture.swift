public import Layers
public import Vision

extension Image {
  /// The kernels of a model's first convolution side by side: in colour if they have three channels, otherwise one row
  /// of grey tiles for each kernel's channels. Middle grey is 0; each kernel is scaled by its own largest weight.
  ///
  /// - Throws: ``LabError`` if the model has no two-dimensional convolution, or its kernels are too many to draw.
  public static func firstLayerFilters(of model: some Module) throws(LabError) -> Image {
    guard let weight = model.parameters.first(where: { $0.tensor.rank == 4 })?.tensor else {
      throw LabError("the model has no two-dimensional convolution")
    }
    let (count, channels, height, width) = (weight.shape[0], weight.shape[1], weight.shape[2], weight.shape[3])
    let isColor = channels == 3
    let tiles = isColor ? count : count * channels
    guard (1...4096).contains(tiles), height <= 64, width <= 64 else {
      throw LabError("\(count) kernels of \(channels)x\(height)x\(width) are too many to draw")
    }
    var columns = 1
    while columns * columns < tiles { columns += 1 }
    if !isColor && channels > 1 { columns = channels }
    let rows = (tiles + columns - 1) / columns
    let zoom = max(1, 48 / max(height, width))
    let gap = 4
    let (wide, high) = (columns * (width * zoom + gap) + gap, rows * (height * zoom + gap) + gap)
    let samples = isColor ? 3 : 1
    let weights: [Float] = weight.scalars()
    let size = channels * height * width
    var pixels = [UInt8](repeating: 255, count: wide * high * samples)
    for tile in 0..<tiles {
      let kernel = isColor ? tile : tile / channels
      let largest = max(1e-12, weights[kernel * size..<(kernel + 1) * size].map { $0.magnitude }.max() ?? 0)
      let left = gap + tile % columns * (width * zoom + gap)
      let top = gap + tile / columns * (height * zoom + gap)
      for y in 0..<height * zoom {
        for x in 0..<width * zoom {
          for sample in 0..<samples {
            let channel = isColor ? sample : tile % channels
            let value = weights[((kernel * channels + channel) * height + y / zoom) * width + x / zoom]
            // A weight that is not a number is drawn as 0.
            let level = value.isFinite && largest.isFinite ? value / largest : 0
            pixels[((top + y) * wide + left + x) * samples + sample] = UInt8((127.5 + 127.5 * level).rounded())
          }
        }
      }
    }
    return Image(width: wide, height: high, channels: samples, pixels: pixels)
  }
}

public import Layers
public import Vision

extension Image {
  /// The kernels of a model's first convolution side by side: in colour if they have three channels, otherwise one row
  /// of grey tiles for each kernel's channels. Middle grey is 0; each kernel is scaled by its own largest weight.
  ///
  /// - Throws: ``InspectError`` if the model has no two-dimensional convolution, or its kernels are too many to draw.
  public static func firstLayerFilters(of model: some Module) throws(InspectError) -> Image {
    guard let weight = model.parameters.first(where: { $0.tensor.rank == 4 })?.tensor else {
      throw InspectError("the model has no two-dimensional convolution")
    }
    let (count, channels, height, width) = (weight.shape[0], weight.shape[1], weight.shape[2], weight.shape[3])
    let isColor = channels == 3
    let tiles = isColor ? count : count * channels
    guard (1...4096).contains(tiles), height <= 64, width <= 64 else {
      throw InspectError("\(count) kernels of \(channels)x\(height)x\(width) are too many to draw")
    }
    let zoom = max(1, 48 / max(height, width))
    let weights: [Float] = weight.scalars()
    let (size, area) = (channels * height * width, height * width)
    let pictures = (0..<tiles).map { tile in
      let kernel = isColor ? tile : tile / channels
      let largest = max(1e-12, weights[kernel * size..<(kernel + 1) * size].map { $0.magnitude }.max() ?? 0)
      let first = isColor ? kernel * size : tile * area
      let pixels = (0..<(isColor ? 3 * area : area)).map { position in
        // Interleaved, where the weights are channel after channel.
        let offset = isColor ? position % 3 * area + position / 3 : position
        let value = weights[first + offset]
        // A weight that is not a number is drawn as 0.
        let level = value.isFinite && largest.isFinite ? value / largest : 0
        return UInt8((127.5 + 127.5 * level).rounded())
      }
      return Image(width: width, height: height, channels: isColor ? 3 : 1, pixels: pixels).enlarged(by: zoom)
    }
    return .sheet(of: pictures, columns: !isColor && channels > 1 ? channels : nil)
  }
}

public import Layers
public import Vision

/// The kernels of one of a model's two-dimensional convolutions side by side: in colour if they have three channels,
/// otherwise one row of grey tiles for each kernel's channels. Middle grey is 0; each kernel is scaled by its own largest
/// weight.
public struct FilterPicture: Sendable, CustomStringConvertible {
  /// More kernels, or channels of one, are left out.
  public static let limit = 64

  /// Of the weights that are drawn.
  public let path: String
  /// `[kernels, channels, height, width]`.
  public let shape: Shape
  public let image: Image

  /// - Parameter path: of the layer or its weights, such as `layer1.0.conv1`; by default the first convolution.
  /// - Throws: ``InspectError`` if the model has no such convolution or its kernels are too large to draw.
  public init(of model: some Module, path: String? = nil) throws(InspectError) {
    let kernels = model.parameters.filter { $0.tensor.rank == 4 }
    guard let first = kernels.first else { throw InspectError("the model has no two-dimensional convolution") }
    let found = path.map { path in kernels.first { $0.path == path || $0.path == "\(path).weight" } } ?? first
    guard let found else {
      let names = kernels.prefix(8).map { $0.path.hasSuffix(".weight") ? String($0.path.dropLast(7)) : $0.path }
      throw InspectError(
        "the model has no convolution \"\(path ?? "")\"; its convolutions are \(names.joined(separator: ", "))"
          + (kernels.count > 8 ? " and \(kernels.count - 8) more" : ""))
    }
    (self.path, shape) = (found.path, found.tensor.shape)
    guard shape[2] <= 64, shape[3] <= 64, shape.elementCount > 0 else {
      throw InspectError("\(found.path): kernels of \(shape[2])x\(shape[3]) are too large to draw")
    }
    image = Self.draw(found.tensor)
  }

  private static func draw(_ weight: Tensor) -> Image {
    let (channels, height, width) = (weight.shape[1], weight.shape[2], weight.shape[3])
    let count = min(weight.shape[0], limit)
    let shown = min(channels, limit)
    let isColor = channels == 3
    let tiles = isColor ? count : count * shown
    let columns = !isColor && channels > 1 ? shown : Int(Double(tiles).squareRoot().rounded(.up))
    let zoom = max(1, (columns > 16 ? 24 : 48) / max(height, width))
    let weights: [Float] = weight.scalars()
    let (size, area) = (channels * height * width, height * width)
    let pictures = (0..<tiles).map { tile in
      let kernel = isColor ? tile : tile / shown
      let largest = max(1e-12, weights[kernel * size..<(kernel + 1) * size].map { $0.magnitude }.max() ?? 0)
      let first = kernel * size + (isColor ? 0 : tile % shown * area)
      let pixels = (0..<(isColor ? 3 * area : area)).map { position in
        // Interleaved, where the weights are channel after channel.
        let value = weights[first + (isColor ? position % 3 * area + position / 3 : position)]
        // A weight that is not a number is drawn as 0.
        let level = value.isFinite && largest.isFinite ? value / largest : 0
        return UInt8((127.5 + 127.5 * level).rounded())
      }
      return Image(width: width, height: height, channels: isColor ? 3 : 1, pixels: pixels).enlarged(by: zoom)
    }
    return ContactSheet(pictures.map { .init($0) }, columns: columns).image(gap: 4, smallestSide: 1)
  }

  public var description: String {
    func shown(_ count: Int) -> String { count > Self.limit ? "the first \(Self.limit) of \(count)" : "\(count)" }
    let channels = shape[1] == 3 ? "as colours" : "a row for each kernel's \(shown(shape[1])) channels"
    return "\(path): \(shown(shape[0])) kernels of \(shape[2])x\(shape[3]), "
      + (shape[1] == 1 ? "one tile each" : channels) + "; middle grey is 0"
  }
}

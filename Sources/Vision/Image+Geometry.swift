import Graph

extension Image {
  /// Puts `image` over this one with its upper left corner at (`left`, `top`). It must have the same channels and fit.
  public mutating func paste(_ image: Image, left: Int, top: Int) {
    guard image.channels == channels, left >= 0, top >= 0, left + image.width <= width, top + image.height <= height
    else { fail("\(image) at (\(left), \(top)) does not fit into \(self)") }
    let line = image.width * channels
    for y in 0..<image.height {
      let to = ((top + y) * width + left) * channels
      pixels.replaceSubrange(to..<to + line, with: image.pixels[y * line..<(y + 1) * line])
    }
  }
}

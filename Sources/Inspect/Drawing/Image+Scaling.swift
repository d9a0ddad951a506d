public import Vision

extension Image {
  /// Every pixel as a square of `zoom` by `zoom`.
  public func enlarged(by zoom: Int) -> Image {
    zoom <= 1 ? self : resized(width: width * zoom, height: height * zoom, interpolation: .nearest)
  }

  /// The picture with its longer side brought down to `side`; smaller ones stay as they are.
  public func thumbnail(side: Int) -> Image {
    let longest = max(width, height)
    if longest <= side { return self }
    return resized(width: max(1, width * side / longest), height: max(1, height * side / longest))
  }
}

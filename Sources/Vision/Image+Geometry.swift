import Foundation
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

  /// The picture moved by whole pixels. What comes into view repeats the nearest border pixel: that is right for a
  /// black and for a white surround alike, which no fixed colour is.
  public func shifted(right: Int, down: Int) -> Image {
    Image(width: width, height: height, channels: channels) { output in
      pixels.withUnsafeBufferPointer { input in
        var to = 0
        for y in 0..<height {
          let row = min(max(y - down, 0), height - 1) * width
          for x in 0..<width {
            let from = (row + min(max(x - right, 0), width - 1)) * channels
            for channel in 0..<channels { output[to + channel] = input[from + channel] }
            to += channels
          }
        }
      }
    }
  }

  /// The picture turned about its middle by `degrees` (clockwise), enlarged by `scale` (positive) and moved by
  /// (`right`, `down`) pixels, by bilinear interpolation. What comes into view repeats the nearest border pixel.
  public func transformed(degrees: Float, scale: Float, right: Float = 0, down: Float = 0) -> Image {
    let radians = degrees * .pi / 180
    // From the result back to the source: undo the move, the turn and the scale, in that order.
    let (cosine, sine) = (cos(radians) / scale, sin(radians) / scale)
    let (middleX, middleY) = (Float(width - 1) / 2, Float(height - 1) / 2)
    return Image(width: width, height: height, channels: channels) { output in
      pixels.withUnsafeBufferPointer { input in
        var to = 0
        for y in 0..<height {
          for x in 0..<width {
            let (dx, dy) = (Float(x) - middleX - right, Float(y) - middleY - down)
            let sourceX = min(max(cosine * dx + sine * dy + middleX, 0), Float(width - 1))
            let sourceY = min(max(cosine * dy - sine * dx + middleY, 0), Float(height - 1))
            let (left, top) = (Int(sourceX), Int(sourceY))
            let (u, v) = (sourceX - Float(left), sourceY - Float(top))
            let (nextColumn, nextRow) = (left + 1 < width ? channels : 0, top + 1 < height ? width * channels : 0)
            let corner = (top * width + left) * channels
            for channel in 0..<channels {
              let from = corner + channel
              let upper = Float(input[from]) * (1 - u) + Float(input[from + nextColumn]) * u
              let lower = Float(input[from + nextRow]) * (1 - u) + Float(input[from + nextRow + nextColumn]) * u
              output[to + channel] = Self.sample(upper * (1 - v) + lower * v)
            }
            to += channels
          }
        }
      }
    }
  }
}

import Graph
public import Runtime

/// Grey images with labels, held in memory as bytes: MNIST and the sets that share its form.
public struct IDXDataset: LabeledDataset {
  public let imageHeight: Int
  public let imageWidth: Int
  public let classNames: [String]
  /// All images, one after another, rows from the top.
  private let pixels: [UInt8]
  private let labels: [UInt8]

  /// - Parameters:
  ///   - pixels: `count * imageHeight * imageWidth` bytes, 0 is black.
  ///   - labels: `count` indices into `classNames`.
  public init(pixels: [UInt8], labels: [UInt8], imageHeight: Int, imageWidth: Int, classNames: [String]) {
    if pixels.count != labels.count * imageHeight * imageWidth {
      fail("\(labels.count) images of \(imageHeight)x\(imageWidth) do not take \(pixels.count) bytes")
    }
    if let largest = labels.max(), Int(largest) >= classNames.count {
      fail("label \(largest) has no name among \(classNames.count) classes")
    }
    self.pixels = pixels
    self.labels = labels
    self.imageHeight = imageHeight
    self.imageWidth = imageWidth
    self.classNames = classNames
  }

  public var count: Int { labels.count }

  public func label(at index: Int) -> Int { Int(labels[index]) }

  /// The bytes of one image, `imageHeight` rows of `imageWidth`; shares memory with the data set.
  public func pixels(at index: Int) -> ArraySlice<UInt8> {
    let size = imageHeight * imageWidth
    return pixels[index * size..<(index + 1) * size]
  }

  public func contentHash(at index: Int) -> UInt64 { pixels(at: index).withUnsafeBytes { XXHash64.hash($0) } }

  /// The image as `[1, height, width]` from 0 (black) to 1 and its label as an Int32 scalar.
  public func example(at index: Int, random: RandomStream) -> Example {
    let input = Tensor(shape: [1, imageHeight, imageWidth], of: Float.self) { buffer in
      for (offset, pixel) in pixels(at: index).enumerated() { buffer[offset] = Float(pixel) / 255 }
    }
    return Example(input: input, target: Tensor(Int32(labels[index])))
  }
}

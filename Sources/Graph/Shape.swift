/// The extents of a tensor, outermost first. Images are `[batch, channels, height, width]` (NCHW), convolution
/// weights `[out, in / groups, kernel...]` (OIHW), as in PyTorch and ONNX.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral {
  public var dimensions: [Int]

  public init(_ dimensions: [Int]) { self.dimensions = dimensions }
  public init(arrayLiteral elements: Int...) { dimensions = elements }

  /// The shape of a single number.
  public static let scalar: Shape = []

  public var rank: Int { dimensions.count }
  /// The product of the extents; `Int.max` where that is more than a machine's word holds.
  public var elementCount: Int {
    if dimensions.contains(0) { return 0 }
    var product = 1
    for extent in dimensions {
      let (next, overflows) = product.multipliedReportingOverflow(by: extent)
      if overflows { return .max }
      product = next
    }
    return product
  }

  public subscript(_ axis: Int) -> Int {
    get { dimensions[axis] }
    set { dimensions[axis] = newValue }
  }

  /// The extents after batch and channels: `[height, width]` of an image.
  public var spatial: ArraySlice<Int> { dimensions.dropFirst(2) }

  /// Strides in elements of the dense row-major order.
  public var strides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    // Where a product overflows, no element exists that it could lead to.
    for axis in stride(from: rank - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] &* self[axis + 1] }
    return strides
  }

  /// `axis` counted from the front; a negative axis counts from the back.
  public func normalizedAxis(_ axis: Int) -> Int { axis < 0 ? axis + rank : axis }
}

extension Shape: CustomStringConvertible {
  /// `64x3x7x7`; a scalar is `scalar`.
  public var description: String {
    rank == 0 ? "scalar" : dimensions.map(String.init).joined(separator: "x")
  }
}

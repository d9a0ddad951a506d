package import Graph

extension Shape {
  /// A shape from a file: no negative extent, at most 64 axes, and no overflow in any product of extents, not even
  /// where an extent is zero, nor in sums of millions of them.
  package init?(checked dimensions: [Int]) {
    guard dimensions.count <= 64 else { return nil }
    // The widest element has eight bytes.
    var product = 8
    for dimension in dimensions {
      guard 0...1 << 40 ~= dimension else { return nil }
      let (next, overflows) = product.multipliedReportingOverflow(by: max(dimension, 1))
      if overflows { return nil }
      product = next
    }
    self.init(dimensions)
  }
}

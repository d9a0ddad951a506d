import Graph

/// The order of a tensor's elements in memory inside a plan.
///
/// At its edges a plan sees row-major tensors (NCHW); inside, convolutions, pooling and normalisation work on channels
/// last (NHWC), which makes a 1x1 convolution a plain matrix product and vectorises the rest over channels.
enum Layout: Hashable, Sendable {
  case rowMajor
  case channelsLast

  /// Whether both layouts of this shape are the same bytes.
  static func coincide(_ shape: Shape) -> Bool {
    shape.rank < 3 || shape[1] == 1 || shape.spatial.allSatisfy { $0 == 1 }
  }

  /// The extents in memory order.
  func physical(_ shape: Shape) -> [Int] { order(shape.rank).map { shape[$0] } }

  /// Per-axis attributes in memory order.
  func physical(_ attributes: [Int]) -> [Int] { order(attributes.count).map { attributes[$0] } }

  /// Where a logical axis lies in memory order.
  func physicalAxis(_ axis: Int, rank: Int) -> Int { order(rank).firstIndex(of: axis)! }

  /// The logical axes in memory order.
  private func order(_ rank: Int) -> [Int] {
    self == .rowMajor || rank < 3 ? Array(0..<rank) : [0] + Array(2..<rank) + [1]
  }
}

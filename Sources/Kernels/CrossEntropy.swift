import CKernels

/// A label that names no class.
package struct LabelOutOfRange: Error, Equatable, CustomStringConvertible {
  package let row: Int
  package let label: Int32
  package let classes: Int

  package var description: String {
    "the label of row \(row) is \(label), but there are \(classes) classes: labels go from 0 to \(classes - 1)"
  }
}

/// Cross-entropy of logits [rows, classes] with integer labels, averaged; PyTorch's formula with label smoothing and
/// class weights (smoothing spreads over the weighted classes; the mean divides by the sum of the labels' weights).
package struct CrossEntropyKernel: Sendable {
  package let rows: Int
  package let classes: Int
  package let smoothing: Double

  package init(rows: Int, classes: Int, smoothing: Double = 0) {
    self.rows = rows
    self.classes = classes
    self.smoothing = smoothing
  }

  /// Bytes of workspace for ``forward``.
  package var workspaceBytes: Int { rows * MemoryLayout<Double>.stride }

  /// The mean loss.
  ///
  /// - Parameters:
  ///   - weights: [classes], or nil for all 1.
  /// - Throws: the first label outside 0 ..< classes; nothing is computed then.
  package func forward(
    _ logits: UnsafePointer<Float>, labels: UnsafePointer<Int32>, weights: UnsafePointer<Float>? = nil,
    workspace: UnsafeMutableRawPointer, pool: ThreadPool,
    isa: InstructionSet = .best
  ) throws(LabelOutOfRange) -> Float {
    try check(labels)
    let kernel = isa.pointwise.cross_entropy!
    let p = parameters(weights)
    let losses = workspace.assumingMemoryBound(to: Double.self)
    if isNarrow(weights, isa) {
      let narrow = isa.pointwise.cross_entropy_narrow!
      pool.rowChunks(rows, width: classes * Self.narrowCost) { range in
        let first = range.lowerBound
        narrow(logits + first * classes, labels + first, range.count, classes, losses + first)
      }
      return Float((0..<rows).reduce(0) { $0 + losses[$1] } / Double(rows))
    }
    pool.rowChunks(rows, width: classes) { range in
      for row in range { losses[row] = kernel(p, logits + row * classes, labels[row]) }
    }
    return Float((0..<rows).reduce(0) { $0 + losses[$1] } / labelWeight(labels, weights))
  }

  /// dlogits = dloss * the gradient of the mean loss; dlogits must be memory of its own.
  ///
  /// - Throws: the first label outside 0 ..< classes; nothing is computed then.
  package func backward(
    _ logits: UnsafePointer<Float>, labels: UnsafePointer<Int32>, weights: UnsafePointer<Float>? = nil,
    dloss: Float, dlogits: UnsafeMutablePointer<Float>, pool: ThreadPool,
    isa: InstructionSet = .best
  ) throws(LabelOutOfRange) {
    try check(labels)
    let kernel = isa.pointwise.cross_entropy_backward!
    let p = parameters(weights)
    let scale = Float(Double(dloss) / labelWeight(labels, weights))
    if isNarrow(weights, isa) {
      let narrow = isa.pointwise.cross_entropy_backward_narrow!
      pool.rowChunks(rows, width: classes * Self.narrowCost) { range in
        let first = range.lowerBound
        narrow(logits + first * classes, labels + first, range.count, classes, scale, dlogits + first * classes)
      }
      return
    }
    pool.rowChunks(rows, width: classes) { range in
      for row in range {
        kernel(p, logits + row * classes, labels[row], scale, dlogits + row * classes)
      }
    }
  }

  /// Whether rows fill no vector, but are many: the pixels of a segmentation.
  private func isNarrow(_ weights: UnsafePointer<Float>?, _ isa: InstructionSet) -> Bool {
    let lanes = isa.pointwise.vector_width
    return weights == nil && smoothing == 0 && 2 * classes <= lanes && rows >= 4 * lanes
  }

  /// Elements of a simple loop that take as long as one logit.
  private static let narrowCost = 8

  private func check(_ labels: UnsafePointer<Int32>) throws(LabelOutOfRange) {
    for row in 0..<rows where !(0..<classes ~= Int(labels[row])) {
      throw LabelOutOfRange(row: row, label: labels[row], classes: classes)
    }
  }

  private func labelWeight(_ labels: UnsafePointer<Int32>, _ weights: UnsafePointer<Float>?) -> Double {
    guard let weights else { return Double(rows) }
    return (0..<rows).reduce(0) { $0 + Double(weights[Int(labels[$1])]) }
  }

  private func parameters(_ weights: UnsafePointer<Float>?) -> ck_cross_entropy {
    let sum = weights.map { w in (0..<classes).reduce(0) { $0 + Double(w[$1]) } } ?? Double(classes)
    return ck_cross_entropy(classes: classes, weights: weights, weight_sum: sum, smoothing: smoothing)
  }
}

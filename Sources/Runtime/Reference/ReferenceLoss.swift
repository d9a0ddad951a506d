internal import Graph

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Cross-entropy and its gradient, as in PyTorch's `torch.nn.functional.cross_entropy` with its default reduction.
///
/// With smoothing `s`, `K` classes and weights `w`, it is `(1 - s) * N + s / K * S`, where `N` is the mean of
/// `-w[label] * logp[label]` and `S` that of `-sum over c of w[c] * logp[c]`, both divided by the sum of `w[label]`
/// (without weights: by the number of labels).
struct CrossEntropy {
  private let logProbabilities: ReferenceArray
  private let labels: [Int]
  private let weights: [Double]
  private let labelSmoothing: Double
  private let view: AxisView
  private let divisor: Double

  /// - Parameters:
  ///   - logits: `[N, K, ...]`.
  ///   - labels: `[N, ...]`.
  ///   - weights: `[K]`.
  init(logits: ReferenceArray, labels: ReferenceArray, weights: ReferenceArray?, labelSmoothing: Double)
    throws(ReferenceError)
  {
    let classes = logits.shape[1]
    logProbabilities = ReferenceBackend.logSoftmax(logits, axis: 1)
    self.labels = labels.values.map { Int($0) }
    self.weights = weights?.values ?? .init(repeating: 1, count: classes)
    self.labelSmoothing = labelSmoothing
    view = AxisView(logits.shape, axis: 1)
    for (index, label) in self.labels.enumerated() where !(0..<classes).contains(label) {
      throw ReferenceError("cross_entropy: label \(index) is \(label), but there are \(classes) classes")
    }
    let classWeights = self.weights
    divisor = self.labels.reduce(0) { $0 + classWeights[$1] }
  }

  var value: Double {
    var (likelihood, smoothness) = (0.0, 0.0)
    forEachLabel { label, line in
      likelihood -= weights[label] * logProbabilities.values[line[label]]
      for (c, index) in line.enumerated() { smoothness -= weights[c] * logProbabilities.values[index] }
    }
    return ((1 - labelSmoothing) * likelihood + labelSmoothing / Double(view.length) * smoothness) / divisor
  }

  /// The gradient with respect to the logits; that of `-logp[c]` is `p - onehot(c)`.
  var gradient: ReferenceArray {
    var gradient = logProbabilities
    let total = weights.reduce(0, +)
    forEachLabel { label, line in
      for (c, index) in line.enumerated() {
        let probability = exp(logProbabilities.values[index])
        let hard = weights[label] * (probability - (c == label ? 1 : 0))
        let smooth = total * probability - weights[c]
        gradient.values[index] =
          ((1 - labelSmoothing) * hard + labelSmoothing / Double(view.length) * smooth) / divisor
      }
    }
    return gradient
  }

  /// Calls `body` with each label and the offsets of its logits, class after class.
  private func forEachLabel(_ body: (Int, [Int]) -> Void) {
    for outer in 0..<view.outer {
      for inner in 0..<view.inner {
        body(labels[outer * view.inner + inner], (0..<view.length).map { view.offset(outer, $0, inner) })
      }
    }
  }
}

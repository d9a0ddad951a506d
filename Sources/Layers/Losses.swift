/// Mean cross-entropy of integer labels: `-log softmax(logits)[label]`.
///
/// - Parameters:
///   - logits: `[N, classes, ...]`.
///   - labels: int32 `[N, ...]`.
///   - classWeights: `[classes]`; the mean is then weighted.
///   - labelSmoothing: share of the target spread evenly over all classes (Szegedy et al., 2016).
public func crossEntropy(
  _ logits: Tensor, _ labels: Tensor, classWeights: Tensor? = nil, labelSmoothing: Double = 0
) -> Tensor {
  apply(
    .crossEntropy(labelSmoothing: labelSmoothing, isWeighted: classWeights != nil),
    [logits, labels.cast(to: .int32)] + (classWeights.map { [$0] } ?? []))[0]
}

/// The mean of squared differences. Both tensors must have the same shape: a loss never broadcasts.
public func squaredError(_ prediction: Tensor, _ target: Tensor) -> Tensor {
  requireSameShape(prediction, target, "squaredError")
  return square(prediction - target).mean()
}

/// The mean of absolute differences of two tensors of the same shape.
public func absoluteError(_ prediction: Tensor, _ target: Tensor) -> Tensor {
  requireSameShape(prediction, target, "absoluteError")
  return abs(prediction - target).mean()
}

/// Mean binary cross-entropy of logits and targets in 0...1 of the same shape, computed without overflow.
public func binaryCrossEntropyWithLogits(_ logits: Tensor, _ targets: Tensor) -> Tensor {
  requireSameShape(logits, targets, "binaryCrossEntropyWithLogits")
  return (softplus(logits) - logits * targets).mean()
}

private func requireSameShape(_ a: Tensor, _ b: Tensor, _ name: String) {
  if a.shape != b.shape {
    fail("\(name): the prediction is \(a.shape), the target \(b.shape); a loss does not broadcast")
  }
}

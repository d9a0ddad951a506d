/// Mean cross-entropy: `-log softmax(logits)[label]` of classes, `-sum(target * log softmax(logits))` of probabilities.
///
/// - Parameters:
///   - logits: `[N, classes, ...]`.
///   - targets: classes, int32 `[N, ...]`; or the probability of each, in the shape and type of `logits`.
///   - classWeights: `[classes]`. The mean over classes is then weighted, that over probabilities is not, as in PyTorch.
///   - labelSmoothing: share of the target spread evenly over all classes (Szegedy et al., 2016).
public func crossEntropy(
  _ logits: Tensor, _ targets: Tensor, classWeights: Tensor? = nil, labelSmoothing: Double = 0
) -> Tensor {
  guard targets.shape == logits.shape, targets.dtype == logits.dtype, logits.rank > 1 else {
    return apply(
      .crossEntropy(labelSmoothing: labelSmoothing, isWeighted: classWeights != nil),
      [logits, targets.cast(to: .int32)] + (classWeights.map { [$0] } ?? []))[0]
  }
  let classes = logits.shape[1]
  var targets = targets
  if labelSmoothing > 0 { targets = targets * (1 - labelSmoothing) + labelSmoothing / Double(classes) }
  if let classWeights {
    targets = targets * classWeights.reshaped(to: Shape([classes] + [Int](repeating: 1, count: logits.rank - 2)))
  }
  return (targets * apply(.logSoftmax(axis: 1), logits)).sum()
    * (-Double(classes) / Double(max(1, logits.elementCount)))
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

/// The mean Huber loss of two tensors of the same shape: quadratic up to a difference of `delta`, then linear (Huber,
/// 1964).
public func huberLoss(_ prediction: Tensor, _ target: Tensor, delta: Double = 1) -> Tensor {
  requireSameShape(prediction, target, "huberLoss")
  if !(delta > 0) { fail("the delta of a Huber loss must be positive, but it is \(delta)") }
  let distance = abs(prediction - target)
  let inner = clip(distance, 0...delta)
  return (square(inner) * 0.5 + (distance - inner) * delta).mean()
}

/// The mean hinge loss `max(0, 1 - target * score)` of scores and targets that are 1 or -1.
public func hingeLoss(_ scores: Tensor, _ targets: Tensor) -> Tensor {
  requireSameShape(scores, targets, "hingeLoss")
  return relu(1 - scores * targets).mean()
}

/// The Kullback-Leibler divergence `sum(target * log(target / prediction))`, averaged over the first axis.
///
/// - Parameters:
///   - logProbabilities: logarithms of the predicted probabilities.
///   - targets: probabilities of the same shape; a probability of 0 contributes nothing.
public func klDivergence(_ logProbabilities: Tensor, _ targets: Tensor) -> Tensor {
  requireSameShape(logProbabilities, targets, "klDivergence")
  let entropy = targets * log(targets + logicalNot(targets))
  return (entropy - targets * logProbabilities).sum() / Double(max(1, targets.shape.dimensions.first ?? 1))
}

/// One minus the Dice coefficient of each sample, averaged: `1 - (2 |p t| + smoothing) / (|p| + |t| + smoothing)`
/// (Milletari et al., "V-Net", 2016, with the plain sums of Sudre et al., 2017).
///
/// - Parameters:
///   - probabilities: `[N, ...]` in 0...1.
///   - targets: of the same shape.
///   - smoothing: keeps the loss of empty targets finite.
public func diceLoss(_ probabilities: Tensor, _ targets: Tensor, smoothing: Double = 1) -> Tensor {
  requireSameShape(probabilities, targets, "diceLoss")
  let axes = Array(1..<max(1, probabilities.rank))
  let overlap = (probabilities * targets).sum(along: axes) * 2 + smoothing
  let total = probabilities.sum(along: axes) + targets.sum(along: axes) + smoothing
  return (1 - overlap / total).mean()
}

/// The mean focal loss of logits and targets in 0...1 of the same shape: cross-entropy scaled by `(1 - p)^gamma`, so
/// that what is easy counts little (Lin et al., 2017).
///
/// - Parameter alpha: the weight of positives, `1 - alpha` that of negatives; `nil` weighs both by 1.
public func focalLoss(_ logits: Tensor, _ targets: Tensor, alpha: Double? = 0.25, gamma: Double = 2) -> Tensor {
  requireSameShape(logits, targets, "focalLoss")
  let negatives = 1 - targets
  let entropy = softplus(logits) - logits * targets
  let miss = sigmoid(-logits) * targets + sigmoid(logits) * negatives
  let scale = gamma == 2 ? square(miss) : pow(miss, Tensor(Float(gamma)))
  let loss = entropy * scale
  guard let alpha else { return loss.mean() }
  return (loss * (targets * alpha + negatives * (1 - alpha))).mean()
}

private func requireSameShape(_ a: Tensor, _ b: Tensor, _ name: String) {
  if a.shape != b.shape {
    _ = (a.isConcrete ? b : a).misfit(
      "\(name): the prediction is \(a.shape), the target \(b.shape); a loss does not broadcast")
  }
}

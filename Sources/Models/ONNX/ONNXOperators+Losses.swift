import Layers

extension ONNXOperators {
  static let losses: [String: ONNXOperator] = [
    "NegativeLogLikelihoodLoss": { [try $0.likelihoodLoss($0.input())] },
    "SoftmaxCrossEntropyLoss": { call in
      let logarithms = try call.compute(.logSoftmax(axis: 1), call.input())
      return [try call.likelihoodLoss(logarithms), logarithms]
    },
  ]
}

extension ONNXCall {
  /// The mean, sum or list of `-weight[label] * logProbability[label]`; labels must be known.
  fileprivate func likelihoodLoss(_ logarithms: Tensor) throws -> Tensor {
    let labels = try input(1)
    var expected = logarithms.shape
    guard expected.rank >= 2 else { throw invalid("the input \(expected) has no classes") }
    let classes = expected.dimensions.remove(at: 1)
    guard labels.shape == expected else { throw invalid("labels \(labels.shape) for \(logarithms.shape)") }
    let weights = try optional(2).map(doubles(of:)) ?? .init(repeating: 1, count: classes)
    guard weights.count == classes else { throw invalid("\(weights.count) weights for \(classes) classes") }
    let ignored = try integer("ignore_index", .min)

    let inner = expected.dimensions.dropFirst().reduce(1, *)
    var mask = [Double](repeating: 0, count: logarithms.elementCount)
    var total = 0.0
    for (position, label) in try integers(of: labels).enumerated() where label != ignored {
      guard 0..<classes ~= label else { throw invalid("the label \(label) is none of \(classes) classes") }
      mask[(position / inner * classes + label) * inner + position % inner] = -weights[label]
      total += weights[label]
    }
    let weighted = try multiply(logarithms, .made(mask, logarithms.shape, logarithms.dtype))
    let losses = try reduce(.sum, weighted, [1], keeps: false)
    let reduction = try string("reduction", "mean")
    if reduction == "none" { return losses }
    let sum = try reduce(.sum, losses, Array(0..<losses.rank), keeps: false)
    return reduction == "sum" ? sum : try affine(sum, scale: 1 / total)
  }
}

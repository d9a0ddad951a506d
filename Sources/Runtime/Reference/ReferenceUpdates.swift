internal import Graph

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension ReferenceBackend {
  /// The factor and the norm, as in PyTorch's `clip_grad_norm_`.
  static func clipFactor(loss: ReferenceArray, gradients: ArraySlice<ReferenceArray>, _ maximumNorm: Double?)
    -> [ReferenceArray]
  {
    let norm = gradients.reduce(0) { $1.values.reduce($0) { $0 + $1 * $1 } }.squareRoot()
    var factor = maximumNorm.map { min(1, $0 / (norm + 1e-6)) } ?? 1
    if !norm.isFinite || !loss.values[0].isFinite { factor = .nan }
    return [ReferenceArray(.scalar, [factor]), ReferenceArray(.scalar, [norm])]
  }

  /// Inputs and outputs as those of `Operation.sgd`.
  static func sgd(_ attributes: SGDAttributes, _ inputs: [ReferenceArray]) -> [ReferenceArray] {
    let (factor, rate) = (inputs[2].values[0], inputs[3].values[0] * attributes.rateFactor)
    var outputs = [inputs[0]] + inputs[4...]
    if factor.isNaN { return outputs }
    for index in inputs[0].values.indices {
      let parameter = inputs[0].values[index]
      var gradient = inputs[1].values[index] * factor
      if !attributes.isDecoupled { gradient += attributes.weightDecay * parameter }
      var direction = gradient
      if attributes.momentum != 0 {
        let velocity = attributes.momentum * inputs[4].values[index] + gradient
        outputs[1].values[index] = velocity
        direction = attributes.isNesterov ? gradient + attributes.momentum * velocity : velocity
      }
      let decay = attributes.isDecoupled ? attributes.weightDecay * parameter : 0
      outputs[0].values[index] = parameter - rate * decay - rate * direction
    }
    return outputs
  }

  /// Inputs and outputs as those of `Operation.adam`.
  static func adam(_ attributes: AdamAttributes, _ inputs: [ReferenceArray]) -> [ReferenceArray] {
    let (factor, step) = (inputs[2].values[0], inputs[3].values[1])
    let rate = inputs[3].values[0] * attributes.rateFactor
    var outputs = [inputs[0], inputs[4], inputs[5]]
    if factor.isNaN { return outputs }
    let (beta1, beta2) = (attributes.beta1, attributes.beta2)
    // The moments start at zero, which makes the first ones too small.
    let (correction1, correction2) = (1 - pow(beta1, step), 1 - pow(beta2, step))
    for index in inputs[0].values.indices {
      let parameter = inputs[0].values[index]
      var gradient = inputs[1].values[index] * factor
      if !attributes.isDecoupled { gradient += attributes.weightDecay * parameter }
      let first = beta1 * inputs[4].values[index] + (1 - beta1) * gradient
      let second = beta2 * inputs[5].values[index] + (1 - beta2) * gradient * gradient
      let direction = (first / correction1) / ((second / correction2).squareRoot() + attributes.epsilon)
      let decay = attributes.isDecoupled ? attributes.weightDecay * parameter : 0
      outputs[0].values[index] = parameter - rate * decay - rate * direction
      outputs[1].values[index] = first
      outputs[2].values[index] = second
    }
    return outputs
  }
}

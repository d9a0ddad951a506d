internal import Graph

extension ReferenceBackend {
  /// `(x - mean) * inverseDeviation * scale + shift`, each of them per channel (axis 1).
  static func normalized(
    _ x: ReferenceArray, mean: [Double], inverseDeviation: [Double], scale: [Double], shift: [Double]
  ) -> ReferenceArray {
    let view = AxisView(x.shape, axis: 1)
    var y = x
    for index in x.values.indices {
      let c = index / view.inner % view.length
      y.values[index] = (x.values[index] - mean[c]) * inverseDeviation[c] * scale[c] + shift[c]
    }
    return y
  }

  /// Inputs and outputs as those of `Operation.batchNormTraining`.
  static func batchNormTraining(
    _ x: [ReferenceArray], epsilon: Double, momentum: Double, _ epilogue: Epilogue
  ) -> [ReferenceArray] {
    let view = AxisView(x[0].shape, axis: 1)
    let count = Double(view.outer * view.inner)
    var mean = [Double](repeating: 0, count: view.length)
    var variance = mean
    for (index, value) in x[0].values.enumerated() { mean[index / view.inner % view.length] += value / count }
    for (index, value) in x[0].values.enumerated() {
      let c = index / view.inner % view.length
      variance[c] += (value - mean[c]) * (value - mean[c]) / count
    }
    let inverseDeviation = variance.map { 1 / ($0 + epsilon).squareRoot() }
    var y = normalized(
      x[0], mean: mean, inverseDeviation: inverseDeviation, scale: x[1].values, shift: x[2].values)
    if epilogue.addsResidual { y = ReferenceArray(y.shape, zip(y.values, x[5].values).map(+)) }
    let channels = x[1].shape
    let unbiased = variance.map { $0 * count / (count - 1) }
    func blended(_ running: ReferenceArray, _ batch: [Double]) -> ReferenceArray {
      ReferenceArray(channels, zip(running.values, batch).map { (1 - momentum) * $0 + momentum * $1 })
    }
    return [
      activated(y, epilogue.activation), ReferenceArray(channels, mean), ReferenceArray(channels, inverseDeviation),
      blended(x[3], mean), blended(x[4], unbiased),
    ]
  }

  /// Inputs and outputs as those of `Operation.batchNormGradient`.
  static func batchNormGradient(_ inputs: [ReferenceArray], _ attributes: BatchNormGradientAttributes)
    -> [ReferenceArray]
  {
    let (x, scale, mean, inverseDeviation) = (inputs[1], inputs[2].values, inputs[3].values, inputs[4].values)
    var dy = inputs[0].values
    if let mask = attributes.mask {
      let y =
        switch mask {
        case .output: inputs[5]
        case .shift:
          normalized(x, mean: mean, inverseDeviation: inverseDeviation, scale: scale, shift: inputs[5].values)
        }
      for index in dy.indices { dy[index] *= mask.activation.derivative(y.values[index]) }
    }

    let view = AxisView(x.shape, axis: 1)
    let count = Double(view.outer * view.inner)
    func channel(_ index: Int) -> Int { index / view.inner % view.length }
    func normalizedValue(_ index: Int) -> Double {
      (x.values[index] - mean[channel(index)]) * inverseDeviation[channel(index)]
    }
    var dscale = [Double](repeating: 0, count: view.length)
    var dshift = dscale
    for index in dy.indices {
      dscale[channel(index)] += dy[index] * normalizedValue(index)
      dshift[channel(index)] += dy[index]
    }
    let dx = dy.indices.map { index in
      let c = channel(index)
      let residual = attributes.addsResidual ? inputs[inputs.count - 1].values[index] : 0
      return scale[c] * inverseDeviation[c]
        * (dy[index] - dshift[c] / count - normalizedValue(index) * dscale[c] / count) + residual
    }
    let channels = inputs[2].shape
    let gradients = [ReferenceArray(x.shape, dx), ReferenceArray(channels, dscale), ReferenceArray(channels, dshift)]
    return gradients + (attributes.returnsMasked ? [ReferenceArray(x.shape, dy)] : [])
  }
}

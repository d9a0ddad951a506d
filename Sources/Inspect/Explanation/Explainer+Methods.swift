public import Layers

extension Explainer {
  /// Explains a score.
  ///
  /// - Parameters:
  ///   - input: `[channels, height, width]`, as the preprocessing makes it: 0 is the average colour.
  ///   - index: the class; the most probable one unless given.
  public func attribution(of input: Tensor, class index: Int? = nil, method: Attribution.Method = .gradCAM) throws
    -> Attribution
  {
    if let index, !(0..<classes).contains(index) {
      throw InspectError("there is no class \(index); the model knows \(classes), counted from 0")
    }
    let logits: [Float] = try run(batched(input), class: 0, .nothing, .trained)[0].scalars()
    let best = logits.indices.max { logits[$0] < logits[$1] || (logits[$0] == logits[$1] && $0 > $1) } ?? 0
    return try attribution(of: input, class: index ?? best, method: method, .trained)
  }

  func attribution(of input: Tensor, class index: Int, method: Attribution.Method, _ variant: Variant) throws
    -> Attribution
  {
    switch method {
    case .gradCAM: try gradCAM(input, index, variant)
    case .occlusion: try occlusion(input, index, variant)
    case .integratedGradients: try integratedGradients(input, index, variant)
    case .saliency: try saliency(input, index, variant)
    }
  }

  private func batched(_ input: Tensor) -> Tensor { input.reshaped(to: Shape([1] + input.shape.dimensions)) }

  private func gradCAM(_ input: Tensor, _ index: Int, _ variant: Variant) throws -> Attribution {
    let outputs = try run(batched(input), class: index, .featureGradients, variant)
    let shape = outputs[1].shape
    let (channels, area) = (shape[1], shape[2] * shape[3])
    let (features, gradient): ([Float], [Float]) = (outputs[1].scalars(), outputs[2].scalars())
    var map = [Float](repeating: 0, count: area)
    for channel in 0..<channels {
      let part = channel * area..<(channel + 1) * area
      let weight = gradient[part].reduce(0, +) / Float(area)
      for (cell, feature) in features[part].enumerated() { map[cell] += weight * feature }
    }
    return Attribution(
      method: .gradCAM, classIndex: index, score: outputs[0].scalars()[index], layer: layer,
      map: HeatMap(width: shape[3], height: shape[2], values: map.map { max(0, $0) }),
      uncut: HeatMap(width: shape[3], height: shape[2], values: map))
  }

  private func saliency(_ input: Tensor, _ index: Int, _ variant: Variant) throws -> Attribution {
    let outputs = try run(batched(input), class: index, .inputGradients, variant)
    let gradient: [Float] = outputs[1].scalars()
    let (channels, area) = (input.shape[0], input.shape[1] * input.shape[2])
    let map = (0..<area).map { pixel in
      (0..<channels).reduce(Float(0)) { max($0, abs(gradient[$1 * area + pixel])) }
    }
    return Attribution(
      method: .saliency, classIndex: index, score: outputs[0].scalars()[index],
      map: HeatMap(width: input.shape[2], height: input.shape[1], values: map))
  }

  /// The integral by the midpoint rule, from the average colour, which preprocessing has made 0.
  private func integratedGradients(_ input: Tensor, _ index: Int, _ variant: Variant) throws -> Attribution {
    let numbers: [Float] = input.scalars()
    let (channels, area) = (input.shape[0], input.shape[1] * input.shape[2])
    var sums = [Double](repeating: 0, count: numbers.count)
    let steps = Self.integrationSteps
    var first = 0
    while first < steps {
      let count = min(batchSize, steps - first)
      let points = (first..<first + count).flatMap { step in
        let share = (Float(step) + 0.5) / Float(steps)
        return numbers.map { share * $0 }
      }
      let batch = Tensor(points, shape: Shape([count] + input.shape.dimensions))
      let gradients: [Float] = try run(batch, class: index, .inputGradients, variant)[1].scalars()
      for (position, gradient) in gradients.enumerated() { sums[position % numbers.count] += Double(gradient) }
      first += count
    }
    let parts = zip(numbers, sums).map { Double($0) * $1 / Double(steps) }
    let map = (0..<area).map { pixel in Float((0..<channels).reduce(0.0) { $0 + parts[$1 * area + pixel] }) }
    let score = try run(batched(input), class: index, .nothing, variant)[0].scalars(as: Float.self)[index]
    let ground = try run(batched(.zeros(input.shape)), class: index, .nothing, variant)[0]
    let change = Double(score) - Double(ground.scalars(as: Float.self)[index])
    return Attribution(
      method: .integratedGradients, classIndex: index, score: score,
      map: HeatMap(width: input.shape[2], height: input.shape[1], values: map),
      completenessGap: abs(parts.reduce(0, +) - change) / max(abs(change), 1e-6))
  }

  /// A patch of an eighth of each side moves by half of itself; each pixel gets the mean over the patches on it.
  private func occlusion(_ input: Tensor, _ index: Int, _ variant: Variant) throws -> Attribution {
    let (channels, height, width) = (input.shape[0], input.shape[1], input.shape[2])
    let numbers: [Float] = input.scalars()
    let patches = Self.occlusionPatches(height: height, width: width)
    let score = try run(batched(input), class: index, .nothing, variant)[0].scalars(as: Float.self)[index]
    var drops: [Float] = []
    while drops.count < patches.count {
      let part = patches[drops.count..<min(drops.count + batchSize, patches.count)]
      var covered: [Float] = []
      for patch in part {
        var copy = numbers
        for channel in 0..<channels {
          for y in patch.rows {
            let line = (channel * height + y) * width
            for x in patch.columns { copy[line + x] = 0 }
          }
        }
        covered += copy
      }
      let batch = Tensor(covered, shape: [part.count, channels, height, width])
      let logits: [Float] = try run(batch, class: index, .nothing, variant)[0].scalars()
      drops += (0..<part.count).map { score - logits[$0 * classes + index] }
    }
    var (sums, counts) = ([Float](repeating: 0, count: height * width), [Float](repeating: 0, count: height * width))
    for (patch, drop) in zip(patches, drops) {
      for y in patch.rows {
        for x in patch.columns {
          sums[y * width + x] += drop
          counts[y * width + x] += 1
        }
      }
    }
    return Attribution(
      method: .occlusion, classIndex: index, score: score,
      map: HeatMap(width: width, height: height, values: zip(sums, counts).map { $0 / max(1, $1) }))
  }

  /// Patches that cover the whole picture; the last ones of a row and column end at its border.
  static func occlusionPatches(height: Int, width: Int) -> [(rows: Range<Int>, columns: Range<Int>)] {
    func spans(_ extent: Int) -> [Range<Int>] {
      let side = min(extent, max(2, extent / 8))
      let step = max(1, side / 2)
      var starts = Array(stride(from: 0, through: extent - side, by: step))
      if starts.last != extent - side { starts.append(extent - side) }
      return starts.map { $0..<$0 + side }
    }
    return spans(height).flatMap { rows in spans(width).map { (rows, $0) } }
  }
}

/// How a convolution or one of its gradients is computed: chosen from its sizes and the instruction set alone, so that
/// results repeat.
package enum ConvAlgorithm: Hashable, Sendable {
  case direct
  case winograd(Winograd.Variant)

  /// What a plan allows.
  package enum Rules: Hashable, Sendable {
    case directOnly
    /// Weights are transformed in each step, and all tiles are 4x4: gradients deserve the more exact ones.
    case training
    /// Weights are transformed once.
    case inference
  }

  package static func forward(_ g: ConvGeometry, _ rules: Rules, isa: InstructionSet = .best) -> ConvAlgorithm {
    guard rules != .directOnly else { return .direct }
    // On small images 6x6 tiles reach far over the edge, with few outputs their transforms outweigh the products they
    // save, and with many channels their weights outgrow the caches.
    let isLarge =
      min(g.output.height, g.output.width) >= 56 && max(g.inChannels, g.outChannels) <= 128
      && 2 * g.outChannels >= g.inChannels
    // 5x5 tiles err more than 4x4 ones if they sum many channels.
    let mostPhased = rules == .inference ? 32 : 4
    let variants: [Winograd.Variant] = [
      rules == .inference && isLarge ? .six : .four, .fourStrided, .fivePhased,
    ]
    guard let variant = variants.first(where: { $0.applies(to: g) }),
      variant != .fivePhased || g.inChannels <= mostPhased
    else { return .direct }
    return choice(Winograd(forward: g, variant, isa: isa), packs: rules == .training)
  }

  package static func inputGradient(_ g: ConvGeometry, _ rules: Rules, isa: InstructionSet = .best) -> ConvAlgorithm {
    guard rules != .directOnly, Winograd.Variant.four.applies(toGradientOf: g) else { return .direct }
    return choice(Winograd(inputGradient: g, isa: isa), packs: rules == .training)
  }

  package static func weightGradient(_ g: ConvGeometry, _ rules: Rules, isa: InstructionSet = .best) -> ConvAlgorithm {
    guard rules != .directOnly, Winograd.Variant.four.applies(to: g) else { return .direct }
    let work = Work(Winograd(forward: g, .four, isa: isa))
    return work.products + work.transforms + 10 * work.weights < work.directProducts ? .winograd(.four) : .direct
  }

  // MARK: Costs, in multiply-accumulates of a vector, fitted to measurements

  private static func choice(_ winograd: Winograd, packs: Bool) -> ConvAlgorithm {
    let work = Work(winograd)
    var cost = work.products + work.transforms
    // Transformed weights take four times the memory; beyond the caches they come slowly.
    if winograd.transformedWeightsSize > Winograd.cachedWeights {
      cost += 12 * work.weights
      // Packing for the direct product takes as long, but for the memory. Where they are kept they must be worth it.
      cost += packs ? 10 * work.weights : cost / 5
    }
    return cost < work.directProducts ? .winograd(winograd.variant) : .direct
  }

  private struct Work {
    let products: Int
    let transforms: Int
    /// Vectors of transformed weights.
    let weights: Int
    let directProducts: Int

    init(_ w: Winograd) {
      let g = w.geometry
      let width = w.isa.convolution.vector_width
      let (inputs, outputs) = (divideUp(w.productDepth, width), divideUp(g.outChannels, width))
      weights = w.kernels.weight_points * w.productDepth * outputs
      // Sums of fewer channels are over before their tile of results is stored.
      products = w.kernels.points * max(w.productDepth, 8) * outputs * w.tileCount
      transforms = 8 * w.kernels.points * w.tileCount * (inputs + outputs)
      directProducts = w.directDepth * g.outputRows * outputs
    }
  }
}

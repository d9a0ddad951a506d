public import Layers
import Synchronization

/// Explains a classifier's decisions: draws no pictures, needs no training, and changes nothing in the model.
///
/// ```swift
/// let explainer = try Explainer(model, input: [3, 224, 224])
/// let attribution = try explainer.attribution(of: input, method: .gradCAM)
/// let check = try explainer.randomizationCheck(of: attribution, input: input)
/// ```
public final class Explainer: Sendable {
  /// Points on the way from the baseline to the picture (integrated gradients).
  public static let integrationSteps = 64
  /// Random networks of a check.
  public static let randomDraws = 3
  /// What a Grad-CAM map with its check costs at least, in passes forward of one picture: forward and backward for itself
  /// and for each random network, whose weights are packed anew.
  public static let passesPerCheckedMap = 4 * (1 + randomDraws)

  private let model: AnyLayer
  private let plans: ExplanationPlans
  private let loaded = Mutex<[Key: LoadedPlan]>([:])

  /// The model, or a copy of it whose last layers have random weights.
  struct Variant: Hashable {
    var draw: Int
    var layers: Int

    static let trained = Variant(draw: 0, layers: 0)
  }

  private struct Key: Hashable {
    var variant: Variant
    var batch: Int
    var need: ExplanationPlans.Need
  }

  /// - Parameters:
  ///   - model: gives one row of scores for each example.
  ///   - input: of one example, `[channels, height, width]`.
  ///   - layer: the name of the node whose feature maps Grad-CAM reads; the last spatial ones unless given.
  public init(_ model: AnyLayer, input: Shape, layer: String? = nil) throws {
    self.model = model
    plans = try ExplanationPlans(model, input: input, layer: layer)
  }

  /// The node whose feature maps Grad-CAM reads.
  public var layer: String? { plans.layer?.name }

  /// The number of classes.
  public var classes: Int { plans.classes }

  // MARK: Running

  /// Examples that run together: as many as half a million input numbers hold.
  var batchSize: Int { max(1, min(16, (1 << 19) / max(1, plans.input.elementCount))) }

  /// The most plans that are kept: each holds packed weights and an arena.
  private static let planCapacity = 8

  /// The outputs of a plan for a batch of inputs `[n, channels, height, width]`, all explained for one class.
  func run(_ inputs: Tensor, class index: Int, _ need: ExplanationPlans.Need, _ variant: Variant) throws -> [Tensor] {
    let plan = try plan(Key(variant: variant, batch: inputs.shape[0], need: need))
    if need == .nothing { return try plan.run([inputs]) }
    var selection = [Float](repeating: 0, count: inputs.shape[0] * classes)
    for row in 0..<inputs.shape[0] { selection[row * classes + index] = 1 }
    let chosen = Tensor(selection, shape: [inputs.shape[0], classes])
    return try plan.run(plan.plan.inputNames.map { $0 == "selection" ? chosen : inputs })
  }

  private func plan(_ key: Key) throws -> LoadedPlan {
    if let known = loaded.withLock({ $0[key] }) { return known }
    let tensors = tensors(key.variant)
    let plan = try plans.plan(model, batch: key.batch, key.need)
    let made = try LoadedPlan(plan, parameters: plan.parameterPaths.compactMap { tensors[$0] })
    loaded.withLock { plans in
      if plans.count >= Self.planCapacity { plans.removeAll() }
      plans[key] = made
    }
    return made
  }

  private func tensors(_ variant: Variant) -> [String: Tensor] {
    var tensors = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor) })
    for (index, weight) in weights.enumerated().suffix(variant.layers) {
      tensors[weight.path] = Self.randomized(weight.tensor, draw: variant.draw, index: index)
    }
    return tensors
  }

  /// The matrices and kernels of the layers, from the first to the last.
  private var weights: [(path: String, tensor: Tensor)] {
    model.parameters.filter { $0.kind == .weight && $0.tensor.rank > 1 }.map { ($0.path, $0.tensor) }
  }

  /// The numbers of a tensor in random order: what was learned is gone, their distribution is not.
  private static func randomized(_ tensor: Tensor, draw: Int, index: Int) -> Tensor {
    var random = RandomStream(seed: UInt64(draw), stream: RandomStream.stream(0x7368_7566, UInt64(index)))
    var numbers: [Float] = tensor.scalars()
    // Fisher and Yates, spelled out: the standard library does not promise that its shuffle stays the same.
    for last in stride(from: numbers.count - 1, to: 0, by: -1) {
      numbers.swapAt(last, Int(random.next() % UInt64(last + 1)))
    }
    return Tensor(numbers, shape: tensor.shape)
  }

  // MARK: Checking

  /// Compares a map with those of networks whose upper layers have random weights: the upper half, or where that leaves
  /// a network that responds to nothing, the upper quarter, and so on down to the last layer.
  ///
  /// - Parameter input: the one that the map explains.
  public func randomizationCheck(of attribution: Attribution, input: Tensor) throws -> RandomizationCheck {
    var layers = (weights.count + 1) / 2
    while layers > 0, !attribution.map.isFlat {
      let correlations = try (1...Self.randomDraws).compactMap { draw -> Double? in
        let other = try self.attribution(
          of: input, class: attribution.classIndex, method: attribution.method, Variant(draw: draw, layers: layers))
        return (attribution.uncut ?? attribution.map).rankCorrelation(with: other.uncut ?? other.map).map { abs($0) }
      }
      if !correlations.isEmpty {
        let mean = correlations.reduce(0, +) / Double(correlations.count)
        return RandomizationCheck(rankCorrelation: mean, draws: correlations.count, layers: layers)
      }
      layers /= 2
    }
    return RandomizationCheck(rankCorrelation: nil, draws: 0, layers: 0)
  }
}

@_exported public import Data
@_exported public import Layers

/// A rule that moves parameters against their gradients, with its state.
///
/// The same operations serve an eager ``update(_:along:)`` and the compiled training step.
public struct Optimizer: Sendable {
  /// The rule and its constants.
  public enum Rule: Hashable, Sendable {
    case sgd(momentum: Double, isNesterov: Bool)
    case adam(beta1: Double, beta2: Double, epsilon: Double)
  }

  /// Everything but the state.
  public struct Settings: Codable, Hashable, Sendable {
    public var rule: Rule
    public var learningRate: Double
    public var weightDecay: Double
    /// Whether weight decay shrinks parameters directly (AdamW) instead of being added to the gradient (L2 penalty).
    public var isDecoupled: Bool
    /// Whether biases and the scales and shifts of norms decay too, as in PyTorch, or are exempt.
    public var decaysVectors: Bool
    /// Gradients are scaled down to this norm, taken over all of them together, if theirs is larger.
    public var maximumGradientNorm: Double?

    public init(
      rule: Rule, learningRate: Double, weightDecay: Double = 0, isDecoupled: Bool = false, decaysVectors: Bool = true,
      maximumGradientNorm: Double? = nil
    ) {
      self.rule = rule
      self.learningRate = learningRate
      self.weightDecay = weightDecay
      self.isDecoupled = isDecoupled
      self.decaysVectors = decaysVectors
      self.maximumGradientNorm = maximumGradientNorm
    }
  }

  public var settings: Settings

  /// Steps taken.
  public private(set) var step = 0
  private var state: [String: [Tensor]] = [:]

  public init(_ settings: Settings) { self.settings = settings }

  public init(
    _ rule: Rule, learningRate: Double, weightDecay: Double = 0, isDecoupled: Bool = false,
    decaysVectors: Bool = true, maximumGradientNorm: Double? = nil
  ) {
    self.init(
      Settings(
        rule: rule, learningRate: learningRate, weightDecay: weightDecay, isDecoupled: isDecoupled,
        decaysVectors: decaysVectors, maximumGradientNorm: maximumGradientNorm))
  }

  /// Stochastic gradient descent, optionally with (Nesterov) momentum.
  public static func sgd(
    learningRate: Double, momentum: Double = 0, isNesterov: Bool = false, weightDecay: Double = 0
  ) -> Optimizer {
    Optimizer(.sgd(momentum: momentum, isNesterov: isNesterov), learningRate: learningRate, weightDecay: weightDecay)
  }

  /// Adam (Kingma and Ba, 2015).
  public static func adam(learningRate: Double = 1e-3, weightDecay: Double = 0) -> Optimizer {
    Optimizer(.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8), learningRate: learningRate, weightDecay: weightDecay)
  }

  /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
  public static func adamW(learningRate: Double = 1e-3, weightDecay: Double = 0.01) -> Optimizer {
    Optimizer(
      .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8), learningRate: learningRate, weightDecay: weightDecay,
      isDecoupled: true)
  }

  /// The tensors that the rule keeps for each parameter.
  var slots: [String] {
    switch settings.rule {
    case .sgd(let momentum, _): momentum == 0 ? [] : ["velocity"]
    case .adam: ["first_moment", "second_moment"]
    }
  }

  /// The update of one parameter.
  ///
  /// - Parameter rateFactor: what its learning rate is of the common one.
  func operation(for kind: ParameterKind, rateFactor: Double = 1) -> Operation {
    let decay = kind == .vector && !settings.decaysVectors ? 0 : settings.weightDecay
    switch settings.rule {
    case .sgd(let momentum, let isNesterov):
      return .sgd(
        SGDAttributes(
          momentum: momentum, isNesterov: isNesterov, weightDecay: decay, isDecoupled: settings.isDecoupled,
          rateFactor: rateFactor))
    case .adam(let beta1, let beta2, let epsilon):
      return .adam(
        AdamAttributes(
          beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay, isDecoupled: settings.isDecoupled,
          rateFactor: rateFactor))
    }
  }

  /// Moves a model's parameters along a gradient, and commits its new running statistics.
  public mutating func update<Model: Module>(_ model: inout Model, along gradient: GradientStep) throws {
    step += 1
    let rate = Tensor([Float(settings.learningRate), Float(step)])
    let gradients = gradient.gradients.sorted { $0.key < $1.key }.map(\.value)
    let factor = apply(.clipFactor(maximumNorm: settings.maximumGradientNorm), [gradient.loss] + gradients)[0]
    var state = state
    model = try model.mapParameters { path, kind, tensor in
      if let statistic = gradient.statistics[path] { return statistic }
      guard kind.isTrained, let derivative = gradient.gradients[path] else { return tensor }
      let slots = state[path] ?? slots.map { _ in .zeros(tensor.shape) }
      let updated = apply(operation(for: kind), [tensor, derivative, factor, rate] + slots)
      state[path] = Array(updated.dropFirst())
      return updated[0]
    }
    self.state = state
  }
}

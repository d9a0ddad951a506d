/// What one differentiated evaluation of a loss gives: enough for an optimizer's update.
public struct GradientStep: Sendable {
  public let loss: Tensor
  /// Gradients of trained parameters, by path; a parameter that the loss does not depend on is missing.
  public let gradients: [String: Tensor]
  /// New values of running statistics, by path.
  public let statistics: [String: Tensor]
}

extension GradientStep {
  /// Several evaluations at the same model as one, for example of the parts of a batch that is too large for the memory:
  /// the weighted means of losses, gradients and new running statistics.
  ///
  /// - Parameter weights: one for each, such as the number of examples in each part; equal ones unless given.
  public static func mean(of steps: [GradientStep], weights: [Double]? = nil) -> GradientStep {
    let weights = weights ?? steps.map { _ in 1 }
    if steps.isEmpty || weights.count != steps.count {
      fail("a mean of \(steps.count) gradients with \(weights.count) weights: give one weight for each, at least one")
    }
    let total = weights.reduce(0, +)
    func mean(_ tensors: [Tensor?]) -> Tensor? {
      var sum: Tensor?
      for (tensor, weight) in zip(tensors, weights) {
        guard let part = tensor.map({ $0 * (weight / total) }) else { continue }
        sum = sum.map { $0 + part } ?? part
      }
      return sum
    }
    func means(_ tensors: (GradientStep) -> [String: Tensor]) -> [String: Tensor] {
      let paths = Set(steps.flatMap { tensors($0).keys })
      return Dictionary(
        uniqueKeysWithValues: paths.compactMap { path in mean(steps.map { tensors($0)[path] }).map { (path, $0) } })
    }
    return GradientStep(
      loss: mean(steps.map(\.loss)) ?? steps[0].loss, gradients: means(\.gradients), statistics: means(\.statistics))
  }
}

/// Evaluates a loss eagerly and differentiates it with respect to the trained parameters of a model.
///
/// Inside the closure layers behave as in training. The model itself does not change; an optimizer's
/// `update(_:along:)` commits gradients and running statistics together.
///
/// - Parameters:
///   - model: the model to differentiate at; the closure gets a tracked copy.
///   - seed, step: key the random operations of this evaluation.
///   - isFrozen: tells by path which parameters stay as they are; a frozen batch norm uses its running statistics.
///   - loss: returns a tensor of one element.
public func gradient<Model: Module>(
  at model: Model, seed: UInt64 = 0, step: Int = 0, isFrozen: @escaping @Sendable (String) -> Bool = { _ in false },
  loss: (Model) throws -> Tensor
) throws -> GradientStep {
  let tracer = Tracer(isTraining: true, isFrozen: isFrozen)
  tracer.setRandomKey(Tensor([Int64(bitPattern: seed), Int64(step)]))
  var trained: [(path: String, symbol: Tensor)] = []
  let tracked = try model.mapParameters { path, kind, tensor in
    let symbol = tracer.parameter(path, tensor, isTracked: true)
    if kind.isTrained && !isFrozen(path) { trained.append((path, symbol)) }
    return symbol
  }
  let lossValue = try Tracer.$current.withValue(tracer) { try loss(tracked) }
  if lossValue.elementCount != 1 { fail("a loss must be one number, but its shape is \(lossValue.shape)") }
  let trace = try tracer.finish(outputs: [("loss", lossValue)])

  var builder = EagerBuilder()
  let gradients = trace.graph.gradients(
    of: trace.graph.outputs[0].value, withRespectTo: trained.map { $0.symbol.symbol!.value }, in: &builder
  ) { value in
    guard let numbers = trace.numbers[value.index] else { fail("the tape lost a value") }
    return numbers
  }
  var byPath: [String: Tensor] = [:]
  for (parameter, gradient) in zip(trained, gradients) { byPath[parameter.path] = gradient }
  var statistics: [String: Tensor] = [:]
  for update in trace.updates {
    guard case .parameter(let path) = trace.graph[update.parameter].source else { continue }
    statistics[path] = trace.numbers[update.value.index]?.untracked
  }
  return GradientStep(loss: lossValue.untracked, gradients: byPath, statistics: statistics)
}

/// Computes the gradient rules' operations at once.
private struct EagerBuilder: OperationBuilder {
  func type(of value: Tensor) -> TensorType { TensorType(value.shape, value.dtype) }
  mutating func apply(_ operation: Operation, _ inputs: [Tensor]) -> [Tensor] {
    Runtime.apply(operation, inputs.map(\.untracked))
  }
}

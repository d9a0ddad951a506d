public import Layers
import Synchronization

/// A model that is run many times: compiled once for each shape of its inputs. Any number of tasks may run it at once.
///
/// It keeps the model's weights beside the packed ones of each shape. Where all inputs have one shape,
/// ``ONNXModel/compile(inputs:known:options:)`` of a model that is given up needs half the memory.
public final class ONNXSession: Sendable {
  public let model: ONNXModel
  /// The latest last; `nil` for shapes that cannot be compiled.
  private let plans = Mutex<[(key: [TensorType], plan: LoadedPlan?)]>([])

  /// The most shapes whose plans are kept.
  private static let capacity = 8

  public init(_ model: ONNXModel) { self.model = model }

  /// Runs the model on its inputs in order: by a plan if the model can be compiled for them, or else node by node.
  /// - Throws: ``ONNXError`` if an input does not fit, or a node uses its operator in an unsupported way.
  public func run(_ tensors: [Tensor]) throws -> [Tensor] {
    let types = tensors.map { TensorType($0.shape, $0.dtype) }
    try model.check(types)
    if let plan = try plan(for: types) { return try plan.run(tensors) }
    do {
      return try model.run(tensors)
    } catch {
      // Where tracing fails as well, it says which sizes fit.
      if types.allSatisfy({ $0.dtype == .float32 }) { _ = try model.trace(inputs: types.map(\.shape)) }
      throw error
    }
  }

  private func plan(for types: [TensorType]) throws -> LoadedPlan? {
    let known = plans.withLock { plans -> LoadedPlan?? in
      guard let index = plans.firstIndex(where: { $0.key == types }) else { return nil }
      plans.append(plans.remove(at: index))
      return plans[plans.count - 1].plan
    }
    if let known { return known }
    let plan = try compiled(types)
    plans.withLock { plans in
      if plans.count >= Self.capacity { plans.removeFirst() }
      plans.append((types, plan))
    }
    return plan
  }

  private func compiled(_ types: [TensorType]) throws -> LoadedPlan? {
    guard types.allSatisfy({ $0.dtype == .float32 }) else { return nil }
    do {
      return try model.compile(inputs: types.map(\.shape))
    } catch is ONNXError {
    } catch is ShapeError {}
    return nil
  }
}

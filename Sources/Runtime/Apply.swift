public import Graph

/// Applies an operation to tensors: the one function that all tensor arithmetic passes through.
///
/// Concrete inputs compute now; symbolic inputs only record; tracked inputs do both. A mistake in the shapes stops the
/// program in eager code; while tracing it is reported by the trace.
public func apply(_ operation: Operation, _ inputs: [Tensor]) -> [Tensor] {
  let tracer = inputs.lazy.compactMap(\.symbol?.tracer).first
  let isComputable = inputs.allSatisfy(\.isConcrete)
  guard let tracer else { return Eager.compute(operation, inputs) }
  guard isComputable else { return tracer.record(operation, inputs, results: nil) }
  return tracer.record(operation, inputs, results: Eager.compute(operation, inputs))
}

/// Applies an operation that has one output.
public func apply(_ operation: Operation, _ inputs: Tensor...) -> Tensor { apply(operation, inputs)[0] }

/// Computes operations one at a time.
enum Eager {
  static func compute(_ operation: Operation, _ inputs: [Tensor]) -> [Tensor] {
    let types = inputs.map { TensorType($0.shape, $0.dtype) }
    do {
      let outputs = try operation.outputTypes(of: types)
      if outputs.allSatisfy({ $0.dtype == .float32 }) && types.allSatisfy({ $0.dtype != .float64 }) {
        return try SingleOperationPlans.plan(for: operation, types).run(inputs)
      }
      return try ReferenceBackend.apply(operation, inputs)
    } catch {
      fail("\(error)")
    }
  }
}

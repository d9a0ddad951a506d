import Graph

/// Mistakes in shapes that a function notices before it applies an operation.
extension Tensor {
  /// What a function returns whose input does not fit. A trace goes on with this tensor in place of the result and throws
  /// the error at its end; eager code stops with the same text.
  package func misfit(_ message: String) -> Tensor {
    guard !isConcrete, let tracer = symbol?.tracer else { fail(message) }
    tracer.report(ShapeError(message: message))
    return self
  }
}

/// `12 and 15 channels do`: the multiples on either side of a number that is none.
package func nearestMultiples(of factor: Int, to number: Int, _ noun: String) -> String {
  guard factor > 0 else { return "the number must be at least 1" }
  let below = number / factor * factor
  return below > 0 ? "\(below) or \(below + factor) \(noun) do" : "\(factor) \(noun) do"
}

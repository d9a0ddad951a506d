import Graph
public import Runtime

/// Several examples stacked along a new first axis.
public struct Batch: Sendable {
  /// `[n, ...]`
  public var input: Tensor
  /// `[n, ...]`; `[n]` for classes.
  public var target: Tensor
  /// Where each example lies in the data set.
  public var indices: [Int]

  public init(input: Tensor, target: Tensor, indices: [Int]) {
    self.input = input
    self.target = target
    self.indices = indices
  }

  /// Stacks examples, which must agree in shape and element type.
  /// - Parameter indices: where each example lies in its data set.
  public init(_ examples: [Example], indices: [Int]) throws(DataError) {
    input = try Self.stack(examples, \.input, "input", indices)
    target = try Self.stack(examples, \.target, "target", indices)
    self.indices = indices
  }

  private static func stack(
    _ examples: [Example], _ part: KeyPath<Example, Tensor>, _ name: String, _ indices: [Int]
  ) throws(DataError) -> Tensor {
    guard let first = examples.first?[keyPath: part] else { fail("a batch needs at least one example") }
    let rowBytes = first.elementCount * first.dtype.byteCount
    let storage = Storage(byteCount: examples.count * rowBytes)
    for (row, example) in examples.enumerated() {
      let tensor = example[keyPath: part]
      guard tensor.shape == first.shape, tensor.dtype == first.dtype else {
        throw .unequalExamples(
          part: name, first: indices[0], firstKind: "\(first.dtype) \(first.shape)",
          other: indices[row], otherKind: "\(tensor.dtype) \(tensor.shape)")
      }
      guard let source = tensor.storage else { fail("example \(indices[row]) is symbolic; a batch needs numbers") }
      (storage.pointer + row * rowBytes).copyMemory(from: source.pointer, byteCount: rowBytes)
    }
    return Tensor(shape: Shape([examples.count] + first.shape.dimensions), dtype: first.dtype, storage: storage)
  }
}

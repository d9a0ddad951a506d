import Graph
public import Runtime

@_exported public import enum Kernels.XXHash64

/// What a model learns from at a time: an input and what the model should answer to it.
public struct Example: Sendable {
  /// Without the batch axis: `[channels, height, width]` for an image.
  public var input: Tensor
  /// Without the batch axis: an Int32 scalar for a class.
  public var target: Tensor

  public init(input: Tensor, target: Tensor) {
    self.input = input
    self.target = target
  }
}

/// A finite, ordered collection of examples. Several threads of a ``DataLoader`` read it at once.
public protocol Dataset: Sendable {
  var count: Int { get }

  /// One example. `random` is a pure function of (seed, epoch, index), so augmentation is reproducible.
  func example(at index: Int, random: RandomStream) throws -> Example
}

/// A data set for classification.
public protocol LabeledDataset: Dataset {
  /// The name of each class; a label is an index into it.
  var classNames: [String] { get }

  /// The class of an example, known without reading the example.
  func label(at index: Int) -> Int

  /// A hash (``XXHash64``) of what the example shows, so that copies under other names are recognised.
  func contentHash(at index: Int) throws -> UInt64

  /// What a person finds the example by: a file's path, or else its place, `#17`.
  func exampleName(at index: Int) -> String
}

extension LabeledDataset {
  public func exampleName(at index: Int) -> String { "#\(index)" }
}

/// Some examples of a data set, in a given order.
public struct Subset<Base: Dataset>: Dataset {
  public let base: Base
  /// Where each example lies in `base`.
  public let indices: [Int]

  /// - Parameter indices: positions in `base`; they may repeat.
  public init(_ base: Base, indices: [Int]) {
    self.base = base
    self.indices = indices
  }

  public var count: Int { indices.count }

  public func example(at index: Int, random: RandomStream) throws -> Example {
    try base.example(at: indices[index], random: random)
  }
}

extension Subset: LabeledDataset where Base: LabeledDataset {
  public var classNames: [String] { base.classNames }
  public func label(at index: Int) -> Int { base.label(at: indices[index]) }
  public func contentHash(at index: Int) throws -> UInt64 { try base.contentHash(at: indices[index]) }
  public func exampleName(at index: Int) -> String { base.exampleName(at: indices[index]) }
}

/// A data set made of examples that are already in memory.
public struct InMemoryDataset: Dataset {
  public let examples: [Example]

  public init(_ examples: [Example]) { self.examples = examples }

  /// One example for each row of two stacked tensors.
  /// - Parameters:
  ///   - inputs: `[n, ...]`
  ///   - targets: `[n, ...]`; `[n]` for classes.
  public init(inputs: Tensor, targets: Tensor) {
    guard inputs.rank > 0, targets.rank > 0, inputs.shape[0] == targets.shape[0] else {
      fail("inputs of \(inputs.shape) and targets of \(targets.shape) need the same number of rows")
    }
    examples = (0..<inputs.shape[0]).map { Example(input: inputs.row($0), target: targets.row($0)) }
  }

  public var count: Int { examples.count }
  public func example(at index: Int, random: RandomStream) -> Example { examples[index] }
}

extension Tensor {
  /// A copy of what lies at an index of the first axis.
  fileprivate func row(_ index: Int) -> Tensor {
    guard let storage else { fail("a symbolic tensor of shape \(shape) has no numbers to learn from") }
    let row = Shape(Array(shape.dimensions.dropFirst()))
    let byteCount = row.elementCount * dtype.byteCount
    let copy = Storage(byteCount: byteCount)
    copy.pointer.copyMemory(from: storage.pointer + index * byteCount, byteCount: byteCount)
    return Tensor(shape: row, dtype: dtype, storage: copy)
  }
}

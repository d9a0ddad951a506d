public import Graph

@_exported public import struct Kernels.RandomStream

/// A dense, row-major array of numbers.
///
/// A tensor is a value: nothing can change it once it exists. It is *concrete* when it holds numbers, *symbolic* when
/// it only stands for a value of a graph that is being traced, and *tracked* when it is both (see ``apply(_:_:)``).
public struct Tensor: Sendable {
  public let shape: Shape
  public let dtype: DType
  /// The numbers; `nil` for a symbolic tensor.
  package let storage: Storage?
  /// The value of a graph that this tensor stands for, while one is being recorded.
  package let symbol: Symbol?

  package init(shape: Shape, dtype: DType, storage: Storage?, symbol: Symbol? = nil) {
    self.shape = shape
    self.dtype = dtype
    self.storage = storage
    self.symbol = symbol
  }

  /// A tensor of the given numbers in row-major order, as many as the shape holds.
  public init<Scalar: TensorScalar>(_ scalars: [Scalar], shape: Shape) {
    if scalars.count != shape.elementCount {
      fail("a tensor of shape \(shape) needs \(shape.elementCount) numbers, but got \(scalars.count)")
    }
    self.init(shape: shape, of: Scalar.self) { buffer in _ = buffer.initialize(from: scalars) }
  }

  /// A one-dimensional tensor.
  public init<Scalar: TensorScalar>(_ scalars: [Scalar]) { self.init(scalars, shape: [scalars.count]) }

  /// A tensor that holds one number.
  public init<Scalar: TensorScalar>(_ scalar: Scalar) { self.init([scalar], shape: .scalar) }

  /// A tensor whose elements `initialize` writes, all of them, in row-major order.
  public init<Scalar: TensorScalar, Failure: Error>(
    shape: Shape, of type: Scalar.Type, initialize: (UnsafeMutableBufferPointer<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    let storage = Storage(byteCount: shape.elementCount * Scalar.dtype.byteCount)
    let start = storage.pointer.bindMemory(to: Scalar.self, capacity: shape.elementCount)
    try initialize(UnsafeMutableBufferPointer(start: start, count: shape.elementCount))
    self.init(shape: shape, dtype: Scalar.dtype, storage: storage)
  }

  public var rank: Int { shape.rank }
  public var elementCount: Int { shape.elementCount }

  /// Whether this tensor holds numbers.
  public var isConcrete: Bool { storage != nil }

  /// The numbers, read in place.
  public func withUnsafeBuffer<Scalar: TensorScalar, Result, Failure: Error>(
    of type: Scalar.Type, _ body: (UnsafeBufferPointer<Scalar>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard let storage else {
      fail("a symbolic tensor of shape \(shape) has no numbers to read; read the outputs of a plan")
    }
    if dtype != Scalar.dtype { fail("a tensor of \(dtype) was read as \(Scalar.dtype); convert it first") }
    let start = storage.pointer.assumingMemoryBound(to: Scalar.self)
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeBufferPointer(start: start, count: elementCount))
  }

  /// A copy of the numbers in row-major order.
  public func scalars<Scalar: TensorScalar>(as type: Scalar.Type = Scalar.self) -> [Scalar] {
    withUnsafeBuffer(of: Scalar.self) { Array($0) }
  }

  /// The only number of a tensor that holds one.
  public func item<Scalar: TensorScalar>(as type: Scalar.Type = Scalar.self) -> Scalar {
    if elementCount != 1 { fail("item() needs a tensor of one element, but the shape is \(shape)") }
    return withUnsafeBuffer(of: Scalar.self) { $0[0] }
  }
}

extension Tensor {
  /// The same numbers without the record of where they came from.
  package var untracked: Tensor {
    symbol == nil ? self : Tensor(shape: shape, dtype: dtype, storage: storage)
  }
}

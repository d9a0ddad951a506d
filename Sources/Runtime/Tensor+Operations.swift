public import Graph

// MARK: - Activations and functions

public func relu(_ x: Tensor) -> Tensor { apply(.unary(.relu), x) }
public func relu6(_ x: Tensor) -> Tensor { apply(.unary(.relu6), x) }
public func leakyReLU(_ x: Tensor, slope: Double = 0.01) -> Tensor { apply(.unary(.leakyReLU(slope: slope)), x) }
public func sigmoid(_ x: Tensor) -> Tensor { apply(.unary(.sigmoid), x) }
public func tanh(_ x: Tensor) -> Tensor { apply(.unary(.tanh), x) }
/// `x * Phi(x)` with the error function, or its tanh approximation.
public func gelu(_ x: Tensor, approximatesByTanh: Bool = false) -> Tensor {
  apply(.unary(approximatesByTanh ? .geluTanh : .gelu), x)
}
public func silu(_ x: Tensor) -> Tensor { apply(.unary(.silu), x) }
public func hardSwish(_ x: Tensor) -> Tensor { apply(.unary(.hardSwish), x) }
public func hardSigmoid(_ x: Tensor) -> Tensor { apply(.unary(.hardSigmoid), x) }
public func elu(_ x: Tensor, alpha: Double = 1) -> Tensor { apply(.unary(.elu(alpha: alpha)), x) }
public func selu(_ x: Tensor) -> Tensor { apply(.unary(.selu), x) }
public func mish(_ x: Tensor) -> Tensor { apply(.unary(.mish), x) }
public func softplus(_ x: Tensor) -> Tensor { apply(.unary(.softplus), x) }
public func exp(_ x: Tensor) -> Tensor { apply(.unary(.exp), x) }
public func log(_ x: Tensor) -> Tensor { apply(.unary(.log), x) }
public func sqrt(_ x: Tensor) -> Tensor { apply(.unary(.sqrt), x) }
public func abs(_ x: Tensor) -> Tensor { apply(.unary(.absolute), x) }
public func square(_ x: Tensor) -> Tensor { apply(.unary(.square), x) }

/// Probabilities along an axis.
public func softmax(_ x: Tensor, along axis: Int = 1) -> Tensor {
  apply(.softmax(axis: x.shape.normalizedAxis(axis)), x)
}
/// Logarithms of the probabilities along an axis.
public func logSoftmax(_ x: Tensor, along axis: Int = 1) -> Tensor {
  apply(.logSoftmax(axis: x.shape.normalizedAxis(axis)), x)
}

/// Larger and smaller of two tensors, element by element, with broadcasting.
public func maximum(_ a: Tensor, _ b: Tensor) -> Tensor { apply(.binary(.maximum), a, b) }
public func minimum(_ a: Tensor, _ b: Tensor) -> Tensor { apply(.binary(.minimum), a, b) }
public func pow(_ base: Tensor, _ exponent: Tensor) -> Tensor { apply(.binary(.power), base, exponent) }

/// The matrix product of the last two axes, broadcast over the others. A vector is a row on the left and a column on the
/// right, and leaves no axis behind.
public func matmul(_ a: Tensor, _ b: Tensor) -> Tensor {
  let left = a.rank == 1 ? a.unsqueezed(at: 0) : a
  let right = b.rank == 1 ? b.unsqueezed(at: 1) : b
  let product = apply(.matmul(transposesA: false, transposesB: false), left, right)
  let matrix = a.rank == 1 ? product.squeezed(-2) : product
  return b.rank == 1 ? matrix.squeezed(-1) : matrix
}

/// Joins tensors along an axis.
public func concatenate(_ tensors: [Tensor], along axis: Int = 1) -> Tensor {
  apply(.concatenate(axis: tensors.first?.shape.normalizedAxis(axis) ?? axis), tensors)[0]
}

// MARK: - Arithmetic

extension Tensor {
  public static func + (a: Tensor, b: Tensor) -> Tensor { apply(.binary(.add), a, b) }
  public static func - (a: Tensor, b: Tensor) -> Tensor { apply(.binary(.subtract), a, b) }
  public static func * (a: Tensor, b: Tensor) -> Tensor { apply(.binary(.multiply), a, b) }
  public static func / (a: Tensor, b: Tensor) -> Tensor { apply(.binary(.divide), a, b) }
  public static prefix func - (a: Tensor) -> Tensor { apply(.unary(.negate), a) }

  public static func + (a: Tensor, b: Double) -> Tensor { apply(.unary(.affine(scale: 1, shift: b)), a) }
  public static func - (a: Tensor, b: Double) -> Tensor { apply(.unary(.affine(scale: 1, shift: -b)), a) }
  public static func * (a: Tensor, b: Double) -> Tensor { apply(.unary(.affine(scale: b, shift: 0)), a) }
  public static func / (a: Tensor, b: Double) -> Tensor { apply(.unary(.affine(scale: 1 / b, shift: 0)), a) }
  public static func + (a: Double, b: Tensor) -> Tensor { b + a }
  public static func - (a: Double, b: Tensor) -> Tensor { apply(.unary(.affine(scale: -1, shift: a)), b) }
  public static func * (a: Double, b: Tensor) -> Tensor { b * a }
}

// MARK: - Reductions

extension Tensor {
  /// Sum over axes, all of them unless given.
  public func sum(along axes: [Int]? = nil, keepingDimensions: Bool = false) -> Tensor {
    reduced(.sum, axes, keepingDimensions)
  }
  public func mean(along axes: [Int]? = nil, keepingDimensions: Bool = false) -> Tensor {
    reduced(.mean, axes, keepingDimensions)
  }
  public func max(along axes: [Int]? = nil, keepingDimensions: Bool = false) -> Tensor {
    reduced(.maximum, axes, keepingDimensions)
  }
  public func min(along axes: [Int]? = nil, keepingDimensions: Bool = false) -> Tensor {
    reduced(.minimum, axes, keepingDimensions)
  }

  private func reduced(_ reduction: Reduction, _ axes: [Int]?, _ keeps: Bool) -> Tensor {
    let axes = axes.map { $0.map(shape.normalizedAxis).sorted() } ?? Array(0..<rank)
    return apply(.reduce(reduction, axes: axes, keepsDimensions: keeps), self)
  }

  /// The index of the largest element along the last axis, the first of equals; concrete tensors only.
  public func argmax() -> [Int] {
    let columns = Swift.max(1, shape.dimensions.last ?? 1)
    return withUnsafeBuffer(of: Float.self) { numbers in
      stride(from: 0, to: numbers.count, by: columns).map { row in
        (1..<columns).reduce(0) { numbers[row + $1] > numbers[row + $0] ? $1 : $0 }
      }
    }
  }
}

// MARK: - Shape

extension Tensor {
  /// The same numbers in row-major order under another shape. One extent may be -1: it is derived.
  public func reshaped(to shape: Shape) -> Tensor {
    var shape = shape
    if let free = shape.dimensions.firstIndex(of: -1) {
      let known = shape.dimensions.reduce(1) { $1 == -1 ? $0 : $0 * $1 }
      shape[free] = known == 0 ? 0 : elementCount / known
    }
    return apply(.reshape(shape), self)
  }

  /// All axes from `axis` on collapsed into one: `[N, C, H, W]` becomes `[N, C * H * W]`.
  public func flattened(from axis: Int = 1) -> Tensor {
    let kept = shape.dimensions.prefix(axis)
    return reshaped(to: Shape(kept + [shape.dimensions.dropFirst(axis).reduce(1, *)]))
  }

  /// Axis `i` of the result is axis `permutation[i]`.
  public func transposed(_ permutation: [Int]) -> Tensor { apply(.transpose(permutation), self) }

  /// A matrix with rows and columns exchanged.
  public var transposed: Tensor { transposed([1, 0]) }

  /// Elements `ranges[i]` of axis `i`; axes without a range stay whole.
  public func sliced(_ ranges: [Range<Int>]) -> Tensor {
    let whole = shape.dimensions.dropFirst(ranges.count)
    return apply(
      .slice(
        SliceAttributes(
          starts: ranges.map(\.lowerBound) + whole.map { _ in 0 }, counts: ranges.map(\.count) + whole,
          steps: shape.dimensions.map { _ in 1 })), self)
  }

  /// Constant borders: `before[i]` and `after[i]` elements on axis `i`.
  public func padded(before: [Int], after: [Int], value: Double = 0) -> Tensor {
    apply(.pad(before: before, after: after, value: value), self)
  }

  public func broadcast(to shape: Shape) -> Tensor { apply(.broadcast(shape), self) }

  public func cast(to dtype: DType) -> Tensor { dtype == self.dtype ? self : apply(.cast(dtype), self) }

  public static func zeros(_ shape: Shape) -> Tensor { filled(with: 0, shape) }
  public static func ones(_ shape: Shape) -> Tensor { filled(with: 1, shape) }
  public static func filled(with value: Float, _ shape: Shape) -> Tensor {
    Tensor(shape: shape, of: Float.self) { $0.initialize(repeating: value) }
  }
}

extension Tensor {
  /// Every `step`-th element along each spatial axis of `[N, C, ...]`, from the first.
  public func subsampled(by step: Int) -> Tensor {
    apply(
      .slice(
        SliceAttributes(
          starts: .init(repeating: 0, count: rank),
          counts: shape.dimensions.enumerated().map { $0.offset < 2 ? $0.element : ($0.element + step - 1) / step },
          steps: (0..<rank).map { $0 < 2 ? 1 : step })), self)
  }
}

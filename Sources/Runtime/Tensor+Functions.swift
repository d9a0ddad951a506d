internal import Graph

// MARK: - Functions

public func sin(_ x: Tensor) -> Tensor { apply(.unary(.sine), x) }
public func cos(_ x: Tensor) -> Tensor { apply(.unary(.cosine), x) }
/// The error function.
public func erf(_ x: Tensor) -> Tensor { apply(.unary(.errorFunction), x) }
public func floor(_ x: Tensor) -> Tensor { apply(.unary(.floor), x) }
public func ceil(_ x: Tensor) -> Tensor { apply(.unary(.ceil), x) }
/// To the nearest whole number, halves to the even one.
public func round(_ x: Tensor) -> Tensor { apply(.unary(.round), x) }
/// Limits elements to a range.
public func clip(_ x: Tensor, _ range: ClosedRange<Double>) -> Tensor {
  apply(.unary(.clip(range.lowerBound, range.upperBound)), x)
}

// MARK: - Comparison and choice

infix operator .>= : ComparisonPrecedence
infix operator .<= : ComparisonPrecedence

extension Tensor {
  /// Comparisons element by element, with broadcasting: 1 where they hold, else 0.
  public static func .> (a: Tensor, b: Tensor) -> Tensor { apply(.binary(.greater), a, b) }
  public static func .< (a: Tensor, b: Tensor) -> Tensor { apply(.binary(.less), a, b) }
  public static func .== (a: Tensor, b: Tensor) -> Tensor { apply(.binary(.equal), a, b) }
  public static func .>= (a: Tensor, b: Tensor) -> Tensor { apply(.binary(.greaterOrEqual), a, b) }
  public static func .<= (a: Tensor, b: Tensor) -> Tensor { apply(.binary(.lessOrEqual), a, b) }
}

/// 1 where an element is 0, else 0.
public func logicalNot(_ x: Tensor) -> Tensor { apply(.unary(.not), x) }
/// Logic of tensors whose elements are true if they are not 0; gives 1 or 0.
public func logicalAnd(_ a: Tensor, _ b: Tensor) -> Tensor { apply(.binary(.and), a, b) }
public func logicalOr(_ a: Tensor, _ b: Tensor) -> Tensor { apply(.binary(.or), a, b) }
public func logicalExclusiveOr(_ a: Tensor, _ b: Tensor) -> Tensor { apply(.binary(.exclusiveOr), a, b) }

/// `a` where the condition is not 0, else `b`; all three broadcast.
public func choose(where condition: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor {
  guard let pair = Shape.broadcast(a.shape, b.shape), let shape = Shape.broadcast(pair, condition.shape) else {
    return a.misfit("where: \(condition.shape), \(a.shape) and \(b.shape) do not broadcast")
  }
  func spread(_ x: Tensor) -> Tensor { x.shape == shape ? x : x.broadcast(to: shape) }
  return apply(.choose, spread(condition), spread(a), spread(b))
}

// MARK: - Reductions

extension Tensor {
  /// The product over axes, all of them unless given.
  public func product(along axes: [Int]? = nil, keepingDimensions: Bool = false) -> Tensor {
    let axes = axes.map { $0.map(shape.normalizedAxis).sorted() } ?? Array(0..<rank)
    return apply(.reduce(.product, axes: axes, keepsDimensions: keepingDimensions), self)
  }

  /// The mean squared distance from the mean; not corrected for its bias unless asked.
  public func variance(along axes: [Int]? = nil, keepingDimensions: Bool = false, unbiased: Bool = false) -> Tensor {
    let axes = axes.map { $0.map(shape.normalizedAxis).sorted() } ?? Array(0..<rank)
    let count = Double(axes.reduce(1) { $0 * shape[$1] })
    let centred = self - mean(along: axes, keepingDimensions: true)
    let variance = square(centred).mean(along: axes, keepingDimensions: keepingDimensions)
    return unbiased ? variance * (count / (count - 1)) : variance
  }

  /// The sum of magnitudes.
  public func norm1(along axes: [Int]? = nil, keepingDimensions: Bool = false) -> Tensor {
    abs(self).sum(along: axes, keepingDimensions: keepingDimensions)
  }

  /// The Euclidean norm. Its gradient counts as 0 where it is 0, as in PyTorch.
  public func norm2(along axes: [Int]? = nil, keepingDimensions: Bool = false) -> Tensor {
    square(self).sum(along: axes, keepingDimensions: keepingDimensions).root()
  }

  /// `|x|^p`, which a p-norm adds up.
  package func powers(_ p: Double) -> Tensor {
    if !(p > 0 && p.isFinite) { return misfit("norm: p must be positive, but it is \(p)") }
    return switch p {
    case 1: abs(self)
    case 2: square(self)
    default: pow(abs(self), Tensor(Float(p)))
    }
  }

  /// The p-th root of numbers that are not negative, whose gradient at 0 counts as 0.
  package func root(_ p: Double = 2) -> Tensor {
    if p == 1 { return self }
    let isZero = logicalNot(self)
    let shifted = self + isZero
    return (p == 2 ? sqrt(shifted) : pow(shifted, Tensor(Float(1 / p)))) * logicalNot(isZero)
  }

  /// `log(sum(exp(x)))` along an axis, without overflow.
  public func logSumExp(along axis: Int, keepingDimensions: Bool = false) -> Tensor {
    let peak = self.max(along: [axis], keepingDimensions: true)
    let result = log(exp(self - peak).sum(along: [axis], keepingDimensions: true)) + peak
    return keepingDimensions ? result : result.squeezed(axis)
  }
}

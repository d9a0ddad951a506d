/// How far a convolution's input is continued beyond its edges, along each spatial axis.
public enum Padding: Hashable, Sendable {
  /// The same number of elements before and after.
  case each(Extents)
  case uneven(before: Extents, after: Extents)
  /// None: only windows that lie inside the input count.
  case valid
  /// The output keeps the input's extent; needs a stride of 1. An odd element goes after (PyTorch's `same`).
  case same
  /// `ceil(input / stride)` outputs; an odd element goes after (TensorFlow, ONNX's `SAME_UPPER`).
  case sameUpper
  /// ``sameUpper``, but an odd element goes before.
  case sameLower
  /// Every window that touches the input counts.
  case full

  /// The padding before and after along one axis for windows that cover `covered` elements; the stride of ``same`` is 1.
  func amounts(rank: Int, axis: Int, input: Int, covered: Int, stride: Int) -> (before: Int, after: Int) {
    switch self {
    case .each(let extents):
      let amount = extents.resolved(rank: rank, "padding")[axis]
      return (amount, amount)
    case .uneven(let before, let after):
      return (before.resolved(rank: rank, "padding")[axis], after.resolved(rank: rank, "padding")[axis])
    case .valid: return (0, 0)
    case .full: return (covered - 1, covered - 1)
    case .same: return ((covered - 1) / 2, covered / 2)
    case .sameUpper, .sameLower:
      let outputs = (input + stride - 1) / stride
      let total = max(0, (outputs - 1) * stride + covered - input)
      return self == .sameUpper ? (total / 2, total - total / 2) : (total - total / 2, total / 2)
    }
  }
}

/// What stands in a convolution's padding.
public enum Borders: Hashable, Sendable {
  case zeros
  /// The input itself: mirrored, its edge repeated, or its other end.
  case reflect, replicate, circular

  /// The way a tensor is continued; `nil` for zeros, which convolutions pad with themselves.
  var mode: BorderMode? {
    switch self {
    case .zeros: nil
    case .reflect: .reflect
    case .replicate: .replicate
    case .circular: .circular
    }
  }
}

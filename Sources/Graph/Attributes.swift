/// Attributes of a convolution of any rank. Arrays hold one entry for each spatial axis, outermost first.
///
/// The output extent along an axis is `(input + paddingBefore + paddingAfter - dilation * (kernel - 1) - 1) / stride + 1`,
/// rounded down (Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016).
public struct ConvAttributes: Hashable, Sendable {
  public var stride: [Int]
  public var dilation: [Int]
  public var paddingBefore: [Int]
  public var paddingAfter: [Int]
  public var groups: Int
  public var hasBias: Bool
  /// What happens to each output before it is stored; set by fusion.
  public var epilogue: Epilogue

  public init(
    stride: [Int], dilation: [Int], paddingBefore: [Int], paddingAfter: [Int], groups: Int = 1, hasBias: Bool = false,
    epilogue: Epilogue = .none
  ) {
    self.stride = stride
    self.dilation = dilation
    self.paddingBefore = paddingBefore
    self.paddingAfter = paddingAfter
    self.groups = groups
    self.hasBias = hasBias
    self.epilogue = epilogue
  }

  public var rank: Int { stride.count }

  /// The output extent along one spatial axis; not positive when the kernel does not fit.
  public func outputExtent(_ input: Int, kernel: Int, axis: Int) -> Int {
    windowCount(
      input + paddingBefore[axis] + paddingAfter[axis], kernel: kernel, stride: stride[axis], dilation: dilation[axis])
  }
}

/// Work that a kernel does on each output while it is still in a register: `activation(output + residual)`.
public struct Epilogue: Hashable, Sendable {
  /// Whether the node has one more input, of the output's shape, to add.
  public var addsResidual: Bool
  public var activation: UnaryFunction?
  /// Where the output is the gradient of what an activation gave: that activation, ReLU or ReLU6, whose gradient comes
  /// last. The node has one more input, what the activation gave, behind the residual.
  public var mask: UnaryFunction?

  public init(addsResidual: Bool = false, activation: UnaryFunction? = nil, mask: UnaryFunction? = nil) {
    self.addsResidual = addsResidual
    self.activation = activation
    self.mask = mask
  }

  public static let none = Epilogue()

  /// What the node's last inputs are, all of the output's shape.
  var inputNames: [String] { (addsResidual ? ["residual"] : []) + (mask == nil ? [] : ["mask"]) }
  public var inputCount: Int { inputNames.count }
}

/// What the gradient of a batch norm does besides; set by fusion.
public struct BatchNormGradientAttributes: Hashable, Sendable {
  /// The gradient of the activation behind the norm, ReLU or ReLU6, which comes first: it lets dy through where the
  /// activation's output lies strictly inside its bounds.
  public enum Mask: Hashable, Sendable {
    /// The output is an input of the node.
    case output(UnaryFunction)
    /// The output is computed again from x and the shift, which is an input of the node: for norms without a residual.
    case shift(UnaryFunction)

    public var activation: UnaryFunction {
      switch self {
      case .output(let activation), .shift(let activation): activation
      }
    }
  }

  public var mask: Mask?
  /// Whether the node has one more input, of the shape of x, to add to dx.
  public var addsResidual: Bool
  /// Whether dy behind the mask is an output too, for others that read it.
  public var returnsMasked: Bool

  public init(mask: Mask? = nil, addsResidual: Bool = false, returnsMasked: Bool = false) {
    self.mask = mask
    self.addsResidual = addsResidual
    self.returnsMasked = returnsMasked
  }
}

/// Attributes of pooling of any rank; arrays hold one entry for each spatial axis.
public struct PoolAttributes: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case max
    /// `countsPadding`: whether zeros of the padding count in the divisor (PyTorch's default).
    case average(countsPadding: Bool)
  }

  public var kind: Kind
  public var kernel: [Int]
  public var stride: [Int]
  public var dilation: [Int]
  public var paddingBefore: [Int]
  public var paddingAfter: [Int]
  /// Whether a last window that hangs over the end counts, if it starts inside the input or its leading padding.
  public var roundsUp: Bool

  public init(
    kind: Kind, kernel: [Int], stride: [Int], dilation: [Int], paddingBefore: [Int], paddingAfter: [Int],
    roundsUp: Bool = false
  ) {
    self.kind = kind
    self.kernel = kernel
    self.stride = stride
    self.dilation = dilation
    self.paddingBefore = paddingBefore
    self.paddingAfter = paddingAfter
    self.roundsUp = roundsUp
  }

  public var rank: Int { kernel.count }

  /// The output extent along one spatial axis; not positive when the window does not fit.
  public func outputExtent(_ input: Int, axis: Int) -> Int {
    let padded = input + paddingBefore[axis] + paddingAfter[axis]
    let count = windowCount(padded, kernel: kernel[axis], stride: stride[axis], dilation: dilation[axis])
    let covered = dilation[axis] * (kernel[axis] - 1) + 1
    guard roundsUp, padded >= covered, (padded - covered) % stride[axis] != 0 else { return count }
    return count * stride[axis] < input + paddingBefore[axis] ? count + 1 : count
  }
}

/// How many windows fit: `(extent - dilation * (kernel - 1) - 1) / stride + 1`, rounded down; at most 0 if none does.
public func windowCount(_ extent: Int, kernel: Int, stride: Int, dilation: Int) -> Int {
  let room = extent - dilation * (kernel - 1) - 1
  return room < 0 ? 0 : room / stride + 1
}

/// A rectangular region with steps: element `i` of an axis is input element `start + i * step`.
public struct SliceAttributes: Hashable, Sendable {
  public var starts: [Int]
  public var counts: [Int]
  public var steps: [Int]

  public init(starts: [Int], counts: [Int], steps: [Int]) {
    self.starts = starts
    self.counts = counts
    self.steps = steps
  }
}

/// Stochastic gradient descent as in PyTorch's `SGD`: `v = momentum * v + g`, `p -= rate * v`.
public struct SGDAttributes: Hashable, Sendable {
  public var momentum: Double
  public var isNesterov: Bool
  public var weightDecay: Double
  /// Whether weight decay shrinks the parameter directly instead of being added to the gradient.
  public var isDecoupled: Bool
  /// What this parameter's learning rate is of the common one.
  public var rateFactor: Double

  public init(
    momentum: Double = 0, isNesterov: Bool = false, weightDecay: Double = 0, isDecoupled: Bool = false,
    rateFactor: Double = 1
  ) {
    self.momentum = momentum
    self.isNesterov = isNesterov
    self.weightDecay = weightDecay
    self.isDecoupled = isDecoupled
    self.rateFactor = rateFactor
  }
}

/// Adam (Kingma and Ba, 2015) and, decoupled, AdamW (Loshchilov and Hutter, 2019), as in PyTorch.
public struct AdamAttributes: Hashable, Sendable {
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  public var weightDecay: Double
  public var isDecoupled: Bool
  /// What this parameter's learning rate is of the common one.
  public var rateFactor: Double

  public init(
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0,
    isDecoupled: Bool = true, rateFactor: Double = 1
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.isDecoupled = isDecoupled
    self.rateFactor = rateFactor
  }
}

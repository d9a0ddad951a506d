/// A function applied to each element.
public enum UnaryFunction: Hashable, Sendable {
  // Activations.
  case relu
  case relu6
  case leakyReLU(slope: Double)
  case sigmoid
  case tanh
  /// `x * Phi(x)` by the error function (Hendrycks and Gimpel, 2016).
  case gelu
  /// The tanh approximation of ``gelu``.
  case geluTanh
  case silu
  case hardSwish
  case hardSigmoid
  case elu(alpha: Double)
  case selu
  /// `log(1 + exp(x))`.
  case softplus
  case mish
  /// `x` limited to a range; a limit may be infinite.
  case clip(Double, Double)
  // Arithmetic.
  case exp
  case log
  case sqrt
  case negate
  case absolute
  case square
  case reciprocal
  case sign
  case sine
  case cosine
  case errorFunction
  case floor
  case ceil
  /// To the nearest whole number, halves to the even one.
  case round
  /// 1 where the element is 0, else 0.
  case not
  /// `scale * x + shift`.
  case affine(scale: Double, shift: Double)

  /// Whether it is one of the functions that follow a layer, which kernels apply to their results on the way.
  public var isActivation: Bool {
    switch self {
    case .relu, .relu6, .leakyReLU, .sigmoid, .tanh, .gelu, .geluTanh, .silu, .hardSwish, .hardSigmoid, .elu, .selu,
      .softplus, .mish, .clip:
      true
    case .exp, .log, .sqrt, .negate, .absolute, .square, .reciprocal, .sign, .sine, .cosine, .errorFunction, .floor,
      .ceil, .round, .not, .affine:
      false
    }
  }

  /// The field's name of the function, as in a summary's row.
  public var name: String {
    switch self {
    case .relu: "relu"
    case .relu6: "relu6"
    case .leakyReLU: "leaky_relu"
    case .sigmoid: "sigmoid"
    case .tanh: "tanh"
    case .gelu: "gelu"
    case .geluTanh: "gelu_tanh"
    case .silu: "silu"
    case .hardSwish: "hard_swish"
    case .hardSigmoid: "hard_sigmoid"
    case .elu: "elu"
    case .selu: "selu"
    case .softplus: "softplus"
    case .mish: "mish"
    case .exp: "exp"
    case .log: "log"
    case .sqrt: "sqrt"
    case .negate: "negate"
    case .absolute: "abs"
    case .square: "square"
    case .reciprocal: "reciprocal"
    case .sign: "sign"
    case .clip: "clip"
    case .sine: "sin"
    case .cosine: "cos"
    case .errorFunction: "erf"
    case .floor: "floor"
    case .ceil: "ceil"
    case .round: "round"
    case .not: "not"
    case .affine: "affine"
    }
  }
}

/// A function of two elements, with broadcasting.
public enum BinaryFunction: String, Hashable, Sendable, CaseIterable {
  case add, subtract, multiply, divide, maximum, minimum, power
  /// Comparisons give 1 or 0 in the inputs' type.
  case greater, less, equal, greaterOrEqual, lessOrEqual
  /// Logic of numbers that are true if they are not 0; gives 1 or 0.
  case and, or, exclusiveOr
}

/// A reduction over axes.
public enum Reduction: String, Hashable, Sendable, CaseIterable {
  case sum, mean, maximum, minimum, product
}

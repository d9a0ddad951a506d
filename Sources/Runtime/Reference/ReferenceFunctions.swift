internal import Graph

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private let rootTwo = 2.0.squareRoot()
/// `sqrt(2 / pi)` and the cubic coefficient of the tanh approximation of GELU.
private let geluScale = (2 / Double.pi).squareRoot()
private let geluCubic = 0.044715
/// The constants of self-normalising networks (Klambauer et al., 2017).
private let seluScale = 1.0507009873554804934193349852946
private let seluAlpha = 1.6732632423543772848170429916717

private func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
private func softened(_ x: Double) -> Double { x > 20 ? x : log1p(exp(x)) }
/// `x` limited to a range; NaN stays.
private func clamped(_ x: Double, _ low: Double, _ high: Double) -> Double { x < low ? low : x > high ? high : x }

extension UnaryFunction {
  func value(_ x: Double) -> Double {
    switch self {
    case .relu: x < 0 ? 0 : x
    case .relu6: clamped(x, 0, 6)
    case .leakyReLU(let slope): x < 0 ? slope * x : x
    case .sigmoid: logistic(x)
    case .tanh: hyperbolicTangent(x)
    case .gelu: x * 0.5 * (1 + erf(x / rootTwo))
    case .geluTanh: 0.5 * x * (1 + hyperbolicTangent(geluScale * (x + geluCubic * x * x * x)))
    case .silu: x * logistic(x)
    case .hardSwish: x * clamped(x + 3, 0, 6) / 6
    case .hardSigmoid: clamped(x + 3, 0, 6) / 6
    case .elu(let alpha): x > 0 ? x : alpha * expm1(x)
    case .selu: seluScale * (x > 0 ? x : seluAlpha * expm1(x))
    case .softplus: softened(x)
    case .mish: x * hyperbolicTangent(softened(x))
    case .clip(let low, let high): clamped(x, low, high)
    case .sine: sin(x)
    case .cosine: cos(x)
    case .errorFunction: erf(x)
    case .floor: x.rounded(.down)
    case .ceil: x.rounded(.up)
    case .round: x.rounded(.toNearestOrEven)
    case .not: x == 0 ? 1 : 0
    case .exp: exponential(x)
    case .log: naturalLogarithm(x)
    case .sqrt: x.squareRoot()
    case .negate: -x
    case .absolute: abs(x)
    case .square: x * x
    case .reciprocal: 1 / x
    case .sign: x > 0 ? 1 : x < 0 ? -1 : 0
    case .affine(let scale, let shift): scale * x + shift
    }
  }

  /// The derivative; at a kink the value that PyTorch takes.
  func derivative(_ x: Double) -> Double {
    switch self {
    case .relu: return x > 0 ? 1 : 0
    case .relu6: return x > 0 && x < 6 ? 1 : 0
    case .leakyReLU(let slope): return x > 0 ? 1 : slope
    case .sigmoid: return logistic(x) * (1 - logistic(x))
    case .tanh: return 1 - hyperbolicTangent(x) * hyperbolicTangent(x)
    case .gelu:
      let density = exponential(-0.5 * x * x) / (2 * Double.pi).squareRoot()
      return 0.5 * (1 + erf(x / rootTwo)) + x * density
    case .geluTanh:
      let t = hyperbolicTangent(geluScale * (x + geluCubic * x * x * x))
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * geluScale * (1 + 3 * geluCubic * x * x)
    case .silu:
      let s = logistic(x)
      return s * (1 + x * (1 - s))
    case .hardSwish: return x <= -3 ? 0 : x < 3 ? x / 3 + 0.5 : 1
    case .hardSigmoid: return x > -3 && x < 3 ? 1 / 6 : 0
    case .elu(let alpha): return x > 0 ? 1 : alpha * exponential(x)
    case .selu: return seluScale * (x > 0 ? 1 : seluAlpha * exponential(x))
    case .softplus: return x > 20 ? 1 : logistic(x)
    case .mish:
      let t = hyperbolicTangent(softened(x))
      return t + x * logistic(x) * (1 - t * t)
    case .clip(let low, let high): return x <= low || x >= high ? 0 : 1
    case .sine: return cos(x)
    case .cosine: return -sin(x)
    case .errorFunction: return 2 / Double.pi.squareRoot() * exponential(-x * x)
    case .floor, .ceil, .round, .not: return 0
    case .exp: return exponential(x)
    case .log: return 1 / x
    case .sqrt: return 0.5 / x.squareRoot()
    case .negate: return -1
    case .absolute: return x > 0 ? 1 : x < 0 ? -1 : 0
    case .square: return 2 * x
    case .reciprocal: return -1 / (x * x)
    case .sign: return 0
    case .affine(let scale, _): return scale
    }
  }
}

// The cases above hide the C functions of the same names.
private func hyperbolicTangent(_ x: Double) -> Double { tanh(x) }
private func exponential(_ x: Double) -> Double { exp(x) }
private func naturalLogarithm(_ x: Double) -> Double { log(x) }

extension BinaryFunction {
  func value(_ a: Double, _ b: Double) -> Double {
    switch self {
    case .add: a + b
    case .subtract: a - b
    case .multiply: a * b
    case .divide: a / b
    // NaN wins.
    case .maximum: a.isNaN || a > b ? a : b
    case .minimum: a.isNaN || a < b ? a : b
    case .power: pow(a, b)
    case .greater: a > b ? 1 : 0
    case .less: a < b ? 1 : 0
    case .equal: a == b ? 1 : 0
    case .greaterOrEqual: a >= b ? 1 : 0
    case .lessOrEqual: a <= b ? 1 : 0
    case .and: a != 0 && b != 0 ? 1 : 0
    case .or: a != 0 || b != 0 ? 1 : 0
    case .exclusiveOr: (a != 0) != (b != 0) ? 1 : 0
    }
  }
}

extension ReferenceBackend {
  static func activated(_ x: ReferenceArray, _ activation: UnaryFunction?) -> ReferenceArray {
    activation.map { x.map($0.value) } ?? x
  }

  static func binary(_ function: BinaryFunction, _ a: ReferenceArray, _ b: ReferenceArray, output: Shape)
    -> ReferenceArray
  {
    let (aStrides, bStrides) = (a.shape.strides(broadcastTo: output), b.shape.strides(broadcastTo: output))
    var values: [Double] = []
    forEachIndex(below: output.dimensions) { index in
      values.append(function.value(a.values[offset(index, aStrides)], b.values[offset(index, bStrides)]))
    }
    return ReferenceArray(output, values)
  }

  /// Element `i` is kept if word `i % 4` of block `i / 4` of the generator, as a number in [0, 1) with 24 bits, is not
  /// below the rate. The block depends on seed, step and stream, and on nothing else.
  static func dropout(_ x: ReferenceArray, key: [Int64], rate: Double, stream: Int) -> ReferenceArray {
    let (seed, step) = (UInt64(bitPattern: key[0]), UInt64(bitPattern: key[1]))
    let streamKey = UInt32(truncatingIfNeeded: stream &* 0x9E37_79B9)
    let scale = 1 / (1 - rate)
    var y = x
    for index in x.values.indices {
      let block = UInt64(index / 4)
      let words = RandomStream.philox(
        counter: SIMD4(
          UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32),
          UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: step >> 32)),
        key: SIMD2(UInt32(truncatingIfNeeded: seed) ^ streamKey, UInt32(truncatingIfNeeded: seed >> 32)))
      let isKept = Float(words[index % 4] >> 8) * 0x1p-24 >= Float(rate)
      y.values[index] = isKept ? x.values[index] * scale : 0
    }
    return y
  }
}

import Kernels
import Synchronization

/// Random initial values of parameters.
///
/// Layers draw in the order in which they are made, from one generator for each call of ``withSeed(_:_:)``; outside of
/// any, from a generator of seed 0, so a program gives the same model each time it runs.
public enum Initializer: Sendable {
  case zeros
  case ones
  /// Uniform in `±1 / sqrt(fan in)`: PyTorch's default for convolutions and linear layers.
  case uniformFanIn
  /// Normal with variance `2 / fan out` (He et al., 2015), as ResNets take it.
  case normalFanOut
  /// Normal with variance `2 / fan in` (He et al., 2015).
  case normalFanIn
  /// Normal with the given deviation.
  case normal(deviation: Float)

  /// A new tensor. Fans are those of a convolution's or linear layer's weight `[out, in / groups, kernel...]`.
  public func callAsFunction(_ shape: Shape, fanIn: Int? = nil) -> Tensor {
    let receptive = shape.dimensions.dropFirst(2).reduce(1, *)
    let fanIn = fanIn ?? (shape.rank > 1 ? shape[1] * receptive : 1)
    switch self {
    case .zeros: return .zeros(shape)
    case .ones: return .ones(shape)
    case .uniformFanIn:
      let bound = 1 / Float(max(1, fanIn)).squareRoot()
      return random(shape) { $0.fillUniform($1, in: -bound..<bound) }
    case .normalFanOut: return normal(shape, deviation: (2 / Float(max(1, shape[0] * receptive))).squareRoot())
    case .normalFanIn: return normal(shape, deviation: (2 / Float(max(1, fanIn))).squareRoot())
    case .normal(let deviation): return normal(shape, deviation: deviation)
    }
  }

  private func normal(_ shape: Shape, deviation: Float) -> Tensor {
    random(shape) { $0.fillNormal($1, deviation: deviation) }
  }

  private func random(_ shape: Shape, _ fill: (RandomStream, UnsafeMutableBufferPointer<Float>) -> Void) -> Tensor {
    guard InitializationSeed.current.drawsNumbers else { return Tensor(shape: shape, dtype: .float32, storage: nil) }
    let stream = InitializationSeed.current.nextStream()
    return Tensor(shape: shape, of: Float.self) { fill(stream, $0) }
  }
}

/// Runs `body` with initial parameters drawn from a seed.
public func withSeed<Result>(_ seed: UInt64, _ body: () throws -> Result) rethrows -> Result {
  try InitializationSeed.$current.withValue(InitializationSeed(seed), operation: body)
}

/// Runs `body` with layers whose random parameters have a shape but no numbers and take no memory: enough to trace,
/// summarise and plan a model of any size at once. Such a model cannot compute.
public func withoutNumbers<Result>(_ body: () throws -> Result) rethrows -> Result {
  try InitializationSeed.$current.withValue(InitializationSeed(0, drawsNumbers: false), operation: body)
}

private final class InitializationSeed: Sendable {
  @TaskLocal static var current = InitializationSeed(0)
  let drawsNumbers: Bool
  private let seed: UInt64
  private let count = Atomic<UInt64>(0)

  init(_ seed: UInt64, drawsNumbers: Bool = true) {
    self.seed = seed
    self.drawsNumbers = drawsNumbers
  }

  /// A stream for the next tensor.
  func nextStream() -> RandomStream {
    let index = count.wrappingAdd(1, ordering: .relaxed).newValue
    return RandomStream(seed: seed, stream: RandomStream.stream(0x696E_6974, index))
  }
}

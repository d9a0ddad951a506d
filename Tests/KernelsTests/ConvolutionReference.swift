import Foundation
import Kernels

/// Convolutions as their definitions say, summed in Float64: the oracle of the kernels.
enum Reference {
  /// Calls `body(x, w, y)` with the indices of every product that the convolution sums.
  static func products(_ g: ConvGeometry, _ body: (Int, Int, Int) -> Void) {
    let (groupIn, groupOut) = (g.groupInChannels, g.groupOutChannels)
    for n in 0..<g.batch {
      for od in 0..<g.output.depth {
        for oh in 0..<g.output.height {
          for ow in 0..<g.output.width {
            let y = ((n * g.output.depth + od) * g.output.height + oh) * g.output.width + ow
            for kd in 0..<g.kernel.depth {
              let id = od * g.stride.depth + kd * g.dilation.depth - g.paddingBefore.depth
              guard id >= 0, id < g.input.depth else { continue }
              for kh in 0..<g.kernel.height {
                let ih = oh * g.stride.height + kh * g.dilation.height - g.paddingBefore.height
                guard ih >= 0, ih < g.input.height else { continue }
                for kw in 0..<g.kernel.width {
                  let iw = ow * g.stride.width + kw * g.dilation.width - g.paddingBefore.width
                  guard iw >= 0, iw < g.input.width else { continue }
                  let x = ((n * g.input.depth + id) * g.input.height + ih) * g.input.width + iw
                  let tap = (kd * g.kernel.height + kh) * g.kernel.width + kw
                  for k in 0..<g.outChannels {
                    for c in 0..<groupIn {
                      body(
                        x * g.inChannels + k / groupOut * groupIn + c, (k * groupIn + c) * g.kernel.count + tap,
                        y * g.outChannels + k)
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  static func forward(_ x: [Float], _ w: [Float], _ g: ConvGeometry) -> [Double] {
    var y = [Double](repeating: 0, count: g.outputCount)
    products(g) { y[$2] += Double(x[$0]) * Double(w[$1]) }
    return y
  }

  static func inputGradient(_ dy: [Float], _ w: [Float], _ g: ConvGeometry) -> [Double] {
    var dx = [Double](repeating: 0, count: g.inputCount)
    products(g) { dx[$0] += Double(dy[$2]) * Double(w[$1]) }
    return dx
  }

  static func weightGradient(_ x: [Float], _ dy: [Float], _ g: ConvGeometry) -> [Double] {
    var dw = [Double](repeating: 0, count: g.weightCount)
    products(g) { dw[$1] += Double(x[$0]) * Double(dy[$2]) }
    return dw
  }

  /// One of each kind: none, those of registers, one that comes later, and gradients.
  static let endings: [(activation: ActivationKernel?, isGradient: Bool)] = [
    (nil, false), (.relu, false), (.relu6, false), (.silu, false), (.relu, true), (.relu6, true),
  ]

  /// - Parameter mask: with one, the gradient of the activation, ReLU or ReLU6, that gave it.
  static func finish(
    _ y: [Double], bias: [Float]? = nil, residual: [Float]?, _ activation: ActivationKernel?, mask: [Float]? = nil,
    channels: Int
  ) -> [Double] {
    y.indices.map { i in
      let sum = y[i] + Double(bias?[i % channels] ?? 0) + Double(residual?[i] ?? 0)
      if let mask { return mask[i] > 0 && (activation == .relu || mask[i] < 6) ? sum : 0 }
      return switch activation {
      case .relu: max(0, sum)
      case .relu6: min(6, max(0, sum))
      case .silu: sum / (1 + exp(-sum))
      default: sum
      }
    }
  }
}

/// Floats in a buffer with readable slack behind, and guard bands on both sides that no kernel may touch.
final class Buffer {
  private let base: UnsafeMutablePointer<Float>
  let count: Int
  private static let band = 128
  private static let guardValue: Float = -12345.5

  /// Holds NaN, which spoils every result that depends on an element never written.
  init(count: Int) {
    self.count = count
    let capacity = count + 2 * Self.band
    // As a plan's buffers are.
    base = UnsafeMutableRawPointer.allocate(byteCount: 4 * capacity, alignment: 64)
      .bindMemory(to: Float.self, capacity: capacity)
    base.initialize(repeating: Self.guardValue, count: count + 2 * Self.band)
    (base + Self.band).update(repeating: .nan, count: count)
  }

  convenience init(_ values: [Float]) {
    self.init(count: values.count)
    for (i, value) in values.enumerated() { pointer[i] = value }
  }

  deinit { base.deallocate() }

  var pointer: UnsafeMutablePointer<Float> { base + Self.band }
  var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
  var isGuarded: Bool {
    (0..<Self.band).allSatisfy { base[$0] == Self.guardValue && pointer[count + $0] == Self.guardValue }
  }
}

/// What ReLU6 may give: values below, inside, on and above its bounds.
func maskValues(_ count: Int) -> [Float] {
  randomValues(count, seed: 8).map { ($0 * 9).rounded() }
}

/// Values in [-1, 1).
func randomValues(_ count: Int, seed: UInt64) -> [Float] {
  var stream = RandomStream(seed: seed)
  return (0..<count).map { _ in stream.uniform(-1..<1) }
}

/// The largest difference, relative to `scale`; infinite for NaN.
func error(_ values: [Float], _ expected: [Double], scale: Double) -> Double {
  guard values.count == expected.count else { return .infinity }
  var largest = 0.0
  for (value, exact) in zip(values, expected) {
    let difference = abs(Double(value) - exact)
    guard difference.isFinite else { return .infinity }
    largest = max(largest, difference)
  }
  return largest / scale
}

/// The largest magnitude, or 1 where all are smaller.
func scale(_ values: [Double]) -> Double { values.reduce(1) { max($0, abs($1)) } }

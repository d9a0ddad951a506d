import CKernels
import Foundation
import Kernels
import Testing

@Suite struct ActivationTests {
  static let activations: [(String, ActivationKernel)] = [
    ("relu", .relu), ("relu6", .relu6), ("leakyReLU", .leakyReLU(slope: 0.1)), ("sigmoid", .sigmoid), ("tanh", .tanh),
    ("geluExact", .geluExact), ("geluTanh", .geluTanh), ("silu", .silu), ("hardSwish", .hardSwish),
    ("hardSigmoid", .hardSigmoid), ("elu", .elu(alpha: 0.7)), ("selu", .selu),
    ("softplus", .softplus(beta: 2, threshold: 15)), ("mish", .mish),
  ]

  @Test(arguments: InstructionSet.available, activations.indices)
  func agreesWithPyTorch(isa: InstructionSet, index: Int) throws {
    let (name, activation) = Self.activations[index]
    let x = GuardedBuffer(try #require(pytorch["activation x"]))
    let dy = GuardedBuffer(wave(x.count))
    let y = GuardedBuffer(count: x.count)
    let dx = GuardedBuffer(count: x.count)
    activation.forward(x.pointer, y.pointer, count: x.count, pool: serialPool, isa: isa)
    activation.backward(dy.pointer, x.pointer, dx.pointer, count: x.count, pool: serialPool, isa: isa)
    // PyTorch's own error function is off by 4e-7, and its gradient of hard swish at NaN (the last input) is not NaN.
    let skipped = activation == .hardSwish ? 1 : 0
    expectClose(y.values, try #require(pytorch["\(name) y"]), 6e-7, "\(name) forward")
    expectClose(
      dx.values.dropLast(skipped), (try #require(pytorch["\(name) dx"])).dropLast(skipped), 1e-6, "\(name) backward")
    #expect(y.isIntact && dx.isIntact)
  }

  /// An element's bits depend on neither its place, the length, nor whether the result overwrites the input.
  @Test(arguments: InstructionSet.available, activations.indices)
  func isTheSameAnywhere(isa: InstructionSet, index: Int) {
    let activation = Self.activations[index].1
    let values = random(40_003)
    let x = GuardedBuffer(values)
    let y = GuardedBuffer(count: x.count)
    let dx = GuardedBuffer(count: x.count)
    activation.forward(x.pointer, y.pointer, count: x.count, pool: serialPool, isa: isa)
    activation.backward(x.pointer, x.pointer, dx.pointer, count: x.count, pool: serialPool, isa: isa)
    for count in [1, 7, 15, 16, 17, 1000] {
      let start = 12_345
      let part = GuardedBuffer(Array(values[start..<start + count]))
      let gradient = GuardedBuffer(part.values)
      activation.backward(part.pointer, part.pointer, gradient.pointer, count: count, pool: serialPool, isa: isa)
      activation.forward(part.pointer, part.pointer, count: count, pool: serialPool, isa: isa)
      #expect(part.bits == Array(y.bits[start..<start + count]))
      #expect(gradient.bits == Array(dx.bits[start..<start + count]))
      #expect(part.isIntact && gradient.isIntact)
    }
  }
}

@Suite struct UnaryTests {
  static let functions: [(UnaryKernel, Range<Float>, @Sendable (Double) -> Double)] = [
    (.exp, -87..<88, { Foundation.exp($0) }), (.exp, -1..<1, { Foundation.exp($0) }),
    (.log, 1e-30..<1e30, { Foundation.log($0) }), (.log, 0.5..<2, { Foundation.log($0) }),
    (.erf, -5..<5, { Foundation.erf($0) }), (.sqrt, 0..<100, { $0.squareRoot() }), (.negate, -9..<9, { -$0 }),
    (.abs, -9..<9, { Swift.abs($0) }), (.square, -9..<9, { $0 * $0 }), (.reciprocal, 0.1..<9, { 1 / $0 }),
    (.sign, -1..<1, { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }),
    (.sin, -9..<9, { Foundation.sin($0) }), (.cos, -9..<9, { Foundation.cos($0) }),
    (.floor, -9..<9, { $0.rounded(.down) }), (.ceil, -9..<9, { $0.rounded(.up) }),
    (.round, -9..<9, { $0.rounded(.toNearestOrEven) }), (.not, -1..<1, { $0 == 0 ? 1 : 0 }),
    (.affine(scale: 2, offset: -0.5), -9..<9, { 2 * $0 - 0.5 }),
  ]

  @Test(arguments: InstructionSet.available, functions.indices)
  func isAccurate(isa: InstructionSet, index: Int) {
    let (function, range, reference) = Self.functions[index]
    for count in sizes {
      let x = GuardedBuffer(random(count, range))
      let y = GuardedBuffer(count: count)
      function.apply(x.pointer, y.pointer, count: count, pool: serialPool, isa: isa)
      var worst = 0.0
      for (input, output) in zip(x.values, y.values) {
        let exact = reference(Double(input))
        worst = max(worst, abs(Double(output) - exact) / max(abs(exact), function == .erf ? 1 : 0.1))
      }
      #expect(worst <= 2.5e-7, "\(function), \(count)")
      #expect(y.isIntact)
    }
  }

  @Test(arguments: InstructionSet.available) func isRelativelyAccurate(isa: InstructionSet) {
    let x = random(100_003, -10..<10)
    for (name, apply, reference) in [
      (
        "tanh", { ActivationKernel.tanh.forward($0, $1, count: $2, pool: serialPool, isa: isa) },
        { Foundation.tanh($0) }
      ),
      (
        "sigmoid", { ActivationKernel.sigmoid.forward($0, $1, count: $2, pool: serialPool, isa: isa) },
        { 1 / (1 + Foundation.exp(-$0)) }
      ),
      ("exp", { UnaryKernel.exp.apply($0, $1, count: $2, pool: serialPool, isa: isa) }, { Foundation.exp($0) }),
      ("erf", { UnaryKernel.erf.apply($0, $1, count: $2, pool: serialPool, isa: isa) }, { Foundation.erf($0) }),
    ] as [(String, (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void, (Double) -> Double)] {
      let input = GuardedBuffer(x)
      let output = GuardedBuffer(count: x.count)
      apply(input.pointer, output.pointer, x.count)
      let worst = zip(x, output.values).reduce(0) { worst, pair in
        let exact = reference(Double(pair.0))
        return max(worst, abs(Double(pair.1) - exact) / abs(exact))
      }
      #expect(worst < 3e-7, "\(name)")
    }
  }

  @Test(arguments: InstructionSet.available) func isRightAtTheEnds(isa: InstructionSet) {
    let inf = Float.infinity
    let x = GuardedBuffer([inf, -inf, .nan, 0, 1, -1])
    func results(_ function: UnaryKernel) -> [Float] {
      let y = GuardedBuffer(count: x.count)
      function.apply(x.pointer, y.pointer, count: x.count, pool: serialPool, isa: isa)
      return y.values
    }
    expectClose(results(.exp), [inf, 0, .nan, 1, Float(M_E), 1 / Float(M_E)], 1e-7)
    expectClose(results(.log), [inf, .nan, .nan, -inf, 0, .nan], 0)
    expectClose(results(.erf), [1, -1, .nan, 0, 0.8427008, -0.8427008], 1e-7)
    func activated(_ activation: ActivationKernel) -> [Float] {
      let y = GuardedBuffer(count: x.count)
      activation.forward(x.pointer, y.pointer, count: x.count, pool: serialPool, isa: isa)
      return y.values
    }
    expectClose(activated(.tanh), [1, -1, .nan, 0, 0.7615942, -0.7615942], 1e-7)
    expectClose(activated(.sigmoid), [1, 0, .nan, 0.5, 0.7310586, 0.2689414], 1e-7)
    #expect(activated(.relu)[2].isNaN && activated(.relu6)[2].isNaN && activated(.softplus())[2].isNaN)
  }
}

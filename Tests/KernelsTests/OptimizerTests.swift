import CKernels
import Kernels
import Testing

@Suite struct OptimizerTests {
  static let sgd: [(String, SGDKernel)] = [
    ("sgd plain", SGDKernel(rate: 0.1)),
    ("sgd", SGDKernel(rate: 0.1, momentum: 0.9, decay: .coupled(0.01))),
    ("sgd nesterov", SGDKernel(rate: 0.1, momentum: 0.9, nesterov: true, decay: .coupled(0.01))),
  ]
  static let adam: [(String, AdamKernel)] = [
    ("adam", AdamKernel(rate: 0.01, decay: .coupled(0.01))),
    ("adamw", AdamKernel(rate: 0.01, beta1: 0.8, beta2: 0.95, epsilon: 1e-6, decay: .decoupled(0.05))),
  ]

  /// Gradients come at half their size, for the gradient scale to undo.
  @Test(arguments: InstructionSet.available, sgd.indices)
  func sgdAgreesWithPyTorch(isa: InstructionSet, index: Int) throws {
    var (name, kernel) = Self.sgd[index]
    kernel.gradientScale = 2
    let parameter = GuardedBuffer(wave(33))
    let velocity = GuardedBuffer([Float](repeating: 0, count: 33))
    for step in 0..<3 {
      let gradient = GuardedBuffer(wave(33, step: 11 + step).map { $0 / 2 })
      kernel.update(
        parameter.pointer, gradient: gradient.pointer, velocity: kernel.momentum == 0 ? nil : velocity.pointer,
        count: 33, pool: serialPool, isa: isa)
    }
    expectClose(parameter.values, try #require(pytorch[name]), 5e-7, name)
    #expect(parameter.isIntact && velocity.isIntact)
  }

  @Test(arguments: InstructionSet.available, adam.indices)
  func adamAgreesWithPyTorch(isa: InstructionSet, index: Int) throws {
    var (name, kernel) = Self.adam[index]
    kernel.gradientScale = 2
    let parameter = GuardedBuffer(wave(33))
    let mean = GuardedBuffer([Float](repeating: 0, count: 33))
    let variance = GuardedBuffer([Float](repeating: 0, count: 33))
    for step in 0..<3 {
      let gradient = GuardedBuffer(wave(33, step: 11 + step).map { $0 / 2 })
      kernel.update(
        parameter.pointer, gradient: gradient.pointer, mean: mean.pointer, variance: variance.pointer, step: step + 1,
        count: 33, pool: serialPool, isa: isa)
    }
    expectClose(parameter.values, try #require(pytorch[name]), 5e-7, name)
    #expect(parameter.isIntact && mean.isIntact && variance.isIntact)
  }

  @Test(arguments: InstructionSet.available, sizes)
  func decoupledDecayAndOddSizes(isa: InstructionSet, count: Int) {
    let kernel = SGDKernel(rate: 0.5, momentum: 0.5, decay: .decoupled(0.1))
    let start = random(count)
    let parameter = GuardedBuffer(start)
    let gradient = GuardedBuffer(random(count, seed: 2))
    let velocity = GuardedBuffer([Float](repeating: 1, count: count))
    kernel.update(
      parameter.pointer, gradient: gradient.pointer, velocity: velocity.pointer, count: count, pool: serialPool,
      isa: isa)
    let expected = (0..<count).map { Double(start[$0]) * 0.95 - 0.5 * (0.5 + Double(gradient.pointer[$0])) }
    expectClose(parameter.values, expected, 3e-7)
    expectClose(velocity.values, gradient.values.map { 0.5 + Double($0) }, 1e-7)
    #expect(parameter.isIntact && velocity.isIntact)
  }
}

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
      let update = ParameterUpdate(
        kernel, parameter.pointer, gradient: gradient.pointer,
        velocity: kernel.momentum == 0 ? nil : velocity.pointer)
      UpdateLoop([33]).run([update], pool: serialPool, isa: isa)
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
      let update = ParameterUpdate(
        kernel, parameter.pointer, gradient: gradient.pointer, mean: mean.pointer, variance: variance.pointer,
        step: step + 1)
      UpdateLoop([33]).run([update], pool: serialPool, isa: isa)
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
    let update = ParameterUpdate(
      kernel, parameter.pointer, gradient: gradient.pointer, velocity: velocity.pointer)
    UpdateLoop([count]).run([update], pool: serialPool, isa: isa)
    let expected = (0..<count).map { Double(start[$0]) * 0.95 - 0.5 * (0.5 + Double(gradient.pointer[$0])) }
    expectClose(parameter.values, expected, 3e-7)
    expectClose(velocity.values, gradient.values.map { 0.5 + Double($0) }, 1e-7)
    #expect(parameter.isIntact && velocity.isIntact)
  }

  /// Many parameters of all sizes, each by a rule of its own, as one loop on several threads and one by one.
  @Test(arguments: [1, 2, 3]) func oneLoopOverAll(threads: Int) {
    let counts = [1, 33, 16_384, 5, 100_003, 7, 16_383, 40_000, 2, 3]
    let pool = ThreadPool(threadCount: threads)
    func buffers(_ seed: UInt64) -> [GuardedBuffer] { counts.map { GuardedBuffer(random($0, 0..<3, seed: seed)) } }
    let gradients = buffers(1)
    func update(_ index: Int, _ parameter: GuardedBuffer, _ first: GuardedBuffer, _ second: GuardedBuffer)
      -> ParameterUpdate
    {
      if index % 2 == 0 {
        let kernel = SGDKernel(rate: 0.1 * Float(index), momentum: 0.9, decay: .coupled(0.01), gradientScale: 0.7)
        return ParameterUpdate(
          kernel, parameter.pointer, gradient: gradients[index].pointer, velocity: first.pointer)
      }
      return ParameterUpdate(
        AdamKernel(rate: 0.1 * Float(index)), parameter.pointer, gradient: gradients[index].pointer,
        mean: first.pointer, variance: second.pointer, step: index)
    }
    let (joined, alone) = ((0..<3).map { buffers($0 + 2) }, (0..<3).map { buffers($0 + 2) })
    UpdateLoop(counts).run(
      counts.indices.map { update($0, joined[0][$0], joined[1][$0], joined[2][$0]) }, pool: pool)
    for index in counts.indices {
      let one = update(index, alone[0][index], alone[1][index], alone[2][index])
      UpdateLoop([counts[index]]).run([one], pool: serialPool)
    }
    for (a, b) in zip(joined.joined(), alone.joined()) { #expect(a.bits == b.bits && a.isIntact) }
    #expect(joined[0][4].bits != buffers(2)[4].bits)
  }
}

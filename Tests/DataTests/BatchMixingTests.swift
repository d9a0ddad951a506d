import Data
import Runtime
import Testing

/// Batches that are blended with themselves. Expected numbers: torchvision 0.29, `v2.MixUp` with `lam` 0.3 and
/// `v2.CutMix` with box (1, 0, 3, 2) on `torch.arange(72).reshape(3, 2, 3, 4) / 10` and labels 2, 0, 2.
@Suite struct BatchMixingTests {
  private let batch = Batch(
    input: Tensor((0..<72).map { Float($0) / 10 }, shape: [3, 2, 3, 4]), target: Tensor([2, 0, 2] as [Int32]),
    indices: [5, 3, 9])

  private func expect(_ tensor: Tensor, _ numbers: [Float]) {
    let found = tensor.scalars(as: Float.self)
    #expect(found.count >= numbers.count)
    for (a, b) in zip(found, numbers) { #expect(abs(a - b) < 1e-5) }
  }

  @Test func blendsLikeTorchvision() {
    let mixed = BatchMixing(mixUp: 1, classCount: 3).blended(batch, share: 0.3)
    expect(mixed.input, (0..<24).map { 3.36 + Float($0) / 10 } + (0..<48).map { 0.72 + Float($0) / 10 })
    expect(mixed.target, [0, 0, 1, 0.3, 0, 0.7, 0.7, 0, 0.3])
    #expect(mixed.target.shape == [3, 3] && mixed.indices == [5, 3, 9])
  }

  @Test func cutsLikeTorchvision() {
    let mixed = BatchMixing(cutMix: 1, classCount: 3).cut(batch, columns: 1..<3, rows: 0..<2)
    expect(
      mixed.input,
      [
        0, 4.9, 5, 0.3, 0.4, 5.3, 5.4, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 6.1, 6.2, 1.5, 1.6, 6.5, 6.6, 1.9, 2, 2.1, 2.2, 2.3,
        2.4, 0.1, 0.2, 2.7, 2.8, 0.5, 0.6, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 1.3, 1.4, 3.9, 4, 1.7, 1.8, 4.3, 4.4, 4.5, 4.6,
        4.7, 4.8, 2.5, 2.6, 5.1, 5.2, 2.9, 3, 5.5, 5.6, 5.7, 5.8, 5.9, 6, 3.7, 3.8, 6.3, 6.4, 4.1, 4.2, 6.7, 6.8, 6.9,
        7, 7.1,
      ])
    expect(mixed.target, [0, 0, 1, 2 / 3.0, 0, 1 / 3.0, 1 / 3.0, 0, 2 / 3.0])
  }

  @Test func sharesHaveTheBetaDistribution() {
    for alpha in [0.05, 0.2, 1, 5] {
      var random = RandomStream(seed: 3, stream: UInt64(alpha * 100))
      let draws = (0..<20000).map { _ in random.beta(alpha) }
      #expect(draws.allSatisfy { (0...1).contains($0) })
      let mean = draws.reduce(0, +) / 20000
      let variance = draws.reduce(0) { $0 + ($1 - 0.5) * ($1 - 0.5) } / 20000
      #expect(abs(mean - 0.5) < 0.015)
      #expect(abs(variance - 1 / (4 * (2 * alpha + 1))) < 0.005)
    }
  }

  @Test func partsOfCutMixHaveTheSharesTheyClaim() {
    let mixing = BatchMixing(cutMix: 1, classCount: 2)
    let zeros = (0..<64).map { _ in Float(0) }
    let pair = Batch(
      input: Tensor(zeros + zeros.map { _ in 1 }, shape: [2, 1, 8, 8]), target: Tensor([0, 1] as [Int32]),
      indices: [0, 1])
    var areas: Set<Float> = []
    for stream in 0..<200 as Range<UInt64> {
      let mixed = mixing(pair, random: RandomStream(seed: 1, stream: stream))
      let foreign = mixed.input.scalars(as: Float.self).prefix(64).reduce(0, +) / 64
      expect(mixed.target, [1 - foreign, foreign, foreign, 1 - foreign])
      areas.insert(foreign)
    }
    #expect(areas.count > 15 && areas.min()! < 0.05 && areas.max()! > 0.5)
  }

  @Test(arguments: [BatchMixing(mixUp: 0.2, classCount: 2), BatchMixing(mixUp: 0.4, cutMix: 1, classCount: 2)])
  func sameBatchesForAnyNumberOfThreads(mixing: BatchMixing) throws {
    struct Pictures: Dataset {
      let count = 23
      func example(at index: Int, random: RandomStream) -> Example {
        var random = random
        return Example(
          input: Tensor((0..<16).map { _ in random.uniform() }, shape: [1, 4, 4]), target: Tensor(Int32(index % 2)))
      }
    }
    func epoch(_ number: Int, threads: Int, from first: Int = 0) throws -> [[Float]] {
      let loader = DataLoader(Pictures(), batchSize: 4, shuffle: true, seed: 9, threads: threads, mixing: mixing)
      return try loader.batches(epoch: number, from: first).rest().map { $0.input.scalars() + $0.target.scalars() }
    }
    let reference = try epoch(1, threads: 0)
    for threads in 1...3 { #expect(try epoch(1, threads: threads) == reference) }
    #expect(try epoch(1, threads: 2, from: 3) == Array(reference[3...]))
    #expect(try epoch(2, threads: 2) != reference)
    #expect(mixing.cutMix == nil || Set(reference.map(\.count)) == [4 * 18, 3 * 18])
  }
}

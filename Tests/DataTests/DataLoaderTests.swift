import Data
import Foundation
import Runtime
import Testing

@Suite(.serialized) struct DataLoaderTests {
  func loader(_ count: Int, batch: Int, threads: Int = 2, seed: UInt64 = 7, prefetch: Int = 3) -> DataLoader {
    DataLoader(
      CountingDataset(count: count), batchSize: batch, shuffle: true, seed: seed, threads: threads, prefetch: prefetch)
  }

  @Test func stacksInOrder() throws {
    let loader = DataLoader(CountingDataset(count: 5), batchSize: 2, mergesLoneExample: false)
    let batches = try loader.batches(epoch: 0).rest()
    #expect(batches.map(\.indices) == [[0, 1], [2, 3], [4]])
    #expect(batches[1].input.shape == [2, 2])
    #expect(batches[1].target.shape == [2])
    #expect(batches[1].target.scalars() == [Int32(2), 3])
    let input: [Float] = batches[1].input.scalars()
    #expect(input[0] == 2 && input[2] == 3)
  }

  @Test(arguments: [
    (10, 3, false, true, [3, 3, 4]), (10, 3, false, false, [3, 3, 3, 1]), (10, 3, true, true, [3, 3, 3]),
    (11, 3, false, true, [3, 3, 3, 2]), (9, 3, false, true, [3, 3, 3]), (1, 3, false, true, [1]),
    (0, 3, false, true, []),
    (2, 3, true, true, []), (3, 1, false, true, [1, 1, 1]), (4, 3, false, true, [4]),
  ])
  func remainders(count: Int, batch: Int, drops: Bool, merges: Bool, sizes: [Int]) throws {
    let loader = DataLoader(
      CountingDataset(count: count), batchSize: batch, dropsRemainder: drops, mergesLoneExample: merges)
    #expect(loader.batchCount == sizes.count)
    let batches = try loader.batches(epoch: 0).rest()
    #expect(batches.map(\.indices.count) == sizes)
    #expect(batches.flatMap(\.indices) == Array(0..<sizes.reduce(0, +)))
  }

  @Test func orderIsAPermutationThatChanges() {
    let loader = loader(1000, batch: 10)
    let first = loader.order(epoch: 0)
    #expect(first.sorted() == Array(0..<1000))
    #expect(first == self.loader(1000, batch: 33, threads: 1).order(epoch: 0))
    #expect(first != loader.order(epoch: 1))
    #expect(first != self.loader(1000, batch: 10, seed: 8).order(epoch: 0))
    #expect(first != Array(0..<1000))
    // Each position is equally likely for each example: a chi-squared over 400 epochs of 10 examples stays near 81.
    var counts = [[Double]](repeating: [Double](repeating: 0, count: 10), count: 10)
    let small = self.loader(10, batch: 1)
    for epoch in 0..<400 {
      for (position, index) in small.order(epoch: epoch).enumerated() { counts[index][position] += 1 }
    }
    let chiSquared = counts.joined().reduce(0) { $0 + ($1 - 40) * ($1 - 40) / 40 }
    #expect((40...130).contains(chiSquared))
  }

  @Test func anyNumberOfThreadsAndAnyStartGiveTheSameBits() throws {
    func bits(_ batches: [Batch]) -> [[UInt32]] {
      batches.map {
        $0.input.scalars(as: Float.self).map(\.bitPattern) + $0.target.scalars(as: Int32.self).map(UInt32.init)
      }
    }
    let reference = bits(try loader(103, batch: 8, threads: 0).batches(epoch: 4).rest())
    #expect(reference.count == 13)
    for threads in [1, 2, 3, 20] {
      for prefetch in [1, 4] {
        let loader = loader(103, batch: 8, threads: threads, prefetch: prefetch)
        #expect(bits(try loader.batches(epoch: 4).rest()) == reference)
        for first in [1, 6, 12, 13, 40] {
          #expect(bits(try loader.batches(epoch: 4, from: first).rest()) == Array(reference.dropFirst(first)))
        }
      }
    }
    #expect(bits(try loader(103, batch: 8).batches(epoch: 5).rest()) != reference)
  }

  @Test func augmentationDiffersByEpochAndExample() throws {
    let loader = DataLoader(CountingDataset(count: 50), batchSize: 50)
    var draws: Set<Float> = []
    for epoch in 0..<4 {
      let batch = try #require(try loader.batches(epoch: epoch).next())
      let input: [Float] = batch.input.scalars()
      for index in 0..<50 { draws.insert(input[2 * index + 1]) }
    }
    #expect(draws.count == 200)
  }

  @Test(arguments: [0, 1, 3]) func errorsComeWithTheirBatch(threads: Int) throws {
    let dataset = CountingDataset(count: 12, broken: [4, 9])
    let batches = DataLoader(dataset, batchSize: 3, threads: threads).batches(epoch: 0)
    #expect(try batches.next()?.indices == [0, 1, 2])
    #expect(throws: CountingDataset.Broken(index: 4)) { _ = try batches.next() }
    #expect(try batches.next()?.indices == [6, 7, 8])
    #expect(throws: CountingDataset.Broken(index: 9)) { _ = try batches.next() }
    #expect(try batches.next() == nil)
    #expect(try batches.next() == nil)
  }

  @Test func slowExamplesDoNotChangeTheOrder() throws {
    let dataset = CountingDataset(count: 40, delay: { $0 % 8 == 0 ? 0.01 : 0 })
    let batches = DataLoader(dataset, batchSize: 4, threads: 3).batches(epoch: 0)
    #expect(try batches.rest().flatMap(\.indices) == Array(0..<40))
    #expect(batches.waitedSeconds > 0.01 && batches.waitedSeconds < 10)
  }

  @Test func rowsOfTensorsComeBackStacked() throws {
    let inputs = Tensor((0..<24).map(Float.init), shape: [4, 2, 3])
    let dataset = InMemoryDataset(inputs: inputs, targets: Tensor([Int64(5), 6, 7, 8]))
    #expect(dataset.count == 4)
    #expect(dataset.examples[2].input.shape == [2, 3] && dataset.examples[2].target.shape == .scalar)
    let batches = try DataLoader(dataset, batchSize: 3, mergesLoneExample: false).batches(epoch: 0).rest()
    #expect(batches[0].input.scalars() == (0..<18).map(Float.init))
    #expect(batches[1].input.scalars() == (18..<24).map(Float.init))
    #expect(batches[1].target.scalars() == [Int64(8)])
  }

  @Test func unequalShapesAreRefused() throws {
    let dataset = InMemoryDataset([
      Example(input: Tensor([Float(1), 2]), target: Tensor(Int32(0))),
      Example(input: Tensor([Float(1)]), target: Tensor(Int32(0))),
    ])
    let text = message { _ = try DataLoader(dataset, batchSize: 2).batches(epoch: 0).next() }
    #expect(text.hasPrefix("example 1: its input is float32 1, but that of example 0 in the same batch is float32 2"))
  }

  #if os(Linux)
    static func residentBytes() throws -> Int {
      let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
      return (Int(text.split(separator: " ")[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    static func threadCount() throws -> Int {
      try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
    }

    /// Waits for threads that end on their own.
    func expectThreads(atMost limit: Int) throws {
      for _ in 0..<500 where try Self.threadCount() > limit { Thread.sleep(forTimeInterval: 0.01) }
      #expect(try Self.threadCount() <= limit)
    }

    @Test func memoryStaysFlat() throws {
      // 64 batches of 1 MB an epoch, so that a leak of one batch an epoch would show as 50 MB.
      let loader = DataLoader(
        CountingDataset(count: 512, size: 32_768), batchSize: 8, shuffle: true, threads: 2, prefetch: 4)
      func epoch(_ number: Int) throws {
        let batches = loader.batches(epoch: number)
        // Abandons every other epoch midway.
        for _ in 0..<(number % 2 == 0 ? 64 : 20) { _ = try batches.next() }
      }
      for number in 0..<10 { try epoch(number) }
      // Tests of other suites allocate at the same time; a leak would show in every round.
      var growth = Int.max
      for _ in 0..<8 where growth > 12 << 20 {
        let before = try Self.residentBytes()
        for number in 10..<60 { try epoch(number) }
        growth = try Self.residentBytes() - before
      }
      #expect(growth <= 12 << 20, "grew by \(growth) bytes in 50 epochs")
    }

    @Test func abandonedIteratorsEndTheirThreads() throws {
      let before = try Self.threadCount()
      for number in 0..<200 {
        let batches = loader(1000, batch: 2, threads: 3, prefetch: number % 5 + 1).batches(epoch: number)
        for _ in 0..<number % 4 { _ = try batches.next() }
      }
      // Other suites may start a few threads meanwhile; 600 would be these.
      try expectThreads(atMost: before + 16)
    }
  #endif
}

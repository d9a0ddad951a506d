import Graph
public import Runtime

/// Deals the examples of a data set in batches, an epoch at a time, and prepares the next batches on threads of its own
/// while the caller computes.
///
/// What is dealt is a pure function of (data set, settings, seed, epoch): neither the number of threads nor where an
/// epoch was resumed changes a bit.
/// ```swift
/// let batches = loader.batches(epoch: 0)
/// while let batch = try batches.next() { ... }
/// ```
public struct DataLoader: Sendable {
  public let dataset: any Dataset
  public let batchSize: Int
  public let shuffle: Bool
  public let seed: UInt64
  public let dropsRemainder: Bool
  public let mergesLoneExample: Bool
  public let threads: Int
  public let prefetch: Int
  public let mixing: BatchMixing?

  /// - Parameters:
  ///   - batchSize: examples in a batch, at least 1.
  ///   - shuffle: a new order in each epoch.
  ///   - dropsRemainder: leave out the examples that do not fill the last batch.
  ///   - mergesLoneExample: if the last batch would hold a single example, add it to the one before: batch norm cannot
  ///     train on one value.
  ///   - threads: how many prepare batches; 0 prepares each batch in `next()` itself.
  ///   - prefetch: batches prepared ahead, at least 1; they bound the memory that the loader takes.
  ///   - mixing: blends the examples of each batch.
  public init(
    _ dataset: any Dataset, batchSize: Int, shuffle: Bool = false, seed: UInt64 = 0, dropsRemainder: Bool = false,
    mergesLoneExample: Bool = true, threads: Int = 2, prefetch: Int = 3,
    mixing: BatchMixing? = nil
  ) {
    if batchSize < 1 { fail("the batch size is \(batchSize), but must be at least 1") }
    if threads < 0 || prefetch < 1 {
      fail("a loader with \(threads) threads and \(prefetch) batches ahead: give at least 0 threads and 1 batch")
    }
    self.dataset = dataset
    self.batchSize = batchSize
    self.shuffle = shuffle
    self.seed = seed
    self.dropsRemainder = dropsRemainder
    self.mergesLoneExample = mergesLoneExample
    self.threads = threads
    self.prefetch = prefetch
    self.mixing = mixing
  }

  /// Batches in an epoch.
  public var batchCount: Int {
    let (full, rest) = dataset.count.quotientAndRemainder(dividingBy: batchSize)
    let isMerged = rest == 1 && full > 0 && mergesLoneExample
    return full + (rest == 0 || dropsRemainder || isMerged ? 0 : 1)
  }

  /// The positions in the data set in the order in which an epoch visits them.
  public func order(epoch: Int) -> [Int] {
    var order = Array(0..<dataset.count)
    guard shuffle else { return order }
    // Fisher and Yates, spelled out: the standard library does not promise that its shuffle stays the same.
    var random = RandomStream(seed: seed, stream: RandomStream.stream(Purpose.order, UInt64(epoch)))
    for last in stride(from: order.count - 1, to: 0, by: -1) {
      order.swapAt(last, random.integer(below: last + 1))
    }
    return order
  }

  /// The batches of an epoch, prepared from now on.
  /// - Parameters:
  ///   - firstBatch: where to begin, to continue an interrupted epoch.
  ///   - exampleEpoch: the epoch whose random changes the examples undergo, if not this one's own.
  public func batches(epoch: Int, from firstBatch: Int = 0, examplesOf exampleEpoch: Int? = nil) -> BatchIterator {
    if epoch < 0 || firstBatch < 0 { fail("epoch \(epoch), batch \(firstBatch): both count from 0") }
    let order = order(epoch: epoch)
    let count = batchCount
    let loader = self
    return BatchIterator(indices: firstBatch..<max(count, firstBatch), threads: threads, prefetch: prefetch) { batch in
      // The last batch takes a merged example along, but not a dropped remainder.
      let isOpenEnded = batch == count - 1 && !loader.dropsRemainder
      let start = batch * loader.batchSize
      let plain = try loader.batch(
        of: order[start..<(isOpenEnded ? order.count : start + loader.batchSize)], epoch: exampleEpoch ?? epoch)
      guard let mixing = loader.mixing else { return plain }
      let stream = RandomStream.stream(Purpose.mixing, UInt64(epoch), UInt64(batch))
      return mixing(plain, random: RandomStream(seed: loader.seed, stream: stream))
    }
  }

  /// The random numbers that an example gets; the loader gives them, and what shows its examples beforehand.
  public static func random(seed: UInt64, epoch: Int, example index: Int) -> RandomStream {
    RandomStream(seed: seed, stream: RandomStream.stream(Purpose.example, UInt64(epoch), UInt64(index)))
  }

  private func batch(of indices: ArraySlice<Int>, epoch: Int) throws -> Batch {
    let examples = try indices.map { index in
      try dataset.example(at: index, random: Self.random(seed: seed, epoch: epoch, example: index))
    }
    return try Batch(examples, indices: Array(indices))
  }

  /// Keeps the loader's uses of randomness apart.
  private enum Purpose {
    static let order: UInt64 = 0x6F72_6465_72
    static let example: UInt64 = 0x6578_616D_706C_65
    static let mixing: UInt64 = 0x6D69_7869_6E67
  }
}

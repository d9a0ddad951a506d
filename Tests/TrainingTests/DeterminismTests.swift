import Kernels
import Models
import Testing
import Training

/// The same seed gives the same bits, whatever the number of threads.
///
/// One test, because the number of threads is the whole process's.
@Suite struct DeterminismTests {
  @Test func everyNumberOfThreadsGivesTheSameBits() throws {
    defer { ThreadPool.setSharedThreadCount(ThreadPool.availableProcessors()) }
    var seen: [String: RunFolder.Contents] = [:]
    for threads in 1...3 {
      ThreadPool.setSharedThreadCount(threads)
      #expect(ThreadPool.shared.threadCount == threads)
      for loaderThreads in [threads, 4 - threads] {
        for (name, contents) in try Self.runs(loaderThreads) {
          let first = seen[name] ?? contents
          seen[name] = first
          #expect(contents == first, "\(name) with \(threads) threads and \(loaderThreads) loader threads")
        }
      }
    }
    #expect(seen.count == 3)
  }

  /// Seeds matter, or equal bits would prove nothing.
  @Test func anotherSeedGivesOtherBits() throws {
    let contents = try ([1, 1, 2] as [UInt64]).map { seed in
      var options = TrainingOptions(epochs: 1, batchSize: 16, logEvery: 1)
      options.seed = seed
      return try Self.run(Self.dropoutNet(), options, on: Pictures.training(48))
    }
    #expect(contents[0] == contents[1])
    #expect(contents[0].metrics[0] != contents[2].metrics[0])
  }

  private static func runs(_ loaderThreads: Int) throws -> [String: RunFolder.Contents] {
    func options(_ steps: Int, _ batchSize: Int) -> TrainingOptions {
      .init(
        epochs: 2, maximumSteps: steps, batchSize: batchSize, seed: 3, logEvery: 1, loaderThreads: loaderThreads)
    }
    let augmented = try Pictures.training(520, augmentation: .light)
    let coloured = try Pictures.training(160, channels: 3, augmentation: .light)
    return [
      "lenet": try run(withSeed(1) { LeNet() }, options(30, 32), on: augmented),
      "resnet20": try run(withSeed(1) { CIFARResNet(depth: 20) }, options(5, 32), on: coloured),
      "dropout": try run(dropoutNet(), options(12, 20), on: augmented),
    ]
  }

  private static func run(_ model: some Layer, _ options: TrainingOptions, on data: any Dataset) throws
    -> RunFolder.Contents
  {
    let scratch = try Scratch()
    let channels = try data.example(at: 0, random: RandomStream(seed: 0)).input.shape[0]
    _ = try Trainer(AnyLayer(model), options: options).fit(
      data, validation: try Pictures.test(50, channels: channels), run: scratch.run)
    return try scratch.run.contents()
  }

  private static func dropoutNet() -> Sequential {
    withSeed(2) {
      Sequential(
        Conv2D(in: 1, out: 8, kernel: 3, stride: 2), BatchNorm(8), Activation(.relu), Dropout(rate: 0.2),
        MaxPool2D(kernel: 2), Flatten(), Linear(in: 8 * 49, out: 32), Activation(.relu), Dropout(),
        Linear(in: 32, out: 10))
    }
  }
}

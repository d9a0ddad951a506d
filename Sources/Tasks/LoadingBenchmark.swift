import Data
public import Models

/// How fast a data set gives examples to a training: reading, decoding, resizing and augmentation, nothing else.
public struct LoadingBenchmark: Codable, Sendable {
  public var images: Int
  public var threads: Int
  public var imagesPerSecond: Double
  /// What an image costs one thread.
  public var millisecondsPerImage: Double

  enum CodingKeys: String, CodingKey {
    case images, threads
    case imagesPerSecond = "images_per_second"
    case millisecondsPerImage = "ms_per_image"
  }

  /// Loads the images of a data set once, in batches of 16, after one that is not measured.
  ///
  /// - Parameters:
  ///   - path: as for ``LabeledImages/open(_:)``.
  ///   - augmentation: what a training would take unless given.
  ///   - configuration: of the network that the images are for.
  ///   - threads: of the loader.
  ///   - seed: of all random choices.
  public init(
    _ path: String?, augmentation: Augmentation? = nil, for configuration: ModelConfiguration, threads: Int,
    seed: UInt64 = 0
  ) throws {
    let dataset = try LabeledImages.open(path).training
    guard configuration.imageSize.count == 2 else { throw TaskError("\(configuration.name): it does not take images") }
    let rule = ImagePreprocessing(
      channels: configuration.channels == 1 ? 1 : 3, height: configuration.imageSize[0],
      width: configuration.imageSize[1])
    let augmentation = augmentation ?? ClassifierTraining.augmentation(for: dataset, rule)
    let loader = DataLoader(
      dataset.view(nil, rule, augmentation), batchSize: 16, shuffle: true, seed: seed,
      threads: threads == 1 ? 0 : threads)
    _ = try loader.batches(epoch: 0).next()
    let start = ContinuousClock.now
    var count = 0
    let batches = loader.batches(epoch: 0)
    while let batch = try batches.next() { count += batch.indices.count }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    images = count
    self.threads = threads
    imagesPerSecond = Double(count) / seconds
    millisecondsPerImage = seconds * 1000 * Double(threads) / Double(count)
  }
}

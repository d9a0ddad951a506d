import Data
import Foundation
import Runtime
import Testing
import Vision

/// JPEG files that are decoded at a fraction of their size, where a training cuts a random part of them anyway.
@Suite struct ReducedDecodingTests {
  /// Smooth shapes with an edge, as in photographs.
  private static let photograph: Image = {
    var image = Image(width: 403, height: 297)
    for y in 0..<image.height {
      for x in 0..<image.width {
        let (u, v) = (Double(x) / 40, Double(y) / 30)
        let isInside = (x - 200) * (x - 200) + (y - 140) * (y - 140) < 8000
        let values = [sin(u) * cos(v), sin(u + v), cos(u - 2 * v)]
        for channel in 0..<3 { image[x, y, channel] = UInt8((isInside ? 90 : 150) + 60 * values[channel]) }
      }
    }
    return image
  }()

  private func dataset(_ folder: TemporaryFolder, side: Int, _ augmentation: Augmentation) throws -> ImageFolder {
    try ImageFolder(
      folder.path, preprocessing: ImagePreprocessing(height: side, width: side), augmentation: augmentation)
  }

  private func folder() throws -> TemporaryFolder {
    let bytes = try Self.photograph.jpegData(quality: 95)
    return try TemporaryFolder(["a/1.jpg": bytes, "b/1.png": Self.photograph.pngData()])
  }

  /// What the loader gives is nearly what the whole picture would have given.
  @Test(arguments: [24, 48, 100, 140])
  func nearlyTheSamePicture(side: Int) throws {
    let folder = try folder()
    let crops = Augmentation([
      .randomResizedCrop(scale: 0.5...1, ratio: 0.75...1.33), .horizontalFlip(probability: 0.5),
    ])
    let dataset = try dataset(folder, side: side, crops)
    var reductions: Set<Int> = []
    for epoch in 0..<8 {
      let random = DataLoader.random(seed: 1, epoch: epoch, example: 0)
      _ = try dataset.image(at: 0) { width, height in
        #expect(width == 403 && height == 297)
        let reduction = crops.draw(
          width: width, height: height, preprocessing: dataset.preprocessing, random: random
        ).reduction
        reductions.insert(reduction)
        return reduction
      }
      let loaded = try dataset.example(at: 0, random: random).input
      let whole = crops.apply(to: try dataset.image(at: 0), preprocessing: dataset.preprocessing, random: random)
      let exact = dataset.preprocessing.normalized(whole)
      let differences = zip(loaded.scalars(as: Float.self), exact.scalars(as: Float.self)).map { abs($0 - $1) * 255 }
      let mean = differences.reduce(0, +) / Float(differences.count)
      #expect(mean < 1.5 && differences.max()! < 40, "mean \(mean), largest \(differences.max()!)")
    }
    #expect(reductions.isSubset(of: side == 24 ? [8, 4] : side == 48 ? [4, 2] : side == 100 ? [2] : [1, 2]))
  }

  /// Nothing is reduced where nothing is cut at random, nor in other formats.
  @Test func exactWithoutRandomCrops() throws {
    let folder = try folder()
    for augmentation in [Augmentation.none, .light] {
      let dataset = try dataset(folder, side: 24, augmentation)
      for index in 0..<2 {
        let random = RandomStream(seed: 4)
        let expected = augmentation.apply(
          to: try dataset.image(at: index), preprocessing: dataset.preprocessing, random: random)
        let found = try dataset.example(at: index, random: random).input
        #expect(found.scalars(as: Float.self) == dataset.preprocessing.normalized(expected).scalars(as: Float.self))
      }
    }
    let dataset = try dataset(folder, side: 24, .standard)
    let random = RandomStream(seed: 4)
    let expected = Augmentation.standard.apply(
      to: try dataset.image(at: 1), preprocessing: dataset.preprocessing, random: random)
    #expect(
      try dataset.example(at: 1, random: random).input.scalars(as: Float.self)
        == dataset.preprocessing.normalized(expected).scalars(as: Float.self))
  }

  /// Rounded up, whatever the remainder.
  @Test func extents() throws {
    let folder = try folder()
    let dataset = try dataset(folder, side: 24, .none)
    for (factor, width, height) in [(1, 403, 297), (2, 202, 149), (4, 101, 75), (8, 51, 38)] {
      let image = try dataset.image(at: 0) { _, _ in factor }
      #expect(image.width == width && image.height == height)
    }
  }
}

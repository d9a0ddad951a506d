import Data
import Foundation
import Testing

@Suite struct FashionMNISTTests {
  /// Where Debian's package dataset-fashion-mnist puts it.
  static let folder = "/usr/share/datasets/fashion-mnist"

  @Test func embeddedSubsetIsBalancedAndMixed() throws {
    let (train, test) = try EmbeddedFashionMNIST.load()
    for (set, perClass) in [(train, 600), (test, 100)] {
      #expect(set.count == 10 * perClass && set.imageHeight == 28 && set.imageWidth == 28)
      var counts = [Int](repeating: 0, count: 10)
      for index in 0..<set.count { counts[set.label(at: index)] += 1 }
      #expect(counts == [Int](repeating: perClass, count: 10))
      #expect(Set((0..<100).map(set.label(at:))).count == 10)
    }
    #expect(train.classNames == EmbeddedFashionMNIST.classNames)
    // No damage by the way in: the hash of all pixels and labels, computed in Python from the originals.
    var hash: UInt64 = 0
    for set in [train, test] {
      for index in 0..<set.count {
        hash = XXHash64.hash(UInt64(set.label(at: index)), seed: hash ^ set.contentHash(at: index))
      }
    }
    #expect(hash == 0x83FC_442D_1BF5_1E1E)
  }

  @Test func theWholeDataSet() throws {
    guard FileManager.default.fileExists(atPath: Self.folder) else {
      print("skipped: \(Self.folder) is absent (Debian package dataset-fashion-mnist)")
      return
    }
    let (train, test) = try IDXFolder.open(Self.folder)
    #expect(train.count == 60_000 && test.count == 10_000)
    #expect(train.classNames == EmbeddedFashionMNIST.classNames)
    #expect(train.label(at: 0) == 9)
    // The subset is its first images of each class, in its order.
    let embedded = try EmbeddedFashionMNIST.load()
    for (whole, subset, perClass) in [(train, embedded.train, 600), (test, embedded.test, 100)] {
      var seen = [Int](repeating: 0, count: 10)
      let chosen = (0..<whole.count).filter { index in
        seen[whole.label(at: index)] += 1
        return seen[whole.label(at: index)] <= perClass
      }
      #expect(chosen.count == subset.count)
      #expect(chosen.enumerated().allSatisfy { whole.pixels(at: $1) == subset.pixels(at: $0) })
      #expect(chosen.enumerated().allSatisfy { whole.label(at: $1) == subset.label(at: $0) })
    }
  }
}

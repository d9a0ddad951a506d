import Data
import Foundation
import Runtime
import Testing

@Suite struct SplitTests {
  /// Sides of examples: true if held out.
  func sides(_ split: Split, _ hashes: [UInt64]) -> [Bool] {
    let indices = split.indices(ofHashes: hashes)
    #expect(indices.unknown.isEmpty)
    #expect((indices.training + indices.validation).sorted() == Array(hashes.indices))
    return hashes.indices.map(Set(indices.validation).contains)
  }

  @Test func holdsOutTheFractionOfEachClass() {
    let labels = (0..<1000).map { $0 < 700 ? 0 : $0 < 990 ? 1 : 2 }
    let hashes = (0..<1000).map { XXHash64.hash(UInt64($0)) }
    let heldOut = sides(Split(labels: labels, hashes: hashes, holdingOut: 0.2, seed: 1), hashes)
    for (label, count) in [140, 58, 2].enumerated() {
      #expect(zip(labels, heldOut).filter { $0 == label && $1 }.count == count)
    }
  }

  @Test func orderDoesNotMatterButTheSeedDoes() {
    let labels = (0..<300).map { $0 % 3 }
    let hashes = (0..<300).map { XXHash64.hash(UInt64($0)) }
    let split = Split(labels: labels, hashes: hashes, holdingOut: 0.3, seed: 1)
    #expect(split == Split(labels: labels.reversed(), hashes: hashes.reversed(), holdingOut: 0.3, seed: 1))
    let other = Split(labels: labels, hashes: hashes, holdingOut: 0.3, seed: 2)
    #expect(other.validation != split.validation && other.validation.count == split.validation.count)
  }

  /// Random data sets full of duplicates and of small classes.
  @Test func propertiesHoldOnRandomData() {
    var random = RandomStream(seed: 5)
    for round in 0..<500 {
      let classes = Int.random(in: 1...5, using: &random)
      let count = Int.random(in: 0...40, using: &random)
      let contents = UInt64.random(in: 1...40, using: &random)
      let hashes = (0..<count).map { _ in UInt64.random(in: 0..<contents, using: &random) }
      // A content has one label, except in every third round.
      let labels = hashes.map { hash in
        round % 3 == 0 ? Int.random(in: 0..<classes, using: &random) : Int(hash) % classes
      }
      let fraction = Double.random(in: 0.01..<0.99, using: &random)
      let split = Split(labels: labels, hashes: hashes, holdingOut: fraction, seed: UInt64(round))
      #expect(Set(split.training).isDisjoint(with: split.validation))
      let heldOut = sides(split, hashes)
      guard round % 3 != 0 else { continue }
      for label in 0..<classes {
        let members = labels.indices.filter { labels[$0] == label }
        let held = members.filter { heldOut[$0] }
        if Set(members.map { hashes[$0] }).count >= 2 {
          #expect(!held.isEmpty && held.count < members.count)
        } else {
          #expect(held.isEmpty)
        }
      }
    }
  }

  @Test func nothingHeldOutIfNothingIsAskedFor() {
    #expect(Split(labels: [0, 0], hashes: [1, 2], holdingOut: 0, seed: 0).validation.isEmpty)
  }

  @Test func survivesStorageAndKnowsStrangers() throws {
    let split = Split(labels: [0, 0, 0, 1], hashes: [1, .max, 3, 4], holdingOut: 0.3, seed: .max)
    let stored = try JSONEncoder().encode(split)
    #expect(try JSONDecoder().decode(Split.self, from: stored) == split)
    #expect(String(decoding: stored, as: UTF8.self).contains("\"ffffffffffffffff\""))
    #expect(split.indices(ofHashes: [99, 4]).unknown == [0])
    let damaged = Data(String(decoding: stored, as: UTF8.self).replacing("ffffffffffffffff", with: "what").utf8)
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(Split.self, from: damaged) }
  }

  @Test func splitsDataSetsAndSubsetsOfThem() throws {
    let dataset = CountingDataset(count: 100)
    let split = try Split(of: dataset, holdingOut: 0.25, seed: 3)
    let indices = try split.indices(in: dataset)
    let training = Subset(dataset, indices: indices.training)
    #expect(training.count == 74 && training.classNames == ["even", "odd"])
    #expect(training.label(at: 5) == indices.training[5] % 2)
    #expect(try training.contentHash(at: 5) == dataset.contentHash(at: indices.training[5]))
    #expect(try training.example(at: 5, random: RandomStream(seed: 0)).target.item() == Int32(indices.training[5]))
    #expect(try Split(of: training, holdingOut: 0.5, seed: 3).training.count == 36)
  }
}

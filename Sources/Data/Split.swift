import Graph

/// Which examples are for training and which are held out for validation, remembered by content: the split survives
/// renamed, moved and added files, and a later evaluation can tell whether an image was trained on.
public struct Split: Hashable, Sendable {
  /// Share of each class that was asked to be held out.
  public let fraction: Double
  public let seed: UInt64
  /// Content hashes, ascending, each once.
  public let training: [UInt64]
  /// Content hashes, ascending, each once.
  public let validation: [UInt64]

  /// Holds out `fraction` of each class.
  ///
  /// Examples with equal hashes stay together, so no duplicate straddles the split; if they carry different labels, the
  /// smallest label counts. Of each class with at least two different contents, some are on either side; a class with
  /// one content is in training. The choice depends on contents, labels and seed alone, not on order.
  /// - Parameters:
  ///   - labels: the class of each example.
  ///   - hashes: the content hash of each example, or of whatever must stay together (a patient, a camera).
  ///   - fraction: between 0 and 1; 0 holds out nothing.
  public init(labels: [Int], hashes: [UInt64], holdingOut fraction: Double, seed: UInt64) {
    if labels.count != hashes.count { fail("\(labels.count) labels for \(hashes.count) hashes; give one each") }
    if !(0..<1).contains(fraction) { fail("the held-out fraction is \(fraction), but must be at least 0 and below 1") }
    self.fraction = fraction
    self.seed = seed

    var groups: [UInt64: Group] = [:]
    for (label, hash) in zip(labels, hashes) {
      var group = groups[hash] ?? Group(hash: hash, rank: XXHash64.hash(hash, seed: seed), label: label, size: 0)
      group.size += 1
      group.label = min(group.label, label)
      groups[hash] = group
    }
    var heldOut: Set<UInt64> = []
    for members in Dictionary(grouping: groups.values, by: \.label).values {
      heldOut.formUnion(Self.choose(from: members.sorted { ($0.rank, $0.hash) < ($1.rank, $1.hash) }, fraction))
    }
    training = groups.keys.filter { !heldOut.contains($0) }.sorted()
    validation = heldOut.sorted()
  }

  /// Holds out `fraction` of each class of a data set; reads every example once to hash it.
  public init(of dataset: some LabeledDataset, holdingOut fraction: Double, seed: UInt64) throws {
    let indices = 0..<dataset.count
    self.init(
      labels: indices.map(dataset.label(at:)), hashes: try indices.map(dataset.contentHash(at:)),
      holdingOut: fraction, seed: seed)
  }

  /// Positions of the examples on either side, ascending; `unknown` are examples that the split has never seen.
  public func indices(ofHashes hashes: [UInt64]) -> (training: [Int], validation: [Int], unknown: [Int]) {
    let trained = Set(training)
    let heldOut = Set(validation)
    var sides: (training: [Int], validation: [Int], unknown: [Int]) = ([], [], [])
    for (index, hash) in hashes.enumerated() {
      if trained.contains(hash) {
        sides.training.append(index)
      } else if heldOut.contains(hash) {
        sides.validation.append(index)
      } else {
        sides.unknown.append(index)
      }
    }
    return sides
  }

  /// As ``indices(ofHashes:)``, for a data set.
  public func indices(in dataset: some LabeledDataset) throws -> (training: [Int], validation: [Int], unknown: [Int]) {
    indices(ofHashes: try (0..<dataset.count).map(dataset.contentHash(at:)))
  }

  /// Examples of equal content.
  private struct Group {
    let hash: UInt64
    /// Where chance puts the group among those of its class.
    let rank: UInt64
    var label: Int
    var size: Int
  }

  /// The groups of one class to hold out: in their random order, each that still fits.
  private static func choose(from groups: [Group], _ fraction: Double) -> [UInt64] {
    guard groups.count > 1, fraction > 0 else { return [] }
    let total = groups.reduce(0) { $0 + $1.size }
    let target = min(max(Int((fraction * Double(total)).rounded()), 1), total - 1)
    var held = 0
    let chosen = groups.filter { group in
      let fits = held + group.size <= target
      if fits { held += group.size }
      return fits
    }
    // Every group is larger than the target: the smallest one oversteps it least.
    if chosen.isEmpty, let smallest = groups.min(by: { $0.size < $1.size }) { return [smallest.hash] }
    return chosen.map(\.hash)
  }
}

extension Split: Codable {
  private enum CodingKeys: String, CodingKey { case fraction, seed, training, validation }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func hashes(_ key: CodingKeys) throws -> [UInt64] {
      try container.decode([String].self, forKey: key).map { text in
        guard let hash = UInt64(text, radix: 16) else {
          throw DecodingError.dataCorruptedError(
            forKey: key, in: container, debugDescription: "\(text.debugDescription) is not a hash of 16 hex digits")
        }
        return hash
      }
    }
    fraction = try container.decode(Double.self, forKey: .fraction)
    seed = try container.decode(UInt64.self, forKey: .seed)
    training = try hashes(.training)
    validation = try hashes(.validation)
  }

  public func encode(to encoder: any Encoder) throws {
    // Hexadecimal text, because many JSON readers round integers beyond 2^53.
    func hexadecimal(_ hash: UInt64) -> String {
      let digits = String(hash, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(fraction, forKey: .fraction)
    try container.encode(seed, forKey: .seed)
    try container.encode(training.map(hexadecimal), forKey: .training)
    try container.encode(validation.map(hexadecimal), forKey: .validation)
  }
}

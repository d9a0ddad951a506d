import Data
import Foundation

/// What is remembered of the contents of a data set, to recognise its members later: the smallest of their hashes (Bar-
/// Yossef et al., "Counting distinct elements in a data stream", 2002). Up to 4,096 members are all remembered; of more,
/// an even sample.
public struct ContentSketch: Hashable, Sendable {
  static let limit = 4096
  /// The entry's name in a model file's metadata.
  static let key = "convnet.training_images"

  private let hashes: Set<UInt64>
  /// Of the members up to this hash, all are remembered.
  private let largest: UInt64

  public init(_ all: [UInt64]) {
    let sorted = Set(all).sorted()
    hashes = Set(sorted.prefix(Self.limit))
    largest = sorted.count > Self.limit ? sorted[Self.limit - 1] : .max
  }

  /// How many of some contents are members, as nearly as the sketch can tell: by those that it would remember.
  public func count(in contents: [UInt64]) -> Int {
    let judged = contents.filter { $0 <= largest }
    guard !judged.isEmpty else { return 0 }
    let share = Double(judged.count(where: hashes.contains)) / Double(judged.count)
    return Int((share * Double(contents.count)).rounded())
  }

  // MARK: Text

  /// `largest hash`, then the hashes, eight bytes each, in Base64.
  package var text: String {
    var bytes = Data()
    for hash in [largest] + hashes.sorted() { withUnsafeBytes(of: hash.littleEndian) { bytes.append(contentsOf: $0) } }
    return bytes.base64EncodedString()
  }

  /// - Returns: `nil` if the text is none that ``text`` makes.
  package init?(text: String) {
    guard let bytes = Data(base64Encoded: text), bytes.count >= 8, bytes.count % 8 == 0,
      bytes.count <= 8 * (Self.limit + 1)
    else { return nil }
    let numbers = stride(from: 0, to: bytes.count, by: 8).map { start in
      bytes[start..<start + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    (largest, hashes) = (numbers[0], Set(numbers.dropFirst()))
  }
}

extension ImageClassifier {
  /// How many of a data set's pictures the model learned from, by their contents; `nil` if its file does not say.
  ///
  /// - Throws: an error if a file cannot be read.
  public func trainedCount(in dataset: any ImageDataset) throws -> Int? {
    guard let trainedOn else { return nil }
    return trainedOn.count(in: try (0..<dataset.count).map { try dataset.contentHash(at: $0) })
  }
}

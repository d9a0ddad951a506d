import Kernels

/// The proof that a file holds what was written, kept in two metadata entries: a hash of each tensor (with its name,
/// type and shape) and one of them all with the remaining metadata, so that any flipped byte is noticed and the tensor
/// it lies in can be named. Readers that do not know it see two strings.
struct SafetensorsChecksum: Hashable {
  /// Says that a checksum must be there; without it, damage to the checksum's own key would pass for a foreign file.
  static let formatKey = "convnet.format"
  static let formatVersion = "1"
  static let key = "convnet.checksum"

  /// One hash a tensor, in ascending order of name.
  let tensors: [UInt64]
  let whole: UInt64

  /// - Parameter metadata: all but the checksum itself.
  init(tensors: [UInt64], metadata: [String: String]) {
    self.tensors = tensors
    var whole: UInt64 = 0
    for (key, value) in metadata.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      whole = XXHash64.hash(value, seed: XXHash64.hash(key, seed: whole))
    }
    for tensor in tensors { whole = XXHash64.hash(tensor, seed: whole) }
    self.whole = whole
  }

  /// Reads the checksum of `count` tensors; `nil` if it is not well formed or does not fit the metadata.
  init?(_ text: String, count: Int, metadata: [String: String]) {
    let digits = Array(text.utf8)
    guard digits.count == 16 * (count + 1) else { return nil }
    let hashes = (1...max(count, 1)).prefix(count).compactMap { index in
      UInt64(String(decoding: digits[16 * index..<16 * (index + 1)], as: UTF8.self), radix: 16)
    }
    self.init(tensors: hashes, metadata: metadata)
    // Comparing text also catches what reads as the same number, such as a capital digit.
    guard self.text == text else { return nil }
  }

  /// 16 hex digits for the whole, then 16 for each tensor.
  var text: String {
    ([whole] + tensors).map { hash in
      let digits = String(hash, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }

  static func hash(_ entry: SafetensorsEntry, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
    let kind = "\(entry.fileType) \(entry.shape)"
    return XXHash64.hash(bytes, seed: XXHash64.hash(kind, seed: XXHash64.hash(entry.name)))
  }
}

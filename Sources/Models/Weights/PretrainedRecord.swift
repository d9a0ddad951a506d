import CEmbedded
import Formats

/// What has to be known about published weights to use them: which file, for which network, and how its pictures were
/// prepared. It travels with a model and is written into its file.
public struct PretrainedRecord: Codable, Hashable, Sendable {
  /// The registry's name.
  public var architecture: String
  /// What the publisher calls this set of weights.
  public var tag: String
  /// The publisher's name of the file.
  public var fileName: String
  /// In hex: all 64 digits where the file was at hand when the record was made, else the first 8, which are part of
  /// the file's name and which its publisher's own program checks.
  public var sha256: String
  /// The file's, where it was at hand when the record was made.
  public var byteCount: Int?
  /// In units of 2^20 bytes, as the publisher states it to the third decimal, where that is all that is known.
  public var mebibytes: Double?
  /// `[height, width]` of the network's input.
  public var imageSize: [Int]
  /// The shorter side of a picture before its middle is cut out.
  public var resize: Int
  public var crop = "center"
  public var interpolation: String
  /// On the scale where white is 1, for red, green and blue.
  public var mean: [Float]
  public var std: [Float]
  /// How convolutions pad: `symmetric`, or `same` as TensorFlow does.
  public var padding: String
  /// The data, whose class names the outputs have.
  public var dataset = imageNet
  public var license: String
  /// Who publishes the file and where to look for it.
  public var source: String
  /// Beginnings of the names of tensors in the file that the network does not have.
  public var unusedPrefixes: [String]?

  enum CodingKeys: String, CodingKey {
    case architecture, tag, sha256, mebibytes, resize, crop, interpolation, mean, std, padding, dataset, license, source
    case fileName = "file"
    case byteCount = "bytes"
    case imageSize = "image_size"
    case unusedPrefixes = "unused_prefixes"
  }

  private static let imageNet = "ImageNet-1k (ILSVRC 2012)"

  /// The names of the outputs; `nil` for data whose names the library does not have.
  public var classNames: [String]? { dataset == Self.imageNet ? Self.imageNetClassNames : nil }

  /// The 1000 class names of ImageNet by torchvision's short names, in the order of the outputs.
  public static let imageNetClassNames: [String] = {
    let text = convnet_imagenet_classes()
    return String(decoding: UnsafeBufferPointer(start: text.start, count: text.count), as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }()

  /// `14212972 bytes`, or `about 102.5 MB`; `nil` where nothing is known.
  var sizeText: String? {
    if let byteCount { return "\(byteCount) bytes" }
    return mebibytes.map { "about \(($0 * 1.048_576 * 10).rounded() / 10) MB" }
  }

  /// Whether a file of so many bytes may be the one that the record is about, so that it is worth hashing.
  func mayHave(byteCount found: Int) -> Bool {
    if let byteCount { return found == byteCount }
    return mebibytes.map { abs(Double(found) / 1_048_576 - $0) < 0.01 * $0 } ?? false
  }

  /// Whether a file of this SHA-256 is the one that the record is about.
  public func matches(sha256 digest: String) -> Bool { digest.hasPrefix(sha256) }

  /// Checks that the file at a path is the published one, byte for byte as far as the record knows.
  ///
  /// - Throws: ``ModelError`` if it is another or damaged.
  public func check(_ path: String) throws {
    let found = try InputFile(path).byteCount
    if let size = sizeText, !mayHave(byteCount: found) {
      throw ModelError(
        description: "\(path): damaged or another file than \(fileName): it has \(found) bytes, the published file "
          + "\(size); fetch it again")
    }
    let digest = try SHA256.hexDigest(ofFileAt: path)
    if !matches(sha256: digest) {
      throw ModelError(
        description: "\(path): damaged or another file than \(fileName): its SHA-256 begins with "
          + "\(digest.prefix(sha256.count)), the published file's with \(sha256); fetch it again")
    }
  }

  /// The record of a file, by its content whatever it is called. A file of no published size is not read, unless its
  /// name is that of published weights.
  ///
  /// - Parameter architecture: the one to prefer where a file serves several.
  /// - Throws: ``ModelError`` if the file bears the name of published weights, but has another content.
  public static func find(forFile path: String, preferring architecture: String? = nil) throws -> PretrainedRecord? {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    let byteCount = try InputFile(path).byteCount
    let candidates = published.filter { $0.mayHave(byteCount: byteCount) || $0.sizeText == nil && $0.fileName == name }
    let digest = try candidates.isEmpty ? "" : SHA256.hexDigest(ofFileAt: path)
    let found = candidates.filter { $0.matches(sha256: digest) }
    if let first = found.first { return found.first { $0.architecture == architecture } ?? first }
    try published.first { $0.fileName == name }?.check(path)
    return nil
  }

  /// The records of an architecture, the preferred one first; of one set of weights after a colon:
  /// `resnet50:IMAGENET1K_V2`.
  public static func find(named name: String) -> [PretrainedRecord] {
    let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
    return published.filter { $0.architecture == parts.first && (parts.count == 1 || $0.tag == parts[1]) }
  }
}

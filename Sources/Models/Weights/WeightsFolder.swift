import Formats
import Foundation

/// The folder in which downloaded weights are looked for, by file name and then by hash. Nothing is ever downloaded.
public struct WeightsFolder: Sendable {
  public var path: String

  public init(_ path: String) { self.path = path }

  /// The folder that the environment variable `CONVNET_WEIGHTS` names, else `~/.cache/convnet`.
  public static var standard: WeightsFolder {
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["CONVNET_WEIGHTS"], !path.isEmpty { return WeightsFolder(path) }
    return WeightsFolder((environment["HOME"] ?? NSHomeDirectory()) + "/.cache/convnet")
  }

  /// The path of the file that a record is about, checked.
  ///
  /// - Throws: ``ModelError`` that says what the file is called, its size and hash, and where it is to be had; or that
  ///   the file of that name is another one.
  public func file(of record: PretrainedRecord) throws -> String {
    let usual = "\(path)/\(record.fileName)"
    if FileManager.default.fileExists(atPath: usual) {
      try record.check(usual)
      return usual
    }
    // Under another name: only files of the right size are worth hashing.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    for name in names.sorted() {
      let candidate = "\(path)/\(name)"
      guard let file = try? InputFile(candidate), record.mayHave(byteCount: file.byteCount),
        let digest = try? SHA256.hexDigest(of: file), record.matches(sha256: digest)
      else { continue }
      return candidate
    }
    let size = record.sizeText.map { "\($0), " } ?? ""
    let digits = record.sha256.count == 64 ? "" : "beginning with "
    throw ModelError(
      description:
        "the weights of \(record.architecture) (\(record.tag)) are not in \(path): the file is usually called "
        + "\(record.fileName) (\(size)SHA-256 \(digits)\(record.sha256)) and comes from \(record.source); put it there "
        + "or set CONVNET_WEIGHTS to its folder")
  }
}

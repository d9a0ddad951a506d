import Vision

/// Every file of a data set that cannot be read, with the reason.
public struct UnreadableImages: Error, CustomStringConvertible {
  public var files: [String]

  public var description: String { (files + [advice]).joined(separator: "\n") }

  /// What to do about them.
  public var advice: String {
    "\(files.count) file\(files.count == 1 ? "" : "s") cannot be read; "
      + "repair or remove \(files.count == 1 ? "it" : "them"), or leave them out with --skip-bad-images"
  }
}

extension LabeledImages {
  /// Opens every file once.
  ///
  /// - Parameters:
  ///   - skips: leave out the files that cannot be read, instead of throwing.
  ///   - progress: called now and then, from any thread, with the number of files opened.
  /// - Returns: the paths of what was left out.
  /// - Throws: ``UnreadableImages`` that lists every such file.
  public mutating func removeUnreadable(
    skips: Bool, progress: (@Sendable (_ done: Int, _ total: Int) -> Void)? = nil
  ) throws -> [String] {
    let parts = [training, validation].compactMap { $0 as? ImageFolder }
    let bad = parts.map { $0.verify(progress: progress) }
    let all = bad.flatMap { $0 }
    if all.isEmpty { return [] }
    if !skips { throw UnreadableImages(files: all.map(\.description)) }
    if let folder = training as? ImageFolder { training = try folder.removing(all) }
    if let folder = validation as? ImageFolder { validation = try folder.removing(all) }
    return all.map(\.path)
  }
}

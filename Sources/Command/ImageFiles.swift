import ArgumentParser
import ConvNet

/// The pictures of a command that treats each by itself.
struct ImageFiles: ParsableArguments {
  @Argument(help: "JPEG, PNG or WebP files, or folders of them.") var images: [String]

  /// The files, with those of folders.
  func paths() throws -> [String] { try FolderListing.pictures(at: images) }

  /// Does something with each file. One bad picture does not cost the others.
  ///
  /// - Throws: an exit code after all the work and `finally`, if a picture could not be used.
  func forEach(_ body: (String) throws -> Void, finally: () throws -> Void) throws {
    var failures = 0
    for path in try paths() {
      do {
        try body(path)
      } catch let error as ImageError {
        failures += 1
        writeToStandardError("convnet: \(error)\n")
      }
    }
    try finally()
    if failures > 0 { throw ExitCode.failure }
  }
}

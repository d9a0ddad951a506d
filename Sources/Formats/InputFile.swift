#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file that is read in pieces, by any number of threads.
///
/// It is read, not mapped into memory: touching a mapped file that someone shortens meanwhile would end the program.
package final class InputFile: Sendable {
  package let path: String
  package let byteCount: Int
  private let descriptor: Int32

  package init(_ path: String) throws(FormatError) {
    // Without O_NONBLOCK a named pipe would wait for a writer.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0 { throw .cannotRead(path: path, reason: systemError()) }
    var status = stat()
    let isKnown = fstat(descriptor, &status) == 0
    guard isKnown, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw .cannotRead(path: path, reason: isKnown ? "not a file" : systemError())
    }
    self.path = path
    byteCount = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// Fills the buffer with the bytes from `offset` on.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FormatError) {
    var done = 0
    while done < buffer.count {
      let got = pread(descriptor, buffer.baseAddress! + done, min(buffer.count - done, 1 << 30), off_t(offset + done))
      if got < 0 && errno == EINTR { continue }
      if got < 0 { throw .cannotRead(path: path, reason: systemError()) }
      if got == 0 {
        throw .cannotRead(path: path, reason: "it ends at byte \(offset + done); it was cut short meanwhile")
      }
      done += got
    }
  }

  /// The `count` bytes from `offset` on; they must lie inside the file.
  package func bytes(at offset: Int, count: Int) throws(FormatError) -> [UInt8] {
    try requireMemory(for: count)
    var failure: FormatError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      do throws(FormatError) {
        try read(
          into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]), at: offset)
        initialized = count
      } catch { failure = error }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Refuses what the machine cannot hold: a sparse file may claim any size, and a failed allocation ends the program.
  package func requireMemory(for byteCount: Int) throws(FormatError) {
    try Self.requireMemory(for: byteCount, of: path)
  }

  package static func requireMemory(for byteCount: Int, of path: String) throws(FormatError) {
    let memory = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    if byteCount > memory {
      throw .unsupported(path: path, reason: "an array of \(byteCount) bytes is larger than this machine's memory")
    }
  }
}

/// The system's words for the last failed call.
func systemError(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Writes files all or nothing: whatever happens (an error, a full disk, a killed program, a power cut), the path holds
/// either the complete old file or the complete new one.
public enum AtomicFile {
  /// Writes the file from pieces, each given to the closure's ``Writer``.
  public static func write(
    to path: String, _ body: (borrowing Writer) throws(FormatError) -> Void
  ) throws(FormatError) {
    let (folder, name) = parts(of: path)
    // In the same folder, because a file cannot be renamed across file systems. The name starts with a dot so that
    // nothing takes an unfinished file for a finished one.
    let temporary = "\(folder)/.\(name.prefix(100)).\(getpid())-\(UInt32.random(in: 0 ... .max)).partial"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    if descriptor < 0 { throw .cannotWrite(path: path, reason: systemError()) }
    var isOpen = true
    do throws(FormatError) {
      try body(Writer(path: path, descriptor: descriptor))
      try check(fsync(descriptor), path)
      isOpen = false
      try check(close(descriptor), path)
      try check(rename(temporary, path), path)
    } catch {
      if isOpen { close(descriptor) }
      unlink(temporary)
      throw error
    }
    // The new name is safe only once its folder is. Where folders cannot be synced, the file is whole anyway.
    let directory = open(folder, O_RDONLY | O_CLOEXEC)
    if directory >= 0 {
      fsync(directory)
      close(directory)
    }
  }

  /// Writes the file from bytes in memory.
  public static func write(_ bytes: [UInt8], to path: String) throws(FormatError) {
    try write(to: path) { writer throws(FormatError) in try writer.write(bytes) }
  }

  /// Writes the file from text, as UTF-8.
  public static func write(_ text: String, to path: String) throws(FormatError) {
    try write(Array(text.utf8), to: path)
  }

  /// Appends to the file that ``AtomicFile`` is writing.
  public struct Writer: ~Copyable {
    let path: String
    let descriptor: Int32

    package init(path: String, descriptor: Int32) {
      self.path = path
      self.descriptor = descriptor
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
      var rest = bytes[...]
      while !rest.isEmpty {
        // Linux writes at most 2 GiB a call.
        let chunk = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
        #if canImport(Glibc)
          let count = Glibc.write(descriptor, chunk.baseAddress, chunk.count)
        #elseif canImport(Musl)
          let count = Musl.write(descriptor, chunk.baseAddress, chunk.count)
        #else
          let count = Darwin.write(descriptor, chunk.baseAddress, chunk.count)
        #endif
        if count < 0 && errno == EINTR { continue }
        if count < 0 { throw .cannotWrite(path: path, reason: systemError()) }
        rest = rest.dropFirst(count)
      }
    }

    public func write(_ bytes: [UInt8]) throws(FormatError) {
      try bytes.withUnsafeBufferPointer { buffer throws(FormatError) in try write(UnsafeRawBufferPointer(buffer)) }
    }
  }

  private static func parts(of path: String) -> (folder: String, name: Substring) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path[...]) }
    let folder = path[..<slash]
    return (folder.isEmpty ? "/" : String(folder), path[path.index(after: slash)...])
  }

  private static func check(_ status: Int32, _ path: String) throws(FormatError) {
    if status != 0 { throw .cannotWrite(path: path, reason: systemError()) }
  }
}

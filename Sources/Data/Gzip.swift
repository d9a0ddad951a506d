import CZlib

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file of bytes, plain or compressed by gzip, read from front to back.
struct GzipReader: ~Copyable {
  let path: String
  private let file: gzFile

  init(_ path: String) throws(DataError) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw .cannotRead(path: path, reason: "no such file, or not allowed to see it")
    }
    // Opening a named pipe would wait for ever.
    guard status.st_mode & S_IFMT == S_IFREG else { throw .cannotRead(path: path, reason: "not a file") }
    guard let file = gzopen(path, "rb") else {
      throw .cannotRead(path: path, reason: "not allowed to open it, or too many open files")
    }
    gzbuffer(file, 1 << 17)
    self.path = path
    self.file = file
  }

  deinit { gzclose_r(file) }

  /// Up to `count` bytes; fewer only at the end of the file. Memory grows with what the file has, not with `count`.
  func read(upTo count: Int) throws(DataError) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let wanted = min(count - bytes.count, max(bytes.count, 1 << 20), 1 << 30)
      var got: Int32 = 0
      bytes.append(
        contentsOf: [UInt8](unsafeUninitializedCapacity: wanted) { buffer, initialized in
          got = gzread(file, buffer.baseAddress, UInt32(wanted))
          initialized = max(Int(got), 0)
        })
      if got < 0 {
        throw .malformed(path: path, reason: "the compressed data are damaged or cut short; fetch it again")
      }
      if got == 0 { break }
    }
    // zlib reports a stream that ends early only here.
    var code: Int32 = Z_OK
    _ = gzerror(file, &code)
    if code == Z_BUF_ERROR {
      throw .malformed(path: path, reason: "the compressed data are cut short; fetch it again")
    }
    return bytes
  }
}

/// Decompresses a zlib or gzip stream of known size; `nil` if it is damaged or of another size.
func inflate(_ compressed: UnsafeBufferPointer<UInt8>, count: Int) -> [UInt8]? {
  var status = Z_OK
  var size = uLongf(count)
  let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
    status = uncompress(buffer.baseAddress, &size, compressed.baseAddress, uLong(compressed.count))
    initialized = status == Z_OK ? Int(size) : 0
  }
  return status == Z_OK && bytes.count == count ? bytes : nil
}

import CTurboJPEG

extension Image {
  /// The picture as the bytes of a JPEG file; alpha is dropped.
  ///
  /// - Parameter quality: from 1 (small) to 100 (faithful).
  public func jpegData(quality: Int = 85) throws(ImageError) -> [UInt8] {
    guard let handle = tjInitCompress() else { throw ImageError(.unwritable("no memory")) }
    defer { tjDestroy(handle) }
    let picture = channels == 4 ? rgb() : self
    let isGrey = picture.channels == 1
    var bytes: UnsafeMutablePointer<UInt8>?
    var count: UInt = 0
    defer { tjFree(bytes) }
    let status = tjCompress2(
      handle, picture.pixels, Int32(picture.width), 0, Int32(picture.height),
      Int32((isGrey ? TJPF_GRAY : TJPF_RGB).rawValue), &bytes, &count,
      Int32((isGrey ? TJSAMP_GRAY : TJSAMP_420).rawValue), Int32(min(max(quality, 1), 100)), 0)
    guard status == 0, let bytes else {
      throw ImageError(.unwritable(tjGetErrorStr2(handle).map { String(cString: $0) } ?? "unknown error"))
    }
    return Array(UnsafeBufferPointer(start: bytes, count: Int(count)))
  }
}

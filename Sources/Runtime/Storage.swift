#if canImport(Glibc)
  import Glibc
#endif

/// Memory of one concrete tensor: aligned to a cache line, with slack behind it so that a vector kernel may read
/// (never write) past the last element. Written only while it is being made; immutable once a `Tensor` holds it.
package final class Storage: Sendable {
  nonisolated(unsafe) package let pointer: UnsafeMutableRawPointer
  package let byteCount: Int

  static let alignment = 64
  static let slack = 256
  /// Of x86-64 and most 64-bit ARM systems.
  private static let hugePage = 2 << 20

  package init(byteCount: Int) {
    self.byteCount = byteCount
    let isHuge = byteCount >= 2 * Self.hugePage
    pointer = .allocate(
      byteCount: byteCount + Self.slack, alignment: isHuge ? Self.hugePage : Self.alignment)
    #if os(Linux)
      // Weights and arenas are streamed: with pages of 4 kB the processor stops prefetching at each page's end, and one
      // core reads half as much from memory in a second. Only whole huge pages, so that nothing more becomes resident.
      // Where the kernel declines, nothing is lost.
      if isHuge { madvise(pointer, byteCount / Self.hugePage * Self.hugePage, MADV_HUGEPAGE) }
    #endif
    (pointer + byteCount).initializeMemory(as: UInt8.self, repeating: 0, count: Self.slack)
  }

  deinit { pointer.deallocate() }

  /// Gives the pages back to the system, whatever the allocator does with their addresses. The contents are lost.
  func discard() {
    #if os(Linux)
      let page = Int(getpagesize())
      let start = (Int(bitPattern: pointer) + page - 1) / page * page
      let end = (Int(bitPattern: pointer) + byteCount) / page * page
      if end > start { madvise(UnsafeMutableRawPointer(bitPattern: start), end - start, MADV_DONTNEED) }
    #endif
  }
}

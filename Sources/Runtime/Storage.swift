/// Memory of one concrete tensor: aligned to a cache line, with slack behind it so that a vector kernel may read
/// (never write) past the last element. Written only while it is being made; immutable once a `Tensor` holds it.
package final class Storage: Sendable {
  nonisolated(unsafe) package let pointer: UnsafeMutableRawPointer
  package let byteCount: Int

  static let alignment = 64
  static let slack = 256

  package init(byteCount: Int) {
    self.byteCount = byteCount
    pointer = .allocate(byteCount: byteCount + Self.slack, alignment: Self.alignment)
    (pointer + byteCount).initializeMemory(as: UInt8.self, repeating: 0, count: Self.slack)
  }

  deinit { pointer.deallocate() }
}

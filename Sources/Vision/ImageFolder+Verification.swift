import Dispatch
import Synchronization

/// A file of a data set that can't be used.
public struct UnreadableImage: Hashable, Sendable, CustomStringConvertible {
  public let path: String
  public let error: ImageError

  public var description: String { error.description }
}

extension ImageFolder {
  /// Reads and decodes every file, on all cores, so that a damaged one is known before a night's training and not
  /// after it.
  ///
  /// - Parameter progress: called from time to time, from any thread, with the number of files done and of all files.
  /// - Returns: the files that can't be used, in the order of ``items``; for ``removing(_:)``.
  public func verify(progress: (@Sendable (_ done: Int, _ total: Int) -> Void)? = nil) -> [UnreadableImage] {
    let found = Mutex<[(index: Int, image: UnreadableImage)]>([])
    let done = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: count) { index in
      do throws(ImageError) {
        _ = try image(at: index)
      } catch {
        found.withLock { $0.append((index, UnreadableImage(path: items[index].path, error: error))) }
      }
      let finished = done.add(1, ordering: .relaxed).newValue
      if finished % 32 == 0 || finished == count { progress?(finished, count) }
    }
    return found.withLock { $0.sorted { $0.index < $1.index }.map(\.image) }
  }
}

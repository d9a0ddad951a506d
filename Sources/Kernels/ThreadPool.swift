import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A persistent pool that runs the iterations of a loop on a few threads.
///
/// What an iteration computes must not depend on the thread that runs it, nor on how many there are: callers split work
/// into tasks by shape alone, which is what makes results equal for any number of threads.
package final class ThreadPool: Sendable {
  package let threadCount: Int
  package init(threadCount: Int) { self.threadCount = max(1, threadCount) }
  /// Runs `body(0) ... body(count - 1)`, each once, and returns when all are done. `body` may run on any thread.
  package func parallel(_ count: Int, _ body: (Int) -> Void) {
    for i in 0..<count { body(i) }
  }
  /// The pool that the library uses unless told otherwise.
  package static let shared = ThreadPool(threadCount: 1)
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The batches of one epoch in order, prepared ahead on threads; made by ``DataLoader/batches(epoch:from:)``.
///
/// Drop it at any time: its threads finish the example they are at and end. Not for use by several tasks at once.
public final class BatchIterator {
  private let queue: BatchQueue
  private let threads: Int
  /// How long ``next()`` has waited for batches so far: near zero when loading is no bottleneck.
  public private(set) var waitedSeconds = 0.0

  init(
    indices: Range<Int>, threads: Int, prefetch: Int, prepare: @escaping @Sendable (Int) throws -> Batch
  ) {
    queue = BatchQueue(indices: indices, capacity: max(prefetch, threads), prepare: prepare)
    self.threads = queue.startThreads(min(threads, indices.count))
  }

  deinit { queue.stop() }

  /// The next batch, or `nil` after the last one. Throws the error of the first example that failed in that batch; the
  /// call after it goes on with the batch that follows.
  public func next() throws -> Batch? {
    let start = ContinuousClock.now
    defer { waitedSeconds += (ContinuousClock.now - start) / .seconds(1) }
    if threads == 0 { queue.prepareOne() }
    return try queue.take()?.get()
  }
}

/// A bounded queue that its threads fill in any order and that hands out in order. The threads hold the queue, never
/// the iterator, so that dropping the iterator ends them.
private final class BatchQueue: Sendable {
  private let indices: Range<Int>
  private let capacity: Int
  private let prepare: @Sendable (Int) throws -> Batch
  private let monitor = Monitor()
  // Guarded by `monitor`.
  nonisolated(unsafe) private var ready: [Int: Result<Batch, any Error>] = [:]
  nonisolated(unsafe) private var nextToPrepare: Int
  nonisolated(unsafe) private var nextToTake: Int
  nonisolated(unsafe) private var isStopped = false

  init(indices: Range<Int>, capacity: Int, prepare: @escaping @Sendable (Int) throws -> Batch) {
    self.indices = indices
    self.capacity = capacity
    self.prepare = prepare
    nextToPrepare = indices.lowerBound
    nextToTake = indices.lowerBound
  }

  /// The result of the next batch in order, waiting for it; `nil` after the last.
  func take() -> Result<Batch, any Error>? {
    monitor.locked {
      guard nextToTake < indices.upperBound else { return nil }
      var result = ready.removeValue(forKey: nextToTake)
      while result == nil {
        monitor.wait()
        result = ready.removeValue(forKey: nextToTake)
      }
      nextToTake += 1
      monitor.signalAll()
      return result
    }
  }

  /// Claims a batch, as soon as there is room for one, and prepares it; false when there is none left to prepare.
  @discardableResult
  func prepareOne() -> Bool {
    let claimed: Int? = monitor.locked {
      while !isStopped && nextToPrepare < indices.upperBound && nextToPrepare >= nextToTake + capacity {
        monitor.wait()
      }
      guard !isStopped, nextToPrepare < indices.upperBound else { return nil }
      nextToPrepare += 1
      return nextToPrepare - 1
    }
    guard let claimed else { return false }
    let result = Result { try prepare(claimed) }
    monitor.locked {
      ready[claimed] = result
      monitor.signalAll()
    }
    return true
  }

  func stop() {
    monitor.locked {
      isStopped = true
      monitor.signalAll()
    }
  }

  /// Starts threads that prepare batches until none is left; returns how many the system granted.
  func startThreads(_ count: Int) -> Int {
    for started in 0..<max(count, 0) where !startThread() { return started }
    return max(count, 0)
  }

  private func startThread() -> Bool {
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    // Decoders need room; some systems give a thread 128 KiB.
    pthread_attr_setstacksize(&attributes, 8 << 20)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let reference = Unmanaged.passRetained(self)
    let status = pthread_create(&thread, &attributes, threadMain, reference.toOpaque())
    if status != 0 { reference.release() }
    return status == 0
  }
}

#if canImport(Darwin)
  private func threadMain(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    let queue = Unmanaged<BatchQueue>.fromOpaque(argument).takeRetainedValue()
    while queue.prepareOne() {}
    return nil
  }
#else
  private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let queue = Unmanaged<BatchQueue>.fromOpaque(argument).takeRetainedValue()
    while queue.prepareOne() {}
    return nil
  }
#endif

/// A lock and a condition that threads wait for.
private final class Monitor: Sendable {
  // Their addresses must not change, and only pthread functions touch them.
  nonisolated(unsafe) private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  nonisolated(unsafe) private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func locked<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }

  /// Releases the lock until another thread signals; only inside `locked`.
  func wait() { pthread_cond_wait(condition, mutex) }

  /// Wakes every waiting thread; only inside `locked`.
  func signalAll() { pthread_cond_broadcast(condition) }
}

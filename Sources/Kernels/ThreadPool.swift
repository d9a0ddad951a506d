import CKernels
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
///
/// Each thread begins with its own stretch of the iterations, the first ones being the caller's, and helps others only
/// when it is done: what a loop over rows has left in a core's caches is then there for the next loop over these rows.
/// Lines that another core holds cost several times as much to read, and more to overwrite.
package final class ThreadPool: Sendable {
  /// Threads that work on a loop, the caller's among them.
  package let threadCount: Int
  private let crew: Crew
  /// Loops of several callers run one after another.
  private let turn = Mutex(())
  private let threads: [pthread_t]

  /// A pool of `threadCount` threads: the caller's and `threadCount - 1` of its own, which end with the pool. Where the
  /// system refuses a thread, the pool makes do with fewer.
  package init(threadCount: Int) {
    let crew = Crew(capacity: max(1, threadCount))
    var threads: [pthread_t] = []
    while threads.count + 1 < threadCount, let thread = crew.startThread() { threads.append(thread) }
    self.crew = crew
    self.threads = threads
    self.threadCount = threads.count + 1
  }

  deinit {
    crew.stop()
    for thread in threads { pthread_join(thread, nil) }
  }

  /// Runs `body(0) ... body(count - 1)`, each once, and returns when all are done. `body` may run on any thread, with
  /// denormals flushed to zero. Called from inside a body, it runs the loop on the calling thread.
  package func parallel(_ count: Int, _ body: (Int) -> Void) {
    parallel(count) { task, _ in body(task) }
  }

  /// The same; `body` also gets the number of the thread that runs it, below ``threadCount``, which is no other's at
  /// that time.
  func parallel(_ count: Int, _ body: (_ task: Int, _ thread: Int) -> Void) {
    guard count > 0 else { return }
    let control = ck_float_control()
    ck_flush_denormals()
    defer { ck_set_float_control(control) }
    if count == 1 || threads.isEmpty || ck_thread_is_working() != 0 {
      for i in 0..<count { body(i, 0) }
    } else {
      turn.withLock { _ in crew.run(count, body) }
    }
  }

  /// The same, for a loop that takes about `cost` cycles in all: one that is over before other threads would have
  /// woken stays on the caller's.
  package func parallel(_ count: Int, cost: Int, _ body: (Int) -> Void) {
    parallel(count, cost: cost) { task, _ in body(task) }
  }

  func parallel(_ count: Int, cost: Int, _ body: (_ task: Int, _ thread: Int) -> Void) {
    if cost >= 20_000 { return parallel(count, body) }
    parallel(1) { _, thread in
      for i in 0..<count { body(i, thread) }
    }
  }

  private static let sharedPool = Mutex<ThreadPool?>(nil)

  /// The pool that the library uses unless told otherwise, made when first asked for.
  package static var shared: ThreadPool {
    sharedPool.withLock { pool in
      if let pool { return pool }
      let made = ThreadPool(threadCount: availableProcessors())
      pool = made
      return made
    }
  }

  /// Replaces the shared pool by one of `count` threads; loops that run on the old one finish there.
  package static func setSharedThreadCount(_ count: Int) {
    let made = ThreadPool(threadCount: max(1, count))
    // The old pool ends outside the lock: joining its threads takes time.
    let old = sharedPool.withLock { pool -> ThreadPool? in
      defer { pool = made }
      return pool
    }
    _ = old
  }
}

/// What a pool's threads share: the loop they work on and how they wait for the next.
private final class Crew: Sendable {
  private typealias Body = (Int, Int) -> Void

  /// The loop's number, whether it may be joined, and how many threads are in it, in one word, so that joining a loop
  /// that has just ended is impossible. A thread that wakes late simply misses the loop: nobody waits for it.
  private let state = Atomic<UInt>(0)
  private static let open: UInt = 1 << 16
  private static let members: UInt = open - 1
  private static let loop: UInt = 1 << 17

  /// Each thread's stretch of the loop, the caller's first.
  private let stretches: Stretches
  /// Threads started so far, and the caller's.
  private let started = Atomic<Int>(1)
  /// Address of the body, valid while the loop is open or has members.
  private let body = Atomic<UInt>(0)

  private let sleepers = Atomic<Int>(0)
  private let isStopping = Atomic<Bool>(false)
  // Raw because the condition variable needs addresses that never move; both are used only as POSIX prescribes.
  private nonisolated(unsafe) let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private nonisolated(unsafe) let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init(capacity: Int) {
    stretches = Stretches(capacity: capacity)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Called by one thread at a time.
  func run(_ count: Int, _ body: (Int, Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: body) { pointer in
        self.body.store(UInt(bitPattern: pointer), ordering: .relaxed)
        stretches.fill(count)
        let number = state.load(ordering: .relaxed) & ~(Self.open | Self.members)
        // Sequentially consistent against `sleep`: either we see the sleeper or it sees the loop.
        state.store((number &+ Self.loop) | Self.open, ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wakeAll() }

        work(0)
        state.bitwiseAnd(~Self.open, ordering: .acquiringAndReleasing)
        var spins = 0
        while state.load(ordering: .acquiring) & Self.members != 0 {
          spins += 1
          // A member may have lost its processor to another program: give ours away.
          if spins < 4096 { ck_pause() } else { sched_yield() }
        }
      }
    }
  }

  func stop() {
    isStopping.store(true, ordering: .sequentiallyConsistent)
    wakeAll()
  }

  /// Nil if the system refuses.
  func startThread() -> pthread_t? {
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    let crew = Unmanaged.passRetained(self)
    let status = pthread_create(
      &thread, nil,
      { argument in
        #if canImport(Darwin)
          let argument: UnsafeMutableRawPointer? = argument
        #endif
        if let argument { Unmanaged<Crew>.fromOpaque(argument).takeRetainedValue().live() }
        return nil
      }, crew.toOpaque())
    guard status == 0 else {
      crew.release()
      return nil
    }
    return thread
  }

  /// A pool thread's whole life.
  private func live() {
    ck_flush_denormals()
    let thread = started.add(1, ordering: .relaxed).oldValue
    var last: UInt = 0
    while !isStopping.load(ordering: .acquiring) {
      waitForLoop(after: last)
      while true {
        let seen = state.load(ordering: .relaxed)
        guard seen & Self.open != 0, seen / Self.loop != last else { break }
        guard state.weakCompareExchange(expected: seen, desired: seen + 1, ordering: .acquiringAndReleasing).exchanged
        else { continue }
        work(thread)
        last = seen / Self.loop
        state.subtract(1, ordering: .releasing)
      }
    }
  }

  private func work(_ thread: Int) {
    guard let body = UnsafePointer<Body>(bitPattern: body.load(ordering: .relaxed)) else { return }
    ck_set_thread_is_working(1)
    while let task = stretches.take(for: thread) { body.pointee(task, thread) }
    ck_set_thread_is_working(0)
  }

  /// Returns when there may be a loop to join other than `last`, or the crew is stopping.
  private func waitForLoop(after last: UInt) {
    // A few tens of microseconds: the gap between two operators of one network.
    for _ in 0..<1024 {
      if hasLoop(after: last) { return }
      ck_pause()
    }
    pthread_mutex_lock(mutex)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while !hasLoop(after: last) { pthread_cond_wait(condition, mutex) }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
  }

  private func hasLoop(after last: UInt) -> Bool {
    let seen = state.load(ordering: .sequentiallyConsistent)
    return (seen & Self.open != 0 && seen / Self.loop != last) || isStopping.load(ordering: .sequentiallyConsistent)
  }

  private func wakeAll() {
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }
}

/// The iterations of a loop that are left, in one stretch for each thread.
private final class Stretches: Sendable {
  private let count: Int
  /// First and end of each stretch as the halves of a word, on a cache line of its own.
  private nonisolated(unsafe) let words: UnsafeMutablePointer<Atomic<UInt64>>
  private static let step = 16

  init(capacity: Int) {
    count = capacity
    words = .allocate(capacity: capacity * Self.step)
    for index in 0..<capacity * Self.step { (words + index).initialize(to: Atomic(0)) }
  }

  deinit {
    words.deinitialize(count: count * Self.step)
    words.deallocate()
  }

  /// While no thread takes any.
  func fill(_ tasks: Int) {
    for index in 0..<count {
      let (first, end) = (tasks * index / count, tasks * (index + 1) / count)
      words[index * Self.step].store(UInt64(first) | UInt64(end) << 32, ordering: .relaxed)
    }
  }

  /// The next task for a thread: from the start of its own stretch, else from the end of another's.
  func take(for thread: Int) -> Int? {
    for offset in 0..<count {
      let index = (thread + offset) % count
      var word = words[index * Self.step].load(ordering: .relaxed)
      while true {
        let (first, end) = (word & 0xffff_ffff, word >> 32)
        guard first < end else { break }
        let desired = offset == 0 ? word + 1 : word - (1 << 32)
        let result = words[index * Self.step].weakCompareExchange(
          expected: word, desired: desired, ordering: .relaxed)
        if result.exchanged { return Int(offset == 0 ? first : end - 1) }
        word = result.original
      }
    }
    return nil
  }
}

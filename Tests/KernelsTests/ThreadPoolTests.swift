import Foundation
import Kernels
import Synchronization
import Testing

struct ThreadPoolTests {
  /// How often each index ran.
  final class Counts: Sendable {
    let counts: Mutex<[Int]>
    init(_ count: Int) { counts = Mutex(Array(repeating: 0, count: count)) }
    func add(_ index: Int) { counts.withLock { $0[index] += 1 } }
    func allEqual(_ value: Int) -> Bool { counts.withLock { $0.allSatisfy { $0 == value } } }
  }

  @Test(arguments: [1, 2, 3, 8]) func runsEveryIndexOnce(threads: Int) {
    let pool = ThreadPool(threadCount: threads)
    #expect(pool.threadCount == threads)
    for count in [0, 1, 2, 7, 1000] {
      let counts = Counts(count)
      pool.parallel(count) { counts.add($0) }
      #expect(counts.allEqual(1))
    }
  }

  @Test func manyShortLoopsBetweenSleeps() {
    let pool = ThreadPool(threadCount: 4)
    for round in 0..<3000 {
      let sum = Atomic<Int>(0)
      pool.parallel(5) { sum.add($0, ordering: .relaxed) }
      #expect(sum.load(ordering: .relaxed) == 10)
      if round % 500 == 0 { usleep(2000) }
    }
  }

  @Test func loopsInsideLoopsRunOnTheirThread() {
    let pool = ThreadPool(threadCount: 3)
    let counts = Counts(20)
    let strangers = Atomic<Int>(0)
    pool.parallel(20) { outer in
      let thread = pthread_self()
      pool.parallel(10) { _ in
        if pthread_equal(thread, pthread_self()) == 0 { strangers.add(1, ordering: .relaxed) }
        counts.add(outer)
      }
    }
    #expect(counts.allEqual(10))
    #expect(strangers.load(ordering: .relaxed) == 0)
  }

  @Test func callersOnSeveralThreadsTakeTurns() async {
    let pool = ThreadPool(threadCount: 3)
    let counts = Counts(100)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<50 { pool.parallel(100) { counts.add($0) } }
        }
      }
    }
    #expect(counts.allEqual(400))
  }

  @Test func denormalsAreFlushedInsideAndRestoredOutside() {
    let tiny = Counts(1)
    let smallest = Mutex<Float>(.leastNormalMagnitude)
    for threads in [1, 3] {
      ThreadPool(threadCount: threads).parallel(50) { _ in
        if smallest.withLock({ $0 }) / 2 != 0 { tiny.add(0) }
      }
    }
    #expect(tiny.allEqual(0))
    #expect(smallest.withLock { $0 } / 2 != 0)
  }

  @Test func poolsEnd() {
    for _ in 0..<200 { ThreadPool(threadCount: 3).parallel(4) { _ in } }
  }

  @Test func sharedPoolFollowsTheSetting() {
    #expect(ThreadPool.availableProcessors() >= 1)
    let before = ThreadPool.shared.threadCount
    ThreadPool.setSharedThreadCount(3)
    #expect(ThreadPool.shared.threadCount == 3)
    ThreadPool.setSharedThreadCount(0)
    #expect(ThreadPool.shared.threadCount == 1)
    ThreadPool.setSharedThreadCount(before)
  }

  @Test func quotasRoundUp() {
    #expect(ThreadPool.processors(inQuota: "max 100000\n") == nil)
    #expect(ThreadPool.processors(inQuota: "-1 100000") == nil)
    #expect(ThreadPool.processors(inQuota: "200000 100000\n") == 2)
    #expect(ThreadPool.processors(inQuota: "150000 100000") == 2)
    #expect(ThreadPool.processors(inQuota: "1000 100000") == 1)
    #expect(ThreadPool.processors(inQuota: "") == nil)
    #expect(ThreadPool.processors(inQuota: "nonsense 0") == nil)
  }
}

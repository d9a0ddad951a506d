import Synchronization

extension ThreadPool {
  /// The slots that so many tasks need on the shared pool, as large as it is now: to be asked once, when workspace is
  /// planned, and kept. On a pool that is larger by the time they run, fewer tasks run at a time.
  package static func slotCount(forTasks count: Int) -> Int { max(1, min(count, shared.threadCount)) }

  /// Runs `body(task, slot)` for each task below `count`, with no two tasks in the same slot at a time: for loops whose
  /// tasks need scratch memory. Which slot a task gets depends on chance, so nothing but scratch may depend on it.
  package func parallel(_ count: Int, slots: Int, cost: Int, _ body: (_ task: Int, _ slot: Int) -> Void) {
    if threadCount <= slots { return parallel(count, cost: cost, body) }
    let next = Atomic<Int>(0)
    parallel(min(count, slots), cost: cost) { slot in
      while true {
        let task = next.add(1, ordering: .relaxed).oldValue
        if task >= count { return }
        body(task, slot)
      }
    }
  }
}

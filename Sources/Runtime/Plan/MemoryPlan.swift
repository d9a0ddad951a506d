/// Where each buffer of a plan lies.
struct MemoryPlan: Sendable {
  enum Place: Hashable, Sendable {
    case input(Int)
    case parameter(Int)
    case constant(Int)
    case output(Int)
    /// Byte offset into memory that is filled once.
    case prepared(Int)
    /// Byte offset into memory that is needed only until that is filled.
    case preparation(Int)
    /// Byte offset into the arena of a run.
    case arena(Int)
  }

  private(set) var places: [Place]
  /// Bytes from there to each buffer: of slices more than none.
  let offsets: [Int]
  private(set) var arenaByteCount = 0
  /// Bytes of all buffers of a run that live at the same time, at most: no arena is smaller.
  private(set) var mostBytesInUse = 0
  private(set) var preparedByteCount = 0
  private(set) var preparationByteCount = 0

  /// Vector kernels may read (never write) this far past the end of a buffer.
  private static let slack = 256

  /// - Parameters:
  ///   - outputs: for each output of the plan its buffer, and the parameter that it overwrites, if any.
  init(_ lowering: Lowering, outputs: [(value: Int, parameter: Int?)]) {
    let values = lowering.values
    offsets = values.map { $0.sliceOffset ?? 0 }
    var groups = AliasGroups(values)

    // The first and last step at which each group is in use, and whether one that is prepared is read afterwards.
    var isKept = [Bool](repeating: false, count: values.count)
    for output in outputs { isKept[groups.find(output.value)] = true }
    var firstUse = [Int](repeating: Int.max, count: values.count)
    var lastUse = [Int](repeating: -1, count: values.count)
    for (index, step) in lowering.steps.enumerated() {
      for value in step.inputs + step.outputs + (step.workspace.map { [$0] } ?? []) {
        let group = groups.find(value)
        firstUse[group] = min(firstUse[group], index)
        lastUse[group] = max(lastUse[group], index)
        if !values[step.outputs[0]].isPrepared { isKept[group] = true }
      }
    }

    // Outputs are written straight into their destination where a step computes them.
    var destination: [Int: Place] = [:]
    for (index, output) in outputs.enumerated() {
      let group = groups.find(output.value)
      guard values[group].origin == .computed, !values[group].isPrepared, destination[group] == nil else { continue }
      destination[group] = output.parameter.map { .parameter($0) } ?? .output(index)
    }

    // A kernel that may work in place takes over the memory of an input that dies there. Not while preparing: that
    // happens once and before all else, so that steps which come earlier in the program still read the input.
    for (index, step) in lowering.steps.enumerated() {
      guard let position = step.inPlaceInput else { continue }
      let (source, target) = (groups.find(step.inputs[position]), groups.find(step.outputs[0]))
      guard source != target, values[source].origin == .computed,
        values[step.inputs[position]].sliceOffset == nil, values[step.outputs[0]].sliceOffset == nil,
        !values[source].isPrepared, !values[target].isPrepared, lastUse[source] == index,
        values[source].byteCount >= values[target].byteCount, destination[source] == nil, destination[target] == nil
      else { continue }
      groups.join(target, into: source)
      lastUse[source] = max(lastUse[source], lastUse[target])
    }

    places = .init(repeating: .arena(0), count: values.count)
    var intervals: [Interval] = []
    var preparation: [Interval] = []
    var prepared = 0
    for index in values.indices where groups.find(index) == index {
      if let place = destination[index] {
        places[index] = place
        continue
      }
      switch values[index].origin {
      case .input(let slot): places[index] = .input(slot)
      case .parameter(let slot): places[index] = .parameter(slot)
      case .constant(let slot): places[index] = .constant(slot)
      case .computed:
        let interval = Interval(
          value: index, first: firstUse[index], last: lastUse[index], byteCount: Self.padded(values[index].byteCount))
        switch (values[index].isPrepared, isKept[index]) {
        case (true, true):
          places[index] = .prepared(prepared)
          prepared += interval.byteCount
        case _ where interval.last < 0: break
        case (true, false): preparation.append(interval)
        case (false, _): intervals.append(interval)
        }
      }
    }
    preparedByteCount = prepared
    mostBytesInUse = Self.mostInUse(intervals)
    arenaByteCount = Self.place(&intervals, least: mostBytesInUse)
    for interval in intervals { places[interval.value] = .arena(interval.offset) }
    preparationByteCount = Self.place(&preparation, least: Self.mostInUse(preparation))
    for interval in preparation { places[interval.value] = .preparation(interval.offset) }
    for index in values.indices { places[index] = places[groups.find(index)] }
  }

  private static func padded(_ byteCount: Int) -> Int { (byteCount + slack + 63) & ~63 }

  private struct Interval {
    var value: Int
    var first: Int
    var last: Int
    var byteCount: Int
    var offset = 0

    var end: Int { offset + byteCount }
    var duration: Int { last - first + 1 }
  }

  /// Orders in which buffers are placed, the largest key first. By size is mostly best (Pisarchyk and Lee, "Efficient
  /// Memory Management for Deep Neural Net Inference", 2020), but none is for every graph.
  private static let orders: [@Sendable (Interval) -> (Int, Int)] = [
    { ($0.byteCount, 0) },
    { ($0.duration, $0.byteCount) },
    { ($0.duration * $0.byteCount, 0) },
    { (-$0.first, $0.byteCount) },
    { ($0.last, $0.byteCount) },
  ]

  /// Gives buffers offsets such that those that live at the same time do not overlap.
  ///
  /// - Parameter least: ``mostInUse(_:)`` of them.
  /// - Returns: the bytes that this takes.
  private static func place(_ intervals: inout [Interval], least: Int) -> Int {
    var best = (intervals: intervals, byteCount: intervals.isEmpty ? 0 : Int.max)
    func attempt(_ trial: inout [Interval], capacity: Int? = nil) {
      let byteCount = placeInOrder(&trial, capacity: capacity)
      if byteCount < best.byteCount { best = (trial, byteCount) }
    }
    func sorted(by order: (Interval) -> (Int, Int)) -> [Interval] {
      intervals.sorted { a, b in
        let (keyA, keyB) = (order(a), order(b))
        return (keyA.0, keyA.1, b.value) > (keyB.0, keyB.1, a.value)
      }
    }
    // In training, what waits for the backward pass is a stack, and the gradients that wait for the update are another:
    // with one at each end, what lives shortly has all room that is left.
    var stacks = sorted { ($0.duration, $0.byteCount) }
    attempt(&stacks, capacity: least)
    let moves = min(64, 20_000_000 / max(1, intervals.count * intervals.count))
    for order in orders where best.byteCount > least {
      var trial = sorted(by: order)
      attempt(&trial)
      // Those that found no place but the highest one go first.
      for _ in 0..<moves where best.byteCount > least {
        guard let highest = trial.indices.max(by: { trial[$0].end < trial[$1].end }) else { break }
        trial.insert(trial.remove(at: highest), at: 0)
        attempt(&trial)
      }
    }
    intervals = best.intervals
    return best.byteCount
  }

  /// Places each buffer at the lowest offset that is free during its whole life.
  ///
  /// - Parameter capacity: if given, those that live until the end take the highest such offset instead that ends within
  ///   as many bytes.
  private static func placeInOrder(_ intervals: inout [Interval], capacity: Int?) -> Int {
    let end = intervals.map(\.last).max()
    var placed: [Interval] = []  // sorted by offset
    var byteCount = 0
    for index in intervals.indices {
      let interval = intervals[index]
      let descends = capacity != nil && interval.last == end
      var offset = 0
      var found: Int?
      for other in placed where other.first <= interval.last && interval.first <= other.last {
        if offset + interval.byteCount <= other.offset {
          found = descends ? other.offset - interval.byteCount : offset
          if !descends { break }
        }
        offset = max(offset, other.end)
      }
      if descends, let capacity, offset + interval.byteCount <= capacity { found = capacity - interval.byteCount }
      intervals[index].offset = found ?? offset
      byteCount = max(byteCount, intervals[index].end)
      let position = placed.firstIndex { $0.offset > intervals[index].offset } ?? placed.endIndex
      placed.insert(intervals[index], at: position)
    }
    return byteCount
  }

  /// The bytes of all buffers that live at the same time, at most: no placement takes less.
  private static func mostInUse(_ intervals: [Interval]) -> Int {
    var changes: [Int: Int] = [:]
    for interval in intervals {
      changes[interval.first, default: 0] += interval.byteCount
      changes[interval.last + 1, default: 0] -= interval.byteCount
    }
    var (inUse, most) = (0, 0)
    for (_, change) in changes.sorted(by: { $0.key < $1.key }) {
      inUse += change
      most = max(most, inUse)
    }
    return most
  }
}

/// Sets of buffers that share memory.
private struct AliasGroups {
  private var parents: [Int]

  init(_ values: [LoweredValue]) { parents = values.map(\.base) }

  func find(_ value: Int) -> Int {
    var root = value
    while parents[root] != root { root = parents[root] }
    return root
  }

  mutating func join(_ value: Int, into root: Int) { parents[find(value)] = find(root) }
}

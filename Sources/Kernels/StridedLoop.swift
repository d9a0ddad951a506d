/// A nest of loops over several buffers that each have their own strides, with neighbouring loops merged wherever all
/// buffers allow it.
struct StridedLoop {
  /// Iterations of each loop, outermost first; never empty.
  private(set) var extents: [Int] = []
  /// `strides[buffer][loop]`, in elements.
  private(set) var strides: [[Int]]

  init(extents: [Int], strides: [[Int]]) {
    self.strides = strides.map { _ in [] }
    for axis in extents.indices where extents[axis] != 1 {
      let last = self.extents.count - 1
      let merges =
        last >= 0
        && strides.indices.allSatisfy { self.strides[$0][last] == strides[$0][axis] * extents[axis] }
      if merges {
        self.extents[last] *= extents[axis]
        for buffer in strides.indices { self.strides[buffer][last] = strides[buffer][axis] }
      } else {
        self.extents.append(extents[axis])
        for buffer in strides.indices { self.strides[buffer].append(strides[buffer][axis]) }
      }
    }
    if self.extents.isEmpty {
      self.extents = [1]
      self.strides = strides.map { _ in [0] }
    }
  }

  /// The offset of one buffer at the `index`-th iteration (last loop fastest) of the given loops.
  func offset(_ index: Int, of buffer: Int, loops: some Sequence<Int>) -> Int {
    var rest = index
    var offset = 0
    for loop in loops {
      offset += rest % extents[loop] * strides[buffer][loop]
      rest /= extents[loop]
    }
    return offset
  }

  /// Strides of a dense row-major buffer.
  static func dense(_ extents: [Int]) -> [Int] {
    var strides = extents
    var step = 1
    for axis in extents.indices.reversed() {
      strides[axis] = step
      step *= extents[axis]
    }
    return strides
  }
}

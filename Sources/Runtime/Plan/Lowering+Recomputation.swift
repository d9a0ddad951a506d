import Graph
import Kernels

/// How the first output of a step can be made again, bit by bit, from values that are kept anyway.
struct Recomputation: Sendable {
  var kernel: String
  var inputs: [Int]
  var workspaceBytes = 0
  var body: @Sendable (borrowing Invocation) throws(ExecutionError) -> Void
}

extension Lowering {
  /// Lets cheap values die after the forward pass and computes them again right before the backward pass reads them
  /// (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016), as far as that lowers the peak.
  ///
  /// A value is made again from values that live until then anyway, or from one that can be made again from such, as the
  /// shortcut of a block is; so each one saves all its bytes. The step that makes it brings it into the cache for the
  /// kernel that wants it, which hides most of what it costs.
  ///
  /// - Parameter outputs: as for ``MemoryPlan``.
  mutating func recomputeCheapValues(outputs: [(value: Int, parameter: Int?)]) {
    var peak = MemoryPlan(self, outputs: outputs).arenaByteCount
    while peak >= options.recomputationThreshold {
      var trial = self
      guard trial.recomputeAtPeak(keeping: Set(outputs.map { values[$0.value].base })) else { return }
      let lower = MemoryPlan(trial, outputs: outputs).arenaByteCount
      // Not for a trifle: every step costs a little time.
      if Double(lower) > Double(peak) * 0.99 { return }
      (self, peak) = (trial, lower)
    }
  }

  /// Recomputes all candidates that wait while most bytes are in use.
  ///
  /// - Returns: whether there were any.
  private mutating func recomputeAtPeak(keeping kept: Set<Int>) -> Bool {
    // By buffer, the steps that use it, in order.
    var uses = [[Int]](repeating: [], count: values.count)
    for (index, step) in steps.enumerated() where !values[step.outputs[0]].isPrepared {
      for value in Set((step.inputs + step.outputs).map { values[$0].base }) { uses[value].append(index) }
    }
    var changes = [Int](repeating: 0, count: steps.count + 1)
    for (value, list) in uses.enumerated() where values[value].origin == .computed && !values[value].isPrepared {
      guard let first = list.first, let last = list.last else { continue }
      changes[first] += values[value].byteCount
      changes[last + 1] -= values[value].byteCount
    }
    var (peakStep, most, inUse) = (0, 0, 0)
    for (index, change) in changes.enumerated() {
      inUse += change
      if inUse > most { (peakStep, most) = (index, inUse) }
    }

    var makers: [Int: Step] = [:]
    for step in steps where step.recomputation != nil && values[step.outputs[0]].base == step.outputs[0] {
      makers[step.outputs[0]] = step
    }
    func isAlive(_ value: Int, at position: Int) -> Bool {
      values[value].origin != .computed || (uses[values[value].base].last ?? -1) >= position
    }

    var insertions: [(position: Int, steps: [Step])] = []
    for step in steps {
      let value = step.outputs[0]
      guard let recipe = makers[value]?.recomputation, !kept.contains(value),
        let next = uses[value].first(where: { $0 > peakStep }),
        let previous = uses[value].last(where: { $0 <= peakStep }), previous < peakStep
      else { continue }
      let lost = Set(recipe.inputs.filter { !isAlive($0, at: next) })
      let lostInputs = lost.sorted().map { makers[$0]?.recomputation?.inputs }
      if !lostInputs.allSatisfy({ $0?.allSatisfy { isAlive($0, at: next) } ?? false }) { continue }
      // Views of the value would go on meaning the old one.
      if values.indices.contains(where: { $0 != value && values[$0].base == value }) { continue }
      var repeated: [Step] = []
      var again: [Int: Int] = [:]
      for value in lost.sorted() + [value] {
        guard let step = makers[value] else { continue }
        repeated.append(repetition(of: step, reading: again))
        again[value] = repeated.last?.outputs[0]
      }
      for index in next..<steps.count {
        steps[index].inputs = steps[index].inputs.map { $0 == value ? again[value] ?? $0 : $0 }
      }
      insertions.append((next, repeated))
    }
    // From behind, so that positions stay right.
    for (position, repeated) in insertions.sorted(by: { $0.position > $1.position }) {
      steps.insert(contentsOf: repeated, at: position)
    }
    return !insertions.isEmpty
  }

  /// The step that makes the output of another one again, in a buffer of its own.
  ///
  /// - Parameter again: of values that were made again, the new ones.
  private mutating func repetition(of step: Step, reading again: [Int: Int]) -> Step {
    guard let recipe = step.recomputation else { return step }
    var repeated = step
    repeated.kernel = recipe.kernel
    repeated.cost = Cost()
    repeated.cost.bytes = 2 * values[step.outputs[0]].byteCount
    repeated.inputs = recipe.inputs.map { again[$0] ?? $0 }
    repeated.outputs = [temporary(values[step.outputs[0]].type)]
    repeated.workspace = recipe.workspaceBytes == 0 ? nil : workspace(recipe.workspaceBytes)
    repeated.inPlaceInput = nil
    repeated.body = recipe.body
    repeated.recomputation = nil
    return repeated
  }
}

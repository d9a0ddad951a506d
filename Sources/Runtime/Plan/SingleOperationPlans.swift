import Graph
import Synchronization

/// Plans of one operation each, for eager execution: a bounded cache by operation and input types.
enum SingleOperationPlans {
  private struct Key: Hashable {
    var operation: Operation
    var types: [TensorType]
  }

  private struct Entry {
    var plan: LoadedPlan
    var lastUse: Int
  }

  private struct Cache {
    var entries: [Key: Entry] = [:]
    var clock = 0
  }

  private static let cache = Mutex(Cache())
  private static let capacity = 512

  static func plan(for operation: Operation, _ types: [TensorType]) throws -> LoadedPlan {
    let key = Key(operation: operation, types: types)
    let known: LoadedPlan? = cache.withLock { cache in
      cache.clock += 1
      cache.entries[key]?.lastUse = cache.clock
      return cache.entries[key]?.plan
    }
    if let known { return known }

    var graph = Graph()
    let inputs = types.enumerated().map { graph.addInput("\($0)", $1) }
    let outputs = try graph.append(operation, inputs)
    graph.outputs = outputs.enumerated().map { Graph.Output(name: "\($0)", value: $1) }
    let options = Plan.Options(parametersAreConstant: false, fuses: false, allowsWinograd: false)
    let plan = try LoadedPlan(Plan(graph, options: options))
    cache.withLock { cache in
      if cache.entries.count >= capacity, let oldest = cache.entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
        cache.entries[oldest.key] = nil
      }
      cache.entries[key] = Entry(plan: plan, lastUse: cache.clock)
    }
    return plan
  }
}

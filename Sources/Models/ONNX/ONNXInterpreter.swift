import Formats
import Layers

/// Walks the nodes of a model in the file's order, and forgets each value after its last use.
struct ONNXInterpreter {
  private let nodes: [ONNXFile.Node]
  private let version: Int64
  /// Elements of all live tensors together: a file can ask for more with a few bytes than a machine has.
  private static let liveElementLimit = 1 << 30

  init(_ nodes: [ONNXFile.Node], version: Int64) {
    self.nodes = nodes
    self.version = version
  }

  func run(_ given: [String: Tensor], outputs: [String]) throws -> [Tensor] {
    var values = given
    var lastUse: [String: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for name in node.inputs + node.outputs { lastUse[name] = index }
    }
    for name in outputs { lastUse[name] = nodes.count }
    var live = 0

    for (index, node) in nodes.enumerated() {
      let inputs = try node.inputs.map { name throws(ONNXError) -> Tensor? in
        if name.isEmpty { return nil }
        guard let value = values[name] else {
          throw .invalid(node: ONNXCall.label(node), reason: "its input \(quoted(name)) was computed by no node before")
        }
        return value
      }
      let call = ONNXCall(node: node, inputs: inputs, version: version)
      guard let operation = ONNXOperators.named(by: node) else { throw call.unsupported(node.operation) }
      let results = try operation(call)
      for (position, name) in node.outputs.enumerated() where !name.isEmpty {
        guard position < results.count else { throw call.unsupported("output \(position) of \(node.operation)") }
        values[name] = results[position]
        live += results[position].elementCount
      }
      for name in Set(node.inputs + node.outputs) where lastUse[name] == index {
        if given[name] == nil, let dead = values.removeValue(forKey: name) { live -= dead.elementCount }
      }
      if live > Self.liveElementLimit { throw call.unsupported("more than \(Self.liveElementLimit) numbers at once") }
    }
    return try outputs.map { name throws(ONNXError) in
      guard let value = values[name] else {
        throw .invalid(node: "output \(quoted(name))", reason: "no node computes it")
      }
      return value
    }
  }
}

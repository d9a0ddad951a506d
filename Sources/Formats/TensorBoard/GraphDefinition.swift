import Graph

/// A graph as TensorFlow's `GraphDef` (tensorflow/core/framework/graph.proto), which TensorBoard draws. Dots of names
/// become slashes, which it folds into boxes.
package enum GraphDefinition {
  package static func encode(_ graph: Graph) -> [UInt8] {
    var definition = ProtobufWriter()
    // Of all values, by which name nodes read them.
    var names = [String](repeating: "", count: graph.values.count)
    var taken: Set<String> = []
    func unique(_ name: String) -> String {
      var name = name.split(separator: ".").joined(separator: "/")
      // A parameter's scope is a node already: TensorBoard would draw a node and a box of one name.
      while !taken.insert(name).inserted { name += "_" }
      return name
    }
    func add(_ name: String, _ operation: String, inputs: [String], _ types: [TensorType]) {
      definition.message(1) { node in
        node.string(1, name)
        node.string(2, operation)
        for input in inputs { node.string(3, input) }
        attribute("_output_shapes", of: &node) { value in
          value.message(1) { list in
            for type in types { list.message(7) { encode(type.shape, into: &$0) } }
          }
        }
        if let type = types.first { attribute("dtype", of: &node) { $0.integer(6, number(of: type.dtype)) } }
      }
    }
    for (index, value) in graph.values.enumerated() {
      switch value.source {
      case .input(let name):
        names[index] = unique(name)
        add(names[index], "Placeholder", inputs: [], [value.type])
      case .parameter(let path):
        names[index] = unique(path)
        add(names[index], "Variable", inputs: [], [value.type])
      case .constant(let number):
        names[index] = unique("constants.\(number)")
        add(names[index], "Const", inputs: [], [value.type])
      case .node: break
      }
    }
    for node in graph.nodes {
      // `conv1` computes with `conv1.weight`: the box is `conv1`, the node in it named as its operation.
      let prefix = node.name + "."
      let hasParameters = node.inputs.contains {
        if case .parameter(let path) = graph[$0].source { path.hasPrefix(prefix) } else { false }
      }
      let name = unique(hasParameters ? prefix + node.operation.name : node.name)
      add(name, node.operation.name, inputs: node.inputs.map { names[$0.index] }, node.outputs.map { graph[$0].type })
      for (index, output) in node.outputs.enumerated() {
        names[output.index] = index == 0 ? name : "\(name):\(index)"
      }
    }
    for output in graph.outputs {
      add(unique(output.name), "Identity", inputs: [names[output.value.index]], [graph[output.value].type])
    }
    definition.message(4) { $0.integer(1, 22) }
    return definition.bytes
  }

  private static func attribute(
    _ name: String, of node: inout ProtobufWriter, _ body: (inout ProtobufWriter) -> Void
  ) {
    node.message(5) { entry in
      entry.string(1, name)
      entry.message(2, body)
    }
  }

  private static func encode(_ shape: Shape, into message: inout ProtobufWriter) {
    for extent in shape.dimensions { message.message(2) { $0.integer(1, extent) } }
  }

  /// Of `DataType` (tensorflow/core/framework/types.proto).
  private static func number(of dtype: DType) -> Int {
    switch dtype {
    case .float32: 1
    case .float64: 2
    case .int32: 3
    case .uint8: 4
    case .int64: 9
    case .bool: 10
    }
  }
}

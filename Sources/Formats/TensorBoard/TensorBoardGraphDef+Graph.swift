import Graph

extension TensorBoardGraphDef {
  /// A graph as TensorBoard draws it. Dots of names become slashes, which it folds into boxes.
  init(_ graph: Graph) {
    self.init()
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
      var node = TensorBoardNodeDef()
      node.name = name
      node.op = operation
      node.input = inputs
      var shapes = TensorBoardAttrValue()
      shapes.list.shape = types.map { .init($0.shape) }
      node.attr["_output_shapes"] = shapes
      if let type = types.first {
        var dtype = TensorBoardAttrValue()
        dtype.type = .init(type.dtype)
        node.attr["dtype"] = dtype
      }
      self.node.append(node)
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
    versions.producer = 22
  }
}

extension TensorBoardTensorShapeProto {
  fileprivate init(_ shape: Shape) {
    dim = shape.dimensions.map { extent in
      var dim = Dim()
      dim.size = Int64(extent)
      return dim
    }
  }
}

extension TensorBoardDataType {
  fileprivate init(_ dtype: DType) {
    self =
      switch dtype {
      case .float32: .dtFloat
      case .float64: .dtDouble
      case .int32: .dtInt32
      case .uint8: .dtUint8
      case .int64: .dtInt64
      case .bool: .dtBool
      }
  }
}

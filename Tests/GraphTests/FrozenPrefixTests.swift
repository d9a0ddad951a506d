import Graph
import Testing

@Suite struct FrozenPrefixTests {
  /// conv a, relu, conv b with a shortcut around it, dropout, conv c.
  private static func network() throws -> Graph {
    var graph = Graph()
    let x = graph.addInput("input", TensorType([4, 3, 8, 8]))
    let key = graph.addInput("random_key", TensorType([2], .int64))
    func conv(_ input: Graph.ValueID, _ path: String, _ channels: Int, _ from: Int) throws -> Graph.ValueID {
      let weight = graph.addParameter("\(path).weight", TensorType([channels, from, 1, 1]))
      let attributes = ConvAttributes(stride: [1, 1], dilation: [1, 1], paddingBefore: [0, 0], paddingAfter: [0, 0])
      return try graph.append(.conv(attributes), [input, weight])[0]
    }
    let a = try graph.append(.unary(.relu), [conv(x, "a", 6, 3)])[0]
    let sum = try graph.append(.binary(.add), [conv(a, "b", 6, 6), a])[0]
    let dropped = try graph.append(.dropout(rate: 0.5, stream: 1), [sum, key])[0]
    let y = try conv(dropped, "c", 2, 6)
    graph.outputs = [Graph.Output(name: "output", value: y)]
    return graph
  }

  private static func cut(_ frozen: Set<String>, limit: Int = .max) throws -> Graph.Halves? {
    try network().cutAfterFrozenPrefix(nodeLimit: limit) { frozen.contains(String($0.prefix(1))) }
  }

  @Test func theCutLiesBehindAllThatIsFixed() throws {
    let halves = try #require(try Self.cut(["a", "b"]))
    #expect(halves.prefix.nodes.map(\.operation.name) == ["conv2d", "relu", "conv2d", "add"])
    #expect(halves.suffix.nodes.map(\.operation.name) == ["dropout", "conv2d"])
    #expect(halves.prefix.inputs.count == 1 && halves.prefix.parameters.count == 2)
    // The pictures themselves are no longer needed.
    let names = halves.suffix.inputs.map { halves.suffix[$0].source }
    #expect(Set(names) == [.input(name: Graph.cutInputName), .input(name: "random_key")])
    #expect(halves.suffix.shape(of: halves.suffix.outputs[0].value) == [4, 2, 8, 8])
    #expect(halves.suffix.parameters.count == 1)
  }

  /// Between `b` and the sum two values are alive: the cut lies before the block.
  @Test func aBlockIsNotCutThrough() throws {
    let halves = try #require(try Self.cut(["a"]))
    #expect(halves.prefix.nodes.map(\.operation.name) == ["conv2d", "relu"])
    #expect(halves.suffix.nodes.count == 4)
    let limited = try #require(try Self.cut(["a", "b"], limit: 3))
    #expect(limited.prefix.computesTheSame(as: halves.prefix))
    #expect(try !halves.prefix.computesTheSame(as: #require(try Self.cut(["a", "b"])).prefix))
  }

  @Test func nothingIsCutWhereTheFirstLayerLearns() throws {
    #expect(try Self.cut([]) == nil)
    #expect(try Self.cut(["b", "c"]) == nil)
  }

  @Test func droppingStaysOnlyBeforeLayersThatLearn() throws {
    let graph = try Self.network()
    #expect(graph.removingFrozenDropout { !$0.hasPrefix("c") }.nodes.count == graph.nodes.count)
    let frozen = graph.removingFrozenDropout { _ in true }
    #expect(frozen.nodes.map(\.operation.name) == ["conv2d", "relu", "conv2d", "add", "conv2d"])
    // Behind a layer that learns it stays, whatever comes after it.
    #expect(graph.removingFrozenDropout { !$0.hasPrefix("a") }.nodes.count == graph.nodes.count)
  }
}

import Layers
import Models
import Testing

@Suite struct FeatureTests {
  private let model: AnyLayer
  private let x = uniform([2, 3, 64, 64], stream: inputStream)

  init() throws { model = try filled(make("resnet18", channels: 3, classes: 5, side: 64)) }

  /// A scope means what leaves it: the last activation, before the global average that follows it.
  @Test func scopesMeanWhatLeavesThem() throws {
    let graph = try trace(model, input: x.shape).graph
    func name(_ path: String) throws -> String? { graph.producer(of: try graph.value(named: path))?.name }
    #expect(try name("layer4") == "layer4.1.relu_1")
    #expect(try name("layer1.0") == "layer1.0.relu_1")
    #expect(try name("layer1.0.conv1") == "layer1.0.conv1")
    #expect(try name("layer2.0.downsample") == "layer2.0.downsample.1")
    #expect(try graph.value(named: "input") == graph.inputs[0])
    #expect(graph.layerNames.contains("layer3.1"))
  }

  @Test func unknownNames() throws {
    let error = #expect(throws: UnknownNameError.self) {
      try compile(model, input: x.shape, outputs: ["layer1.0.conv3"])
    }
    #expect(
      error?.description
        == "the model has no layer named \"layer1.0.conv3\"; the nearest names are: layer1.0.conv1, layer1.0.conv2, "
        + "layer1.1.conv1")
  }

  /// From the features of a fused plan the rest of the network gives the logits.
  @Test func featuresLeadToTheLogits() throws {
    let logits = try compile(model, input: x.shape).run([x])[0]
    let parameters = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor) })
    let weight = try #require(parameters["fc.weight"])
    let bias = try #require(parameters["fc.bias"])
    func head(_ x: Tensor) -> Tensor { apply(.linear(hasBias: true), [x, weight, bias])[0] }

    let outputs = try compile(model, input: x.shape, outputs: ["layer4", "layer1", "layer4"]).run([x])
    #expect(outputs.map(\.shape) == [[2, 512, 2, 2], [2, 64, 16, 16], [2, 512, 2, 2]])
    let pooled = GlobalAveragePool()(outputs[0])
    #expect(difference(head(pooled), logits) < 1e-5)

    let features = try compileFeatures(model, input: x.shape).run([x])
    #expect(features.map(\.shape) == [[2, 512]])
    #expect(difference(head(features[0]), logits) < 1e-5)
  }
}

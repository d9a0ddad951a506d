import Formats
import Foundation
import Inspect
import Layers
import Models
import Testing
import Vision

/// Explanations are PyTorch's on a small network, keep the axioms of their papers, and are gradients in fact.
@Suite struct ExplanationTests {
  private struct Fixture {
    let tensors: [String: Tensor]
    let model: AnyLayer

    init() throws {
      let path = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Fixtures/explanations.safetensors").path
      tensors = try Safetensors.read(path).tensors
      let net = Sequential(
        Conv2D(in: 3, out: 4, kernel: 3, padding: 1), BatchNorm(4), Activation(.relu), MaxPool2D(kernel: 2),
        Conv2D(in: 4, out: 6, kernel: 3, padding: 1), Activation(.relu), GlobalAveragePool(), Linear(in: 6, out: 5))
      var weights: [String: Tensor] = [:]
      for (name, tensor) in tensors where name.hasPrefix("model.") { weights[String(name.dropFirst(6))] = tensor }
      model = try AnyLayer(net).loading(weights, from: path).model
    }

    func expected(_ name: String) throws -> [Float] { try #require(tensors[name]).scalars() }

    /// The class that the script explains.
    static let target = 3
  }

  @Test(arguments: [
    (Attribution.Method.gradCAM, "grad_cam"), (.saliency, "saliency"), (.integratedGradients, "integrated_gradients"),
    (.occlusion, "occlusion"),
  ])
  func mapsArePyTorchs(method: Attribution.Method, name: String) throws {
    let fixture = try Fixture()
    let input = try #require(fixture.tensors["input"])
    let explainer = try Explainer(fixture.model, input: input.shape)
    let attribution = try explainer.attribution(of: input, class: Fixture.target, method: method)
    let expected = try fixture.expected(name)
    #expect(difference(attribution.map.values, expected) < 2e-4)
    #expect(expected.contains { $0 != 0 })
    let logits = try fixture.expected("logits")
    #expect(abs(attribution.score - logits[Fixture.target]) < 1e-4)
    if method == .gradCAM {
      #expect(attribution.layer == "relu_1" && explainer.layer == "relu_1")
      let resized = attribution.map.resized(width: 10, height: 12)
      #expect(difference(resized.values, try fixture.expected("grad_cam_resized")) < 2e-4)
    }
    // Without a class, the most probable one is explained.
    let best = logits.indices.max { logits[$0] < logits[$1] }
    #expect(try explainer.attribution(of: input, method: method).classIndex == best)
  }

  /// Sundararajan et al.: the attributions add up to the change of the score.
  @Test func integratedGradientsAreComplete() throws {
    let fixture = try Fixture()
    let input = try #require(fixture.tensors["input"])
    let explainer = try Explainer(fixture.model, input: input.shape)
    let (logits, ground) = (try fixture.expected("logits"), try fixture.expected("baseline_logits"))
    for index in 0..<5 {
      let attribution = try explainer.attribution(of: input, class: index, method: .integratedGradients)
      let change = logits[index] - ground[index]
      let sum = attribution.map.values.reduce(0, +)
      #expect(abs(sum - change) < 0.02 * max(0.5, abs(change)), "class \(index): \(sum) of \(change)")
      let gap = try #require(attribution.completenessGap)
      #expect(abs(gap - Double(abs(sum - change) / abs(change))) < 1e-3)
    }
  }

  /// The gradient behind a saliency map is the slope of the score.
  @Test func saliencyIsTheSlope() throws {
    let fixture = try Fixture()
    let input = try #require(fixture.tensors["input"])
    let map = try Explainer(fixture.model, input: input.shape)
      .attribution(of: input, class: Fixture.target, method: .saliency).map
    let plan = try compile(fixture.model, input: [1, 3, 12, 10])
    let numbers: [Float] = input.scalars()
    func score(_ numbers: [Float]) throws -> Float {
      try plan.run([Tensor(numbers, shape: [1, 3, 12, 10])])[0].scalars(as: Float.self)[Fixture.target]
    }
    for pixel in [0, 17, 42, 63, 99, 119] {
      let slopes = try (0..<3).map { channel -> Float in
        var (more, less) = (numbers, numbers)
        more[channel * 120 + pixel] += 2e-3
        less[channel * 120 + pixel] -= 2e-3
        return abs(try score(more) - score(less)) / 4e-3
      }
      #expect(abs(slopes.max()! - map.values[pixel]) < 2e-3 + 0.02 * map.values[pixel], "pixel \(pixel)")
    }
  }

  /// The layer is found in every architecture, before pooling and flattening.
  @Test(arguments: [("lenet", "relu_1", 10), ("vgg_small", "features.relu_5", 8), ("resnet20", "layer3.2.relu_1", 8)])
  func theLastSpatialFeaturesAreFound(name: String, layer: String, side: Int) throws {
    let configuration = ModelConfiguration(name: name, channels: 3, classes: 4, imageSize: [32, 32])
    let model = AnyLayer(try ModelRegistry.make(configuration))
    let explainer = try Explainer(model, input: [3, 32, 32])
    #expect(explainer.layer == layer)
    let input = Tensor((0..<3072).map { Float($0 % 97) / 97 }, shape: [3, 32, 32])
    let map = try explainer.attribution(of: input).map
    #expect(map.width == side && map.height == side && map.values.allSatisfy { $0 >= 0 && $0.isFinite })
  }

  @Test func otherLayersCanBeRead() throws {
    let fixture = try Fixture()
    let input = try #require(fixture.tensors["input"])
    let map = try Explainer(fixture.model, input: input.shape, layer: "0").attribution(of: input).map
    #expect((map.width, map.height) == (10, 12))
    let wrong = message { _ = try Explainer(fixture.model, input: input.shape, layer: "relu_7") }
    #expect(wrong.contains("no layer named \"relu_7\"") && wrong.contains("relu_1"))
    let flat = message { _ = try Explainer(fixture.model, input: input.shape, layer: "7") }
    #expect(flat.contains("no feature maps"))
    let explainer = try Explainer(fixture.model, input: input.shape)
    #expect(message { _ = try explainer.attribution(of: input, class: 5) }.contains("no class 5"))
  }

  @Test func rankCorrelationIsSpearmans() {
    func map(_ values: [Float]) -> HeatMap { HeatMap(width: values.count, height: 1, values: values) }
    #expect(map([1, 2, 3, 4]).rankCorrelation(with: map([10, 20, 30, 99])) == 1)
    #expect(map([1, 2, 3, 4]).rankCorrelation(with: map([4, 3, 2, 1])) == -1)
    // SciPy: spearmanr([1, 2, 2, 4, 5], [5, 1, 3, 2, 4]).statistic, for ties.
    let tied = map([1, 2, 2, 4, 5]).rankCorrelation(with: map([5, 1, 3, 2, 4]))
    #expect(abs((tied ?? 0) - -0.20519567041703082) < 1e-12)
    #expect(map([1, 1, 1]).rankCorrelation(with: map([1, 2, 3])) == nil)
    // Magnitudes count.
    #expect(map([1, -2, 3]).rankCorrelation(with: map([-1, 2, -3])) == 1)
  }

  /// A network whose answer rests on its upper layers passes; one whose map comes from its input alone does not.
  @Test func theCheckTellsLearnedMapsFromEdgeDetectors() throws {
    let fixture = try Fixture()
    let input = try #require(fixture.tensors["input"])
    let explainer = try Explainer(fixture.model, input: input.shape)
    let attribution = try explainer.attribution(of: input, class: Fixture.target)
    let check = try explainer.randomizationCheck(of: attribution, input: input)
    #expect(try explainer.randomizationCheck(of: attribution, input: input) == check)
    let correlation = try #require(check.rankCorrelation)
    #expect(
      (1...3).contains(check.draws) && (1...2).contains(check.layers) && (0...1).contains(correlation)
        && check.passes == (correlation < 0.5))

    // All weights of the upper layer are the same number, so their order says nothing and nothing changes.
    let constant = try fixture.model.mapParameters { path, _, tensor in
      path == "7.weight" || path == "4.weight" ? .filled(with: 0.1, tensor.shape) : tensor
    }
    let edges = try Explainer(constant, input: input.shape)
    let same = try edges.attribution(of: input, class: 0, method: .saliency)
    let failed = try edges.randomizationCheck(of: same, input: input)
    #expect(abs((failed.rankCorrelation ?? 0) - 1) < 1e-9 && !failed.passes)
  }

  @Test func featureMapsAreThoseOfTheLayers() throws {
    let fixture = try Fixture()
    let input = try #require(fixture.tensors["input"])
    let maps = try featureMaps(of: fixture.model, input: input)
    #expect(maps.map(\.layer) == ["relu", "relu_1"])
    #expect(maps.map(\.maps.shape) == [[1, 4, 12, 10], [1, 6, 6, 5]])
    let layers = (fixture.model.base as? Sequential)?.layers ?? []
    let eager = layers.prefix(3).reduce(input.reshaped(to: [1, 3, 12, 10])) { AnyLayer($1)($0) }
    #expect(difference(maps[0].maps.scalars(), eager.scalars()) < 1e-5)
    let picture = Image.featureMaps(maps[1].maps)
    #expect(picture.channels == 1 && picture.width > 300)
  }
}

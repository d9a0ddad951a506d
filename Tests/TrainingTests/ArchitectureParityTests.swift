import Foundation
import Models
import Testing
import Training

/// Published architectures, and a network from ONNX, fine-tuned as PyTorch has done it too
/// (`Fixtures/make_architectures.py`): whole runs of the trainer with the groups that `convnet finetune` makes, compared
/// step by step.
@Suite struct ArchitectureParityTests {
  struct Reference: Decodable {
    var losses: [Double]
    var float32_errors: [Double]
  }

  private static var fixtures: String { URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures" }

  static let references = Result {
    let path = fixtures + "/architectures.json"
    return try JSONDecoder().decode([String: Reference].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  struct Network: CustomTestStringConvertible, Sendable {
    var name: String
    /// Of the head and of all layers by SGD, and of both by AdamW.
    var rates: [Double]
    /// Weights are uniform within the root of so much over the fan in.
    var gain: Float
    var testDescription: String { name }
  }

  static let networks = [
    Network(name: "mobilenet_v2", rates: [2e-3, 3e-4, 1e-3, 2e-5], gain: 4),
    Network(name: "resnet18", rates: [0.02, 1e-3, 3e-3, 2e-5], gain: 3),
    Network(name: "convnext_tiny", rates: [5e-4, 1e-4, 3e-4, 1e-5], gain: 3),
    Network(name: "imported", rates: [0.02, 5e-3, 0.01, 1e-3], gain: 6),
  ]

  @Test(arguments: networks) func lossesAreThoseOfPyTorch(_ network: Network) throws {
    let model = try Self.model(network)
    let classifier = try (model.base as? ONNXModel)?.classifierParameters()
    let groups = try LayerGroups(of: model, input: [1, 3, 32, 32], classifier: classifier)
    let (sgd, adamW) = (
      Optimizer.sgd(learningRate: 1, momentum: 0.9, weightDecay: 5e-4).settings,
      Optimizer.adamW(learningRate: 1, weightDecay: 0.01).settings
    )
    func stage(_ epochs: Int, learnsAll: Bool, _ optimizer: Optimizer.Settings, _ rate: Double) -> TrainingStage {
      TrainingStage(
        learnsAll ? "full" : "head", epochs: epochs, learningRate: rate, schedule: .init(.constant),
        groups: learnsAll ? groups.discriminative(freezesNorms: true) : groups.headOnly, versions: learnsAll ? nil : 1,
        optimizer: optimizer)
    }
    let statistics = model.parameters.filter { $0.kind == .statistic }
    let rates = network.rates
    let strategies = [
      "head": [stage(4, learnsAll: false, sgd, rates[0])], "full": [stage(4, learnsAll: true, sgd, rates[1])],
      "staged": [stage(2, learnsAll: false, adamW, rates[2]), stage(2, learnsAll: true, adamW, rates[3])],
    ]
    for (strategy, stages) in strategies.sorted(by: { $0.key < $1.key }) {
      let name = "\(network.name) \(strategy)"
      let reference = try #require(try Self.references.get()[name])
      let scratch = try Scratch()
      // Checkpoints of all layers with their optimizer would be hundreds of megabytes.
      let keepsFeatures = strategy == "head" && network.name != "convnext_tiny"
      var losses: [Double] = []
      let trainer = Trainer(
        model, options: .init(batchSize: 8, shuffles: false, allowsWinograd: false), stages: stages)
      let outcome = try trainer.fit(
        Self.images(), run: keepsFeatures ? scratch.run : nil,
        onEvent: { if case .step(let report) = $0 { losses.append(Double(report.loss)) } })
      #expect(losses.count == 20 && reference.losses.count == 20)
      // Measured where no ReLU differs: below 2e-6. More is allowed since one input on the other side of 0, by another
      // rounding, changes AdamW's losses by up to some 1e-5 (see the script).
      for (index, loss) in losses.enumerated() {
        #expect(reference.float32_errors[index] < 3e-5, "\(name)")
        #expect(abs(loss / reference.losses[index] - 1) <= 1e-4, "\(name), step \(index + 1): loss \(loss)")
      }
      // It learns, or equal losses would prove little.
      let (before, after) = (losses.prefix(5).reduce(0, +), losses.suffix(5).reduce(0, +))
      #expect(after < 0.95 * before, "\(name)")
      // Statistics of frozen norms are the initial ones.
      let found = outcome.model.parameters.filter { $0.kind == .statistic }
      #expect(found.map(\.tensor.bits) == statistics.map(\.tensor.bits))
    }
  }

  // MARK: What both languages draw

  private static let classes = 5

  /// Weights and statistics as if the network had been trained, from streams in the order of names; nothing is dropped at
  /// random.
  private static func model(_ network: Network) throws -> AnyLayer {
    let model: any Layer =
      switch network.name {
      case "mobilenet_v2": MobileNetV2(classes: classes, dropout: 0)
      case "convnext_tiny":
        ConvNeXt(widths: [96, 192, 384, 768], blocks: [3, 3, 9, 3], classes: classes, stochasticDepth: 0)
      // Its file has weights, which are the same: PyTorch's own.
      case "imported": try ONNXModel(contentsOf: fixtures + "/imported.onnx")
      default:
        try ModelRegistry.make(
          ModelConfiguration(name: network.name, channels: 3, classes: classes, imageSize: [32, 32]), seed: 1)
      }
    let names = model.parameters.map(\.path).sorted()
    let order = Dictionary(uniqueKeysWithValues: zip(names, names.indices))
    let ranges: [String: Range<Float>] = [
      "running_mean": -0.2..<0.2, "running_var": 0.5..<1.5, "bias": -0.1..<0.1, "weight": 0.8..<1.2,
      "layer_scale": 0.1..<0.3,
    ]
    return try AnyLayer(model).mapParameters { path, _, tensor in
      let kind = String(path.split(separator: ".").last!)
      var range = try #require(ranges[kind])
      if tensor.rank > 1, kind != "layer_scale" {
        let bound = (network.gain / Float(tensor.elementCount / tensor.shape[0])).squareRoot()
        range = -bound..<bound
      }
      let drawn = Tensor(
        ParityTests.draw(seed: 7, UInt64(order[path]!), tensor.elementCount, range), shape: tensor.shape)
      if network.name == "imported" { #expect(drawn.bits == tensor.bits, "\(path)") }
      return drawn
    }
  }

  /// 40 pictures: a pattern of 4x4 blocks for each class, of its own brightness, and noise.
  private static func images() throws -> InMemoryDataset {
    let patterns = (0..<classes).map { label in
      ParityTests.draw(seed: 11, UInt64(label), 3 * 16, -1..<1).map { $0 + 0.5 * Float(label - 2) }
    }
    let pixels = (0..<40).flatMap { index in
      ParityTests.draw(seed: 12, UInt64(index), 3 * 1024, -1..<1).enumerated().map { position, noise in
        let (channel, row, column) = (position / 1024, position / 32 % 32, position % 32)
        return patterns[index % classes][channel * 16 + row / 8 * 4 + column / 8] + noise
      }
    }
    return InMemoryDataset(
      inputs: Tensor(pixels, shape: [40, 3, 32, 32]), targets: Tensor((0..<40).map { Int32($0 % classes) }))
  }
}

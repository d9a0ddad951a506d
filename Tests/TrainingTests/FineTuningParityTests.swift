import Foundation
import Models
import Testing
import Training

/// Fine-tuning as PyTorch has done it too (`Fixtures/make_finetuning.py`): whole runs of the trainer, with frozen parts
/// computed once, compared step by step.
@Suite struct FineTuningParityTests {
  struct Reference: Decodable {
    var losses: [Double]
    var float32_errors: [Double]
    var statistics: [String: [Float]]
  }

  static let references = Result {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/finetuning.json"
    return try JSONDecoder().decode([String: Reference].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  struct Run: CustomTestStringConvertible, Sendable {
    var name: String
    var optimizer: Optimizer
    /// Epochs, rate, and the groups' factors.
    var stages: [(epochs: Int, rate: Double, factors: [Double])]
    var testDescription: String { name }
  }

  private static let falling = [3, 2, 1, 0].map { 1 / pow(2.6, Double($0)) }
  private static let sgd = Optimizer.sgd(learningRate: 1, momentum: 0.9, weightDecay: 5e-4)
  private static let adamW = Optimizer.adamW(learningRate: 1, weightDecay: 0.01)

  static let runs = [
    Run(name: "head", optimizer: sgd, stages: [(4, 0.05, [0, 0, 0, 1])]),
    Run(name: "full", optimizer: sgd, stages: [(4, 1e-3, falling)]),
    Run(name: "staged", optimizer: adamW, stages: [(2, 1e-3, [0, 0, 0, 1]), (2, 1e-4, falling)]),
    Run(name: "partial", optimizer: adamW, stages: [(4, 1e-4, [0, 0.25, 0.5, 1])]),
  ]

  @Test(arguments: runs) func lossesAreThoseOfPyTorch(_ run: Run) throws {
    let reference = try #require(try Self.references.get()[run.name])
    let model = try Self.model()
    let groups = try LayerGroups(of: model, input: [1, 3, 32, 32])
    let stages = run.stages.map { stage in
      TrainingStage(
        "stage", epochs: stage.epochs, learningRate: stage.rate, schedule: .init(.constant),
        groups: zip(groups.body + [groups.head], stage.factors).map {
          ParameterGroup($0.name, paths: $0.paths, rateFactor: $1)
        }, versions: 1)
    }
    let batches = ParityTests.batches(channels: 3)
    let examples = batches.flatMap { batch in
      InMemoryDataset(inputs: batch.input, targets: batch.target).examples
    }
    let scratch = try Scratch()
    var losses: [Double] = []
    let trainer = Trainer(
      model, optimizer: run.optimizer,
      options: .init(batchSize: 32, shuffles: false, allowsWinograd: false), stages: stages)
    let outcome = try trainer.fit(
      InMemoryDataset(examples), run: scratch.run,
      onEvent: { if case .step(let report) = $0 { losses.append(Double(report.loss)) } })
    #expect(losses.count == 20 && reference.losses.count == 20)
    for (index, loss) in losses.enumerated() {
      #expect(reference.float32_errors[index] < 3e-5)
      #expect(abs(loss / reference.losses[index] - 1) <= 1e-4, "step \(index + 1): loss \(loss)")
    }
    let tensors = Dictionary(uniqueKeysWithValues: outcome.model.parameters.map { ($0.path, $0.tensor) })
    for (name, expected) in reference.statistics {
      let found = try #require(tensors[name]).scalars(as: Float.self)
      let scale = expected.map(abs).max()!
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-4 * scale }, "\(name)")
    }
    // A frozen norm's statistics are the initial ones, a trained one's are not.
    let isFrozen = run.stages.allSatisfy { $0.factors[0] == 0 }
    #expect((outcome.model.bits["bn1.running_mean"] == model.bits["bn1.running_mean"]) == isFrozen)
  }

  /// Weights and statistics as if the network had been trained; the script draws the same.
  static func model() throws -> CIFARResNet {
    let ranges: [String: Range<Float>] = [
      "running_mean": -0.2..<0.2, "running_var": 0.5..<1.5, "bias": -0.1..<0.1, "weight": 0.8..<1.2,
    ]
    var index: UInt64 = 0
    return try CIFARResNet(depth: 20).mapParameters { path, _, tensor in
      defer { index += 1 }
      var range = ranges[String(path.split(separator: ".").last!)]!
      if tensor.rank > 1 {
        let bound = 1 / Float(tensor.elementCount / tensor.shape[0]).squareRoot()
        range = -bound..<bound
      }
      return Tensor(ParityTests.draw(seed: 7, index, tensor.elementCount, range), shape: tensor.shape)
    }
  }
}

import Formats
import Foundation
import Models
import Testing
import Training
import Vision

/// Trainings of which parts are frozen, in one stage or several.
@Suite struct FineTuningTests {
  private struct Crash: Error {}

  private static let net = withSeed(3) { CIFARResNet(depth: 8) }

  private static func groups() throws -> LayerGroups { try LayerGroups(of: net, input: [1, 3, 32, 32]) }

  private static func stages(versions: Int) throws -> [TrainingStage] {
    [
      TrainingStage(
        "head", epochs: 4, learningRate: 0.02, groups: try groups().headOnly, versions: versions),
      TrainingStage("full", epochs: 3, learningRate: 0.002, groups: try groups().discriminative()),
    ]
  }

  /// How a run that is broken off is trained: which stages, and what else happens to its batches.
  struct Way: CustomTestStringConvertible, Sendable {
    var stages = ["head", "full"]
    var accumulation = 1
    var mixing: BatchMixing?
    var testDescription: String {
      stages.joined(separator: ", ") + (accumulation > 1 ? ", accumulated" : "") + (mixing == nil ? "" : ", mixed")
    }
  }

  static let ways = [
    Way(), Way(stages: ["head"]), Way(stages: ["full"]), Way(accumulation: 3),
    Way(accumulation: 2, mixing: BatchMixing(mixUp: 0.2, classCount: 10)),
  ]

  /// 50 pictures in batches of 16, the last one smaller.
  private static func train(
    _ run: RunFolder?, _ way: Way = Way(), augmentation: Augmentation = .light, caches: Bool = true,
    resumes: Bool = false,
    onEvent: (TrainingEvent) throws -> Void = { _ in }, shouldStop: () -> Bool = { false }
  ) throws -> TrainingOutcome<CIFARResNet> {
    var options = TrainingOptions(
      batchSize: 16, seed: 5, logEvery: 2, checkpointInterval: 0.004, averagingDecay: 0.9, cachesFeatures: caches,
      accumulation: way.accumulation)
    options.mixing = way.mixing
    let trainer = Trainer(
      net, optimizer: .adamW(learningRate: 1), options: options,
      stages: try stages(versions: augmentation == .none ? 1 : 2).filter { way.stages.contains($0.name) })
    return try trainer.fit(
      Pictures.training(50, channels: 3, augmentation: augmentation), validation: Pictures.test(40, channels: 3),
      run: run, dataKey: "test", resumes: resumes, onEvent: onEvent, shouldStop: shouldStop)
  }

  // MARK: Groups

  @Test func groupsAreFoundInTheGraph() throws {
    let groups = try LayerGroups(of: CIFARResNet(depth: 20), input: [1, 3, 32, 32])
    #expect(groups.head.name == "linear" && groups.head.paths == ["linear.weight", "linear.bias"])
    #expect(groups.body.map(\.name) == ["conv1 - layer1.2", "layer2.0 - layer2.2", "layer3.0 - layer3.2"])
    let all = groups.body.flatMap(\.paths) + groups.head.paths
    #expect(Set(all) == Set(CIFARResNet(depth: 20).parameters.map(\.path)) && all.count == Set(all).count)
    #expect(groups.body[0].paths.contains("bn1.running_var"))
    let factors = groups.discriminative(by: 2).map(\.rateFactor)
    #expect(factors == [0.125, 0.25, 0.5, 1])
    #expect(groups.headOnly.map(\.rateFactor) == [0, 0, 0, 1])
  }

  // MARK: Features

  @Test(arguments: [Augmentation.none, .light]) func keepingFeaturesChangesNoBit(_ augmentation: Augmentation) throws {
    let (kept, computed) = (try Scratch(), try Scratch())
    var extracted = 0
    let first = try Self.train(
      kept.run, augmentation: augmentation,
      onEvent: { if case .extracting(let done, let total) = $0, done == total { extracted += 1 } })
    let second = try Self.train(computed.run, augmentation: augmentation, caches: false)
    #expect(first.model.bits == second.model.bits)
    let contents = try (kept.run.contents(), computed.run.contents())
    #expect(contents.0 == contents.1)
    // Training pictures once for each version, validation pictures once.
    #expect(extracted == (augmentation == .none ? 2 : 3))
    #expect(!FileManager.default.fileExists(atPath: kept.run.path + "/features"))
    // Without a folder there is nowhere to keep them.
    #expect(try Self.train(nil, augmentation: augmentation).model.bits == first.model.bits)
  }

  @Test func frozenTensorsKeepEveryBitInTheirStage() throws {
    let scratch = try Scratch()
    let before = Self.net.bits
    var last: [String: [UInt32]]?
    let outcome = try Self.train(
      scratch.run,
      onEvent: {
        guard case .epoch(let line, _) = $0, line.stage == "head" else { return }
        if let tensors = try? Safetensors.read(scratch.run.lastModelPath).tensors { last = tensors.mapValues(\.bits) }
      })
    for (path, bits) in before {
      #expect((last?[path] == bits) == !path.hasPrefix("linear."), "\(path)")
    }
    let changed = outcome.metrics.last?.stage == "full" && outcome.bestEpoch ?? 0 > 4
    if changed { #expect(outcome.model.bits["bn1.running_mean"] != before["bn1.running_mean"]) }
    let rates = try #require(outcome.metrics.last?.learningRates)
    let rate = try #require(outcome.metrics.last?.learningRate)
    #expect(rates.count == 4 && abs(rates["layer3.0"]! / rate * 2.6 - 1) < 1e-9, "\(rates)")
  }

  // MARK: Resuming

  @Test(arguments: ways) func stoppedInAnyStageItGoesOnWithTheSameBits(_ way: Way) throws {
    let whole = try Scratch()
    let expected = try Self.train(whole.run, way)
    // Four batches an epoch.
    let names = [String](repeating: "head", count: 4) + [String](repeating: "full", count: 3)
    let own = names.filter(way.stages.contains)
    #expect(expected.steps == own.count * ((3 + way.accumulation) / way.accumulation))
    #expect(expected.metrics.map { $0.stage } == (way.stages.count > 1 ? own : own.map { _ in nil }))
    var random = RandomStream(seed: 2)
    for _ in 0..<2 {
      let scratch = try Scratch()
      var left = Int(random.next() % 9)
      var stops = 0
      func shouldStop() -> Bool {
        left -= 1
        if left >= 0 { return false }
        left = Int(random.next() % 9)
        stops += 1
        return true
      }
      var outcome = try Self.train(scratch.run, way, shouldStop: shouldStop)
      while outcome.wasInterrupted {
        outcome = try Self.train(scratch.run, way, resumes: true, shouldStop: shouldStop)
      }
      #expect(stops > 0)
      #expect(try scratch.run.contents() == whole.run.contents())
      #expect(outcome.model.bits == expected.model.bits)
    }
  }

  @Test(arguments: ways) func brokenOffAtAnyEventItGoesOnWithTheSameBits(_ way: Way) throws {
    let whole = try Scratch()
    let expected = try Self.train(whole.run, way)
    let scratch = try Scratch()
    var random = RandomStream(seed: 4)
    var crashes = 0
    var outcome: TrainingOutcome<CIFARResNet>?
    while outcome == nil {
      var left = crashes < 30 ? Int(random.next() % 8) : Int.max
      do {
        outcome = try Self.train(
          scratch.run, way, resumes: true,
          onEvent: { _ in
            left -= 1
            if left < 0 { throw Crash() }
          })
      } catch is Crash {
        crashes += 1
        // A file that was not written to its end counts for nothing.
        let folder = scratch.run.path + "/features"
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where crashes % 3 == 0 {
          let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(folder)/\(name)"))
          try handle.truncate(atOffset: 5000)
          try handle.close()
        }
      }
    }
    #expect(crashes > 2)
    #expect(try scratch.run.contents() == whole.run.contents())
    #expect(outcome?.model.bits == expected.model.bits)
  }

  // MARK: Averages

  @Test func averagesAreThoseOfTheirDefinition() throws {
    let decay = 0.8
    let model = withSeed(1) { Linear(in: 3, out: 2) }
    let step = TrainingStep(model, optimizer: .sgd(learningRate: 0.5), averagingDecay: decay) {
      crossEntropy($0($1), $2)
    }
    let batch = Batch(
      input: Tensor([1, 2, 3, -1, 0, 1] as [Float], shape: [2, 3]), target: Tensor([0, 1] as [Int32]), indices: [0, 1])
    var average = model.weight.scalars(as: Float.self).map(Double.init)
    for index in 1...6 {
      _ = try step.run(batch, step: index, learningRate: 0.5)
      let weight = 1 - min(decay, Double(1 + index) / Double(10 + index))
      let now = try step.model.weight.scalars(as: Float.self)
      average = zip(average, now).map { $0 + (Double($1) - $0) * weight }
    }
    let found = try step.averagedModel.weight.scalars(as: Float.self)
    #expect(zip(found, average).allSatisfy { abs(Double($0) - $1) < 1e-6 })
    #expect(try step.model.bits != step.averagedModel.bits)
  }
}

import Formats
import Foundation
import Models
import Testing
import Training

@Suite struct TrainerTests {
  private static func lenet(_ seed: UInt64 = 1) -> LeNet { withSeed(seed) { LeNet() } }

  private static func smallNet() -> Sequential {
    withSeed(4) {
      Sequential(
        Conv2D(in: 1, out: 4, kernel: 5, stride: 4), BatchNorm(4), Activation(.relu), Flatten(),
        Linear(in: 4 * 49, out: 10))
    }
  }

  // MARK: Which model is the best

  @Test func patienceEndsTrainingAndTheBestWeightsAreKept() throws {
    let scratch = try Scratch()
    let validation = try Pictures.test(150)
    // Far too high a rate, so that accuracy jumps up and down.
    let trainer = Trainer(
      Self.lenet(), optimizer: .sgd(learningRate: 0.08, momentum: 0.9),
      options: .init(
        epochs: 60, batchSize: 16, schedule: .init(.constant), seed: 1, earlyStoppingPatience: 4))
    var bestFlags: [Bool] = []
    let outcome = try trainer.fit(
      Pictures.training(120), validation: validation, run: scratch.run,
      onEvent: { if case .epoch(_, let isBest) = $0 { bestFlags.append(isBest) } })
    let accuracies = try outcome.metrics.map { try #require($0.validationAccuracy) }
    let losses = try outcome.metrics.map { try #require($0.validationLoss) }
    let best = try #require(accuracies.indices.max { (accuracies[$0], -losses[$0]) < (accuracies[$1], -losses[$1]) })
    #expect(outcome.bestEpoch == best + 1)
    #expect(outcome.metrics.count == best + 1 + 4 && outcome.metrics.count < 60 && best > 0)
    #expect(bestFlags.lastIndex(of: true) == best)
    #expect(!outcome.wasInterrupted)

    let evaluation = try Evaluator<LeNet> { crossEntropy($0, $1) }.evaluate(outcome.model, on: validation)
    #expect(evaluation.accuracy == accuracies[best])
    #expect(abs(evaluation.loss - losses[best]) < 1e-6)
    let model = try Safetensors.read(scratch.run.modelPath).tensors
    let last = try Safetensors.read(scratch.run.lastModelPath).tensors
    #expect(model.mapValues(\.bits) == outcome.model.bits)
    #expect(last.mapValues(\.bits) != outcome.model.bits)
  }

  @Test func withoutValidationTheLastModelIsTheBest() throws {
    let scratch = try Scratch()
    let outcome = try Trainer(Self.smallNet(), options: .init(epochs: 3)).fit(
      Pictures.training(64), run: scratch.run)
    #expect(outcome.bestEpoch == 3)
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: scratch.run.modelPath))
        == Data(contentsOf: URL(fileURLWithPath: scratch.run.lastModelPath)))
    #expect(try scratch.run.metrics().allSatisfy { !$0.contains("validation") })
  }

  /// A task without labels is judged by its loss.
  @Test func regressionIsJudgedByItsLoss() throws {
    var random = RandomStream(seed: 3)
    let inputs = (0..<64).map { _ in random.uniform(-1..<1) }
    let data = InMemoryDataset(
      inputs: Tensor(inputs, shape: [64, 1]), targets: Tensor(inputs.map { 3 * $0 - 1 }, shape: [64, 1]))
    let outcome = try Trainer(
      withSeed(1) { Linear(in: 1, out: 1) }, optimizer: .sgd(learningRate: 0.3),
      options: .init(epochs: 40, batchSize: 16, schedule: .init(.constant)), loss: { squaredError($0, $1) }
    ).fit(data, validation: data)
    let losses = outcome.metrics.compactMap(\.validationLoss)
    #expect(losses.count == 40 && outcome.metrics.allSatisfy { $0.validationAccuracy == nil })
    #expect(outcome.bestEpoch == losses.indices.min { losses[$0] < losses[$1] }! + 1)
    #expect(abs(outcome.model.weight.item(as: Float.self) - 3) < 1e-3)
  }

  // MARK: What goes wrong

  @Test func aPoisonedWeightIsNamed() throws {
    for (path, poison) in [("conv2.weight", Float.infinity), ("fc2.weight", Float.nan)] {
      let model = try Self.lenet().mapParameters { name, _, tensor in
        guard name == path else { return tensor }
        var numbers = tensor.scalars(as: Float.self)
        numbers[7] = poison
        return Tensor(numbers, shape: tensor.shape)
      }
      let failure = error { _ = try Trainer(model, options: .init(epochs: 1)).fit(Pictures.training(64)) }
      guard case .notFinite(let step, let place, _)? = failure as? TrainingError else {
        Issue.record("\(String(describing: failure))")
        continue
      }
      #expect(step == 1)
      #expect(place.hasPrefix(String(path.prefix { $0 != "." })), "\(place)")
    }
  }

  @Test func aPoisonedInputIsNamed() throws {
    let data = InMemoryDataset(
      inputs: Tensor([Float](repeating: .nan, count: 4 * 1024), shape: [4, 1, 32, 32]),
      targets: Tensor([Int32](repeating: 0, count: 4)))
    let failure = error { _ = try Trainer(Self.lenet()).fit(data) }
    guard case .notFinite(1, "the input", _)? = failure as? TrainingError else {
      Issue.record("\(String(describing: failure))")
      return
    }
  }

  @Test func aStepThatIsNotFiniteChangesNothing() throws {
    let step = TrainingStep(Self.smallNet(), optimizer: .sgd(learningRate: 0.1, momentum: 0.9)) {
      crossEntropy($0($1), $2)
    }
    let batch = try #require(try DataLoader(Pictures.training(32), batchSize: 16).batches(epoch: 0).next())
    #expect(try step.run(batch, step: 1, learningRate: 0.1).isFinite)
    let before = try step.model.bits
    var poisoned = batch
    poisoned.input = Tensor([Float](repeating: .infinity, count: 16 * 1024), shape: batch.input.shape)
    #expect(try !step.run(poisoned, step: 2, learningRate: 0.1).isFinite)
    #expect(try step.findNonFinite(poisoned, step: 2, learningRate: 0.1) == "the input")
    #expect(try step.model.bits == before)
    #expect(try step.run(batch, step: 2, learningRate: 0.1).isFinite)
    #expect(try step.model.bits != before && step.model.isFinite)
  }

  @Test func tooHighARateStopsWithUsableParameters() throws {
    let scratch = try Scratch()
    let trainer = Trainer(
      Self.lenet(), optimizer: .sgd(learningRate: 1e30),
      options: .init(epochs: 3, batchSize: 16, schedule: .init(.constant), checkpointInterval: 0))
    var steps = 0
    let failure = error {
      _ = try trainer.fit(Pictures.training(64), run: scratch.run, onEvent: { if case .step = $0 { steps += 1 } })
    }
    guard case .notFinite(let step, let place, let rate)? = failure as? TrainingError else {
      Issue.record("\(String(describing: failure))")
      return
    }
    #expect(step == steps + 1 && rate == 1e30 && !place.isEmpty)
    #expect("\(TrainingError.notFinite(step: step, place: place, learningRate: rate))".contains("learning rate"))
    let checkpoint = try Safetensors.read(scratch.run.checkpointPath).tensors
    let current = checkpoint.filter { $0.key.hasPrefix("current.") }
    #expect(current.count == 10)
    #expect(current.values.allSatisfy { $0.scalars(as: Float.self).allSatisfy(\.isFinite) })
  }

  @Test func divergenceIsNoticed() throws {
    var random = RandomStream(seed: 3)
    let inputs = (0..<64).map { _ in random.uniform(-1..<1) }
    let data = InMemoryDataset(
      inputs: Tensor(inputs, shape: [64, 1]), targets: Tensor(inputs.map { 3 * $0 - 1 }, shape: [64, 1]))
    let trainer = Trainer(
      withSeed(1) { Linear(in: 1, out: 1) }, optimizer: .sgd(learningRate: 3),
      options: .init(epochs: 100, batchSize: 16, schedule: .init(.constant)), loss: { squaredError($0, $1) })
    let failure = error { _ = try trainer.fit(data) }
    guard case .diverged(let step, let loss, let first)? = failure as? TrainingError else {
      Issue.record("\(String(describing: failure))")
      return
    }
    #expect(step > 1 && loss > 1000 * (first + 1) && loss.isFinite)
  }

  /// A validation loss beyond all numbers is reported like any other, not as trouble with writing JSON.
  @Test func aValidationLossThatIsNotFiniteIsReported() throws {
    let scratch = try Scratch()
    let trainer = Trainer(
      withSeed(1) { Linear(in: 1, out: 1) }, options: .init(epochs: 2),
      loss: { squaredError($0, $1) }, validationLoss: { (squaredError($0, $1) + 1) * Tensor(Float.infinity) })
    let data = InMemoryDataset(inputs: Tensor([1, 2] as [Float], shape: [2, 1]), targets: .zeros([2, 1]))
    let failure = error { _ = try trainer.fit(data, validation: data, run: scratch.run) }
    guard case .notFinite(_, let place, _)? = failure as? TrainingError else {
      Issue.record("\(String(describing: failure))")
      return
    }
    #expect(place == "the validation loss")
  }

  @Test func nothingToTrainOn() throws {
    let failure = error { _ = try Trainer(Self.lenet()).fit(InMemoryDataset([])) }
    #expect(failure as? TrainingError == .noExamples)
    #expect("\(TrainingError.noExamples)".contains("empty"))
  }

  @Test func aLabelWithoutAClassIsAnError() throws {
    let data = InMemoryDataset(
      inputs: .zeros([2, 1, 32, 32]), targets: Tensor([0, 10] as [Int32]))
    let failure = error { _ = try Trainer(Self.lenet()).fit(data) }
    #expect("\(try #require(failure))".contains("10"))
  }

  // MARK: Batches

  /// 33 examples in batches of 16 and 40 in batches of 16: the trainer does what eager steps over the loader's batches do.
  @Test(arguments: [33, 40, 17, 5, 2]) func lastBatchesOfAnySize(count: Int) throws {
    let data = try Pictures.training(count)
    let options = TrainingOptions(epochs: 2, batchSize: 16, schedule: .init(.constant), seed: 6)
    let trained = try Trainer(Self.smallNet(), optimizer: .sgd(learningRate: 0.05, momentum: 0.9), options: options)
      .fit(data).model

    var model = Self.smallNet()
    var optimizer = Optimizer.sgd(learningRate: 0.05, momentum: 0.9)
    let loader = DataLoader(data, batchSize: 16, shuffle: true, seed: 6)
    for epoch in 0..<2 {
      let batches = loader.batches(epoch: epoch)
      while let batch = try batches.next() {
        #expect(batch.indices.count > 1)
        try optimizer.update(&model, along: gradient(at: model) { crossEntropy($0(batch.input), batch.target) })
      }
    }
    for (a, b) in zip(trained.parameters, model.parameters) {
      let (x, y) = (a.tensor.scalars(as: Float.self), b.tensor.scalars(as: Float.self))
      #expect(zip(x, y).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($1)) }, "\(a.path)")
    }
  }

  @Test func aSingleExampleTrains() throws {
    let outcome = try Trainer(Self.smallNet(), options: .init(epochs: 2)).fit(
      Pictures.training(1), validation: Pictures.test(1))
    #expect(outcome.steps == 2 && outcome.model.isFinite)
  }

  // MARK: Frozen parts

  @Test func frozenPartsKeepEveryBit() throws {
    let model = withSeed(1) { CIFARResNet(depth: 8) }
    let isFrozen: @Sendable (String) -> Bool = { $0.hasPrefix("bn1.") || $0.hasPrefix("layer1.") }
    let before = model.bits
    let optimizer = Optimizer.sgd(learningRate: 0.05, momentum: 0.9, weightDecay: 0.1)
    let data = try Pictures.training(32, channels: 3)
    let trained = try Trainer(
      model, optimizer: optimizer, options: .init(batchSize: 16),
      stages: [
        TrainingStage(
          "test", epochs: 2, learningRate: 0.05,
          groups: [ParameterGroup("frozen", paths: before.keys.filter(isFrozen), rateFactor: 0)])
      ]
    ).fit(data).model

    var eager = model
    var eagerOptimizer = optimizer
    let batch = try #require(try DataLoader(data, batchSize: 16).batches(epoch: 0).next())
    let step = try gradient(at: eager, isFrozen: isFrozen) { crossEntropy($0(batch.input), batch.target) }
    try eagerOptimizer.update(&eager, along: step)

    for after in [trained.bits, eager.bits] {
      #expect(after.count == before.count)
      for (path, bits) in before { #expect((after[path] == bits) == isFrozen(path), "\(path)") }
    }
    #expect(before.keys.contains("layer1.0.bn1.running_var") && before.keys.contains("layer2.0.bn1.running_var"))
  }

  // MARK: Memory

  #if os(Linux)
    @Test func memoryStaysFlat() async {
      await #expect(processExitsWith: .success) {
        func residentBytes() -> Int {
          let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")[1]
          return pages.flatMap { Int($0) }.map { $0 * Int(sysconf(Int32(_SC_PAGESIZE))) } ?? 0
        }
        let scratch = try Scratch()
        var sizes: [Int] = []
        let options = TrainingOptions(epochs: 20, batchSize: 48, logEvery: 1, checkpointInterval: 0)
        _ = try Trainer(withSeed(1) { LeNet() }, options: options).fit(
          Pictures.training(500, augmentation: .light), validation: Pictures.test(200), run: scratch.run,
          onEvent: { if case .epoch = $0 { sizes.append(residentBytes()) } })
        // A batch and what it becomes take some megabytes; twenty epochs may not keep one of them.
        try #require(sizes.count == 20 && sizes[4] > 1 << 20)
        #expect(sizes[19] - sizes[4] < 4 << 20, "\(sizes)")
      }
    }
  #endif

  // MARK: Deadlines

  /// With no time at all, one step is taken and judged; with plenty, nothing changes.
  @Test func aDeadlineEndsTheTraining() throws {
    func train(_ run: RunFolder, _ deadline: ContinuousClock.Instant?, resumes: Bool = false) throws
      -> TrainingOutcome<LeNet>
    {
      try Trainer(withSeed(1) { LeNet() }, options: .init(epochs: 3, batchSize: 16, seed: 2)).fit(
        Pictures.training(64), validation: Pictures.test(20), run: run, resumes: resumes, deadline: deadline)
    }
    let (late, early, free) = (try Scratch(), try Scratch(), try Scratch())
    let cut = try train(late.run, .now)
    #expect(cut.ranOutOfTime && !cut.wasInterrupted && cut.steps == 1 && cut.metrics.count == 1)
    #expect(cut.bestEpoch == 1 && cut.metrics[0].validationAccuracy != nil)
    // It is over: there is nothing to resume.
    let again = try train(late.run, nil, resumes: true)
    #expect(again.steps == 1 && again.model.bits == cut.model.bits && !again.wasInterrupted)
    let whole = try train(early.run, .now.advanced(by: .seconds(86_400)))
    #expect(!whole.ranOutOfTime && whole.steps == 12)
    #expect(try whole.model.bits == train(free.run, nil).model.bits)
  }

  @Test func forecastsCountDown() throws {
    let text = """
      {"judging": 0.1, "memory_bytes": 1, "arena_bytes": 1, "stages": [
        {"name": "head", "epochs": 4, "trained_parameters": 1, "frozen_parameters": 1, "preparation": 10,
         "seconds_per_epoch": 1},
        {"name": "full", "epochs": 2, "trained_parameters": 2, "frozen_parameters": 0, "preparation": 0,
         "seconds_per_epoch": 20}]}
      """
    let forecast = try JSONDecoder().decode(TrainingForecast.self, from: Data(text.utf8))
    #expect(forecast.seconds == 54)
    #expect([0, 1, 4.5, 6, 7].map(forecast.seconds(after:)) == [54, 43, 30, 0, 0])
  }
}

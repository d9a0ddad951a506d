import Foundation
import Models
import Testing
import Training

/// Steps along the gradients of several batches.
@Suite struct AccumulationTests {
  private static func parts(_ batch: Batch, sizes: [Int]) -> [Batch] {
    var start = 0
    let row = batch.input.elementCount / batch.indices.count
    let (pixels, labels) = (batch.input.scalars(as: Float.self), batch.target.scalars(as: Int32.self))
    return sizes.map { size in
      defer { start += size }
      var shape = batch.input.shape.dimensions
      shape[0] = size
      return Batch(
        input: Tensor(Array(pixels[start * row..<(start + size) * row]), shape: Shape(shape)),
        target: Tensor(Array(labels[start..<start + size])), indices: Array(batch.indices[start..<start + size]))
    }
  }

  private static func difference(_ a: some Module, _ b: some Module) -> Float {
    zip(a.parameters, b.parameters).map { first, second -> Float in
      let (x, y) = (first.tensor.scalars(as: Float.self), second.tensor.scalars(as: Float.self))
      let worst: Float = zip(x, y).map { abs($0 - $1) }.max()!
      let scale: Float = max(1e-3, y.map(abs).max()!)
      return worst / scale
    }.max()!
  }

  /// Without batch norm nothing but rounding tells parts from the whole, even where they are of unequal size.
  @Test(arguments: [
    Optimizer.sgd(learningRate: 0.05, momentum: 0.9, weightDecay: 5e-4), ParityTests.clipped(0.1),
  ]) func partsAreAsGoodAsTheWhole(_ optimizer: Optimizer) throws {
    let model = withSeed(1) { LeNet() }
    let loss: TrainingStep<LeNet>.Loss = { crossEntropy($0($1), $2) }
    let whole = TrainingStep(model, optimizer: optimizer, averagingDecay: 0.9, allowsWinograd: false, loss: loss)
    let split = TrainingStep(model, optimizer: optimizer, averagingDecay: 0.9, allowsWinograd: false, loss: loss)
    for (index, batch) in ParityTests.batches(channels: 1).enumerated() {
      let expected = try whole.run(batch, step: index + 1, learningRate: 0.05)
      for part in Self.parts(batch, sizes: [8, 8, 8, 5, 3]) { _ = try split.accumulate(part, draw: 1) }
      let found = try split.update(step: index + 1, learningRate: 0.05)
      #expect(abs(found.loss / expected.loss - 1) < 1e-5)
      #expect(abs(found.gradientNorm / expected.gradientNorm - 1) < 1e-4)
    }
    #expect(try Self.difference(split.model, whole.model) < 1e-4)
    #expect(try Self.difference(split.averagedModel, whole.averagedModel) < 1e-4)
    #expect(try Self.difference(split.model, model) > 1e-2)
  }

  @Test func eagerGradientsHaveAMean() throws {
    let model = withSeed(1) { LeNet() }
    let batch = ParityTests.batches(channels: 1)[0]
    let whole = try gradient(at: model) { crossEntropy($0(batch.input), batch.target) }
    let parts = Self.parts(batch, sizes: [16, 12, 4])
    let steps = try parts.map { part in try gradient(at: model) { crossEntropy($0(part.input), part.target) } }
    let mean = GradientStep.mean(of: steps, weights: parts.map { Double($0.indices.count) })
    #expect(Set(mean.gradients.keys) == Set(whole.gradients.keys) && mean.gradients.count == 10)
    #expect(abs(mean.loss.item(as: Float.self) - whole.loss.item(as: Float.self)) < 1e-5)
    for (path, expected) in whole.gradients {
      let (a, b) = (mean.gradients[path]!.scalars(as: Float.self), expected.scalars(as: Float.self))
      let limit: Float = 1e-5 * max(1e-2, b.map(abs).max()!)
      let worst: Float = zip(a, b).map { abs($0 - $1) }.max()!
      #expect(worst <= limit, "\(path)")
    }
  }

  /// PyTorch's loop over parts, `(loss * share).backward()`, then `step()`: batch norms see each part by itself, and
  /// follow one after another.
  @Test func batchNormsAreThoseOfPyTorch() throws {
    let reference = try #require(try FineTuningParityTests.references.get()["accumulated"])
    let examples = ParityTests.batches(channels: 3).flatMap {
      InMemoryDataset(inputs: $0.input, targets: $0.target).examples
    }
    var options = TrainingOptions(
      epochs: 4, batchSize: 12, shuffles: false, schedule: .init(.constant), allowsWinograd: false, accumulation: 3)
    options.seed = 1
    var losses: [Double] = []
    let trainer = Trainer(
      try FineTuningParityTests.model(), optimizer: .sgd(learningRate: 2e-4, momentum: 0.9, weightDecay: 5e-4),
      options: options)
    // 160 images are 13 batches of 12 and one of 4: five steps, the last of two batches.
    let outcome = try trainer.fit(
      InMemoryDataset(examples),
      onEvent: {
        guard case .step(let report) = $0 else { return }
        losses.append(Double(report.loss))
        #expect(report.totalSteps == 20 && report.step == losses.count)
      })
    #expect(losses.count == 20 && outcome.steps == 20)
    for (index, loss) in losses.enumerated() {
      #expect(reference.float32_errors[index] < 3e-5)
      #expect(abs(loss / reference.losses[index] - 1) <= 1e-4, "step \(index + 1): loss \(loss)")
    }
    let tensors = Dictionary(uniqueKeysWithValues: outcome.model.parameters.map { ($0.path, $0.tensor) })
    for (name, expected) in reference.statistics {
      let found = try #require(tensors[name]).scalars(as: Float.self)
      let scale = expected.map(abs).max()!
      let worst: Float = zip(found, expected).map { abs($0 - $1) }.max()!
      #expect(worst <= 1e-4 * scale, "\(name)")
    }
  }

  /// A part that is not finite spoils nothing: neither the sum nor running statistics.
  @Test func badPartsLeaveNothingBehind() throws {
    let model = withSeed(1) { CIFARResNet(depth: 8) }
    let step = TrainingStep(model, optimizer: ParityTests.sgd) { crossEntropy($0($1), $2) }
    let batch = ParityTests.batches(channels: 3)[0]
    var bad = batch
    bad.input = Tensor(batch.input.scalars(as: Float.self).map { _ in Float.nan }, shape: batch.input.shape)
    #expect(try step.accumulate(batch, draw: 1).isFinite)
    #expect(try !step.accumulate(bad, draw: 2).isFinite)
    #expect(try step.model.bits == model.bits)
    let other = TrainingStep(model, optimizer: ParityTests.sgd) { crossEntropy($0($1), $2) }
    for step in [step, other] {
      _ = try step.accumulate(batch, draw: 1)
      _ = try step.update(step: 1, learningRate: 0.05)
    }
    #expect(try step.model.bits == other.model.bits)

    let data = InMemoryDataset(inputs: bad.input, targets: bad.target)
    let options = TrainingOptions(epochs: 1, batchSize: 8, accumulation: 2)
    let text = error { _ = try Trainer(model, options: options).fit(data) }
    #expect("\(try #require(text))".contains("the first number that is not finite arose in the input"))
  }

  /// Stopped between the batches of a step, a run begins that step anew.
  @Test func stoppedWithinAStepItGoesOnWithTheSameBits() throws {
    func train(
      _ run: RunFolder, resumes: Bool = false, shouldStop: () -> Bool = { false }
    ) throws -> TrainingOutcome<CIFARResNet> {
      let options = TrainingOptions(
        epochs: 3, batchSize: 8, seed: 5, logEvery: 1, checkpointInterval: 0, averagingDecay: 0.9, accumulation: 4)
      let trainer = Trainer(
        withSeed(3) { CIFARResNet(depth: 8) }, optimizer: .adamW(learningRate: 1e-3), options: options)
      return try trainer.fit(
        Pictures.training(50, channels: 3, augmentation: .light), validation: Pictures.test(20, channels: 3), run: run,
        resumes: resumes, shouldStop: shouldStop)
    }
    let whole = try Scratch()
    let expected = try train(whole.run)
    // Seven batches in two steps an epoch.
    #expect(expected.steps == 6)
    let scratch = try Scratch()
    var (asked, stops) = (0, 0)
    func shouldStop() -> Bool {
      asked += 1
      // Each attempt gets on by one step at least.
      guard asked % 6 == 0 else { return false }
      stops += 1
      return true
    }
    var outcome = try train(scratch.run, shouldStop: shouldStop)
    while outcome.wasInterrupted { outcome = try train(scratch.run, resumes: true, shouldStop: shouldStop) }
    #expect(stops >= 3)
    #expect(try scratch.run.contents() == whole.run.contents())
    #expect(outcome.model.bits == expected.model.bits)
  }
}

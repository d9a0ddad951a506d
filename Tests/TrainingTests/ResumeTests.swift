import Foundation
import Models
import Testing
import Training

/// A run that was stopped, or died, and went on ends with the same bits as one that nobody disturbed.
@Suite struct ResumeTests {
  private struct Crash: Error {}

  /// 200 pictures in batches of 16: 12 or 13 steps an epoch, the last batch smaller than the others.
  private static func train(
    _ run: RunFolder, resumes: Bool = false, shouldStop: () -> Bool = { false },
    onEvent: (TrainingEvent) throws -> Void = { _ in }
  ) throws -> TrainingOutcome<AnyLayer> {
    let net = withSeed(2) {
      Sequential(
        Conv2D(in: 1, out: 4, kernel: 5, stride: 2), BatchNorm(4), Activation(.relu), MaxPool2D(kernel: 2), Flatten(),
        Dropout(rate: 0.2), Linear(in: 4 * 49, out: 10))
    }
    let options = TrainingOptions(
      epochs: 5, batchSize: 16, schedule: .init(.oneCycle), seed: 9, logEvery: 3, checkpointInterval: 0.004)
    return try Trainer(AnyLayer(net), optimizer: .adamW(learningRate: 5e-3), options: options).fit(
      Pictures.training(200, augmentation: .light), validation: Pictures.test(100), run: run,
      modelMetadata: ["note": "of the test"], resumes: resumes, onEvent: onEvent, shouldStop: shouldStop)
  }

  private static let undisturbed = Result {
    let scratch = try Scratch()
    let outcome = try train(scratch.run)
    return (contents: try scratch.run.contents(), best: outcome.model.bits, epochs: outcome.metrics.count)
  }

  @Test func stoppedAtRandomSteps() throws {
    let expected = try Self.undisturbed.get()
    #expect(expected.epochs == 5 && expected.contents.metrics.count == 5 + 65 / 3)
    var random = RandomStream(seed: 1)
    for _ in 0..<3 {
      let scratch = try Scratch()
      var stops = 0
      var left = Int(random.next() % 20)
      func shouldStop() -> Bool {
        left -= 1
        if left >= 0 { return false }
        left = Int(random.next() % 20)
        stops += 1
        return true
      }
      var outcome = try Self.train(scratch.run, shouldStop: shouldStop)
      while outcome.wasInterrupted {
        outcome = try Self.train(scratch.run, resumes: true, shouldStop: shouldStop)
      }
      #expect(stops > 2)
      #expect(try scratch.run.contents() == expected.contents)
      #expect(outcome.model.bits == expected.best)
    }
  }

  /// With a whole epoch's steps in the checkpoint, only the epoch's end is left to do.
  @Test func brokenOffBetweenLastStepAndValidation() throws {
    let expected = try Self.undisturbed.get()
    let scratch = try Scratch()
    for epoch in 0..<5 {
      var steps = 13 * epoch
      let stopped = try Self.train(
        scratch.run, resumes: epoch > 0, shouldStop: { steps == 13 * (epoch + 1) },
        onEvent: { if case .step = $0 { steps += 1 } })
      #expect(stopped.wasInterrupted && stopped.steps == 13 * (epoch + 1) && stopped.metrics.count == epoch)
    }
    let outcome = try Self.train(scratch.run, resumes: true)
    #expect(outcome.metrics.count == 5)
    #expect(try scratch.run.contents() == expected.contents)
  }

  @Test func resumingAFinishedRunChangesNothing() throws {
    let expected = try Self.undisturbed.get()
    let scratch = try Scratch()
    _ = try Self.train(scratch.run)
    let outcome = try Self.train(scratch.run, resumes: true)
    #expect(outcome.metrics.count == 5)
    #expect(!outcome.wasInterrupted && outcome.steps == 65 && outcome.model.bits == expected.best)
    #expect(try scratch.run.contents() == expected.contents)
  }

  /// Dies at random events, among them each state between the files that an epoch writes.
  @Test func brokenOffAtRandomEvents() throws {
    let expected = try Self.undisturbed.get()
    var scratch = try Scratch()
    let files = FileManager.default
    var random = RandomStream(seed: 5)
    var crashes = 0
    var outcome: TrainingOutcome<AnyLayer>?
    while outcome == nil || crashes < 20 {
      if outcome != nil {
        // It got to its end too soon.
        #expect(try scratch.run.contents() == expected.contents)
        scratch = try Scratch()
        outcome = nil
      }
      let run = scratch.run
      let kept = run.path + "/kept"
      var left = Int(random.next() % 5)
      // Whether the crash waits for the epoch's models to be written, and undoes the checkpoint that follows them.
      let isBeforeCheckpoint = random.next() % 2 == 0
      do {
        func onEvent(_ event: TrainingEvent) throws {
          left -= 1
          switch event {
          case .validating:
            try? files.removeItem(atPath: kept)
            try files.copyItem(atPath: run.checkpointPath, toPath: kept)
          case .epoch where crashes < 30 && isBeforeCheckpoint && left < 0:
            try files.removeItem(atPath: run.checkpointPath)
            try files.moveItem(atPath: kept, toPath: run.checkpointPath)
            throw Crash()
          default: break
          }
          if crashes < 30 && !isBeforeCheckpoint && left < 0 { throw Crash() }
        }
        outcome = try Self.train(run, resumes: files.fileExists(atPath: run.checkpointPath), onEvent: onEvent)
      } catch is Crash {
        crashes += 1
        // What a kill in the middle of a write leaves: half a line, half a file under its temporary name.
        let log = try FileHandle(forWritingTo: URL(fileURLWithPath: run.metricsPath))
        try log.seekToEnd()
        try log.write(contentsOf: Data(#"{"epoch":1,"le"#.utf8))
        try log.close()
        let checkpoint = try Data(contentsOf: URL(fileURLWithPath: run.checkpointPath))
        for name in ["checkpoint", "model", "last"] {
          let partial = "\(run.path)/.\(name).safetensors.\(crashes)-1.partial"
          try checkpoint.prefix(checkpoint.count / 2).write(to: URL(fileURLWithPath: partial))
        }
      }
    }
    #expect(try scratch.run.contents() == expected.contents)
    #expect(outcome?.model.bits == expected.best)
    // What died half-written does not pile up.
    #expect(
      try files.contentsOfDirectory(atPath: scratch.run.path).filter { $0 != "kept" }.sorted()
        == ["checkpoint.safetensors", "last.safetensors", "metrics.jsonl", "model.safetensors"])
  }

  #if os(Linux) || os(macOS)
    /// `kill -9` at random moments of a process of its own.
    @Test func killed() async throws {
      let expected = try Self.undisturbed.get()
      var scratch = try Scratch()
      var random = RandomStream(seed: 8)
      for _ in 0..<20 {
        let path = scratch.run.path
        let milliseconds = Int(random.next() % 60)
        await #expect(processExitsWith: .signal(SIGKILL)) {
          [path = path as String, milliseconds = milliseconds as Int] in
          Thread.detachNewThread {
            Thread.sleep(forTimeInterval: Double(milliseconds) / 1000)
            kill(getpid(), SIGKILL)
          }
          _ = try Self.startOrResume(RunFolder(path))
          kill(getpid(), SIGKILL)
        }
        let isFinished = (try? scratch.run.contents())?.position.contains(#""isFinished":true"#) ?? false
        if isFinished {
          #expect(try scratch.run.contents() == expected.contents)
          scratch = try Scratch()
        }
      }
      let outcome = try Self.startOrResume(scratch.run)
      #expect(try scratch.run.contents() == expected.contents)
      #expect(outcome.model.bits == expected.best)
    }

    private static func startOrResume(_ run: RunFolder) throws -> TrainingOutcome<AnyLayer> {
      try train(run, resumes: FileManager.default.fileExists(atPath: run.checkpointPath))
    }
  #endif

  @Test func aCheckpointOfAnotherModelIsRefused() throws {
    let scratch = try Scratch()
    _ = try Self.train(scratch.run, shouldStop: { true })
    let other = Trainer(LeNet(), options: .init(epochs: 5, batchSize: 16))
    let refusal = error { _ = try other.fit(Pictures.training(32), run: scratch.run, resumes: true) }
    #expect("\(try #require(refusal))".hasPrefix("\(scratch.run.checkpointPath): cannot resume from this checkpoint: "))
    // Another optimizer needs tensors that the checkpoint lacks, even where the model fits.
    #expect(refusal is TrainingError)
  }

  @Test func damagedCheckpointsAreRefused() throws {
    let scratch = try Scratch()
    _ = try Self.train(scratch.run, shouldStop: { true })
    let url = URL(fileURLWithPath: scratch.run.checkpointPath)
    let whole = try Data(contentsOf: url)
    for position in stride(from: 3, to: whole.count, by: whole.count / 23) {
      var damaged = whole
      damaged[position] ^= 4
      try damaged.write(to: url)
      let refusal = error { _ = try Self.train(scratch.run, resumes: true) }
      #expect("\(try #require(refusal, "byte \(position)"))".hasPrefix(scratch.run.checkpointPath))
    }
    try whole.prefix(whole.count / 2).write(to: url)
    #expect(error { _ = try Self.train(scratch.run, resumes: true) } != nil)
    try FileManager.default.removeItem(at: url)
    let missing = try #require(error { _ = try Self.train(scratch.run, resumes: true) })
    #expect("\(missing)".contains(scratch.run.checkpointPath))
  }
}

import Formats
import Foundation
import Models
import Tasks
import Testing

/// Fine-tuning as a job: from files of every kind, stopped and resumed, compared.
@Suite struct FineTuningJobTests {
  /// A run of a small network on other classes, to start from.
  private static func pretrained(in scratch: Scratch) throws -> RunFolder {
    try scratch.writePictures(in: "old", classes: ["a", "b"], count: 8, from: 100)
    let run = RunFolder(scratch.path + "/old-run")
    let training = try ClassifierTraining(
      job(scratch.path + "/old", epochs: 2) {
        $0.modelName = "resnet20"
        $0.imageSize = 16
      })
    _ = try training.run(in: run, writesReport: false)
    return run
  }

  private static func fineTuning(
    _ data: String, _ weights: String, _ strategy: FineTuning.Strategy = .staged,
    _ change: (inout ClassifierJob) -> Void = { _ in }
  ) -> ClassifierJob {
    job(data, epochs: 2) {
      $0.modelName = ClassifierJob.modelOfWeights
      $0.imageSize = nil
      $0.weightsPath = weights
      $0.fineTuning = FineTuning(strategy, headEpochs: 3, versions: 2)
      change(&$0)
    }
  }

  @Test(arguments: FineTuning.Strategy.allCases) func aModelFileIsStartedFrom(_ strategy: FineTuning.Strategy) throws {
    let scratch = try Scratch()
    let old = try Self.pretrained(in: scratch)
    try scratch.writePictures(in: "data", count: 10)
    let training = try ClassifierTraining(Self.fineTuning(scratch.path + "/data", old.modelPath, strategy))
    let before = try ImageClassifier(contentsOf: old.modelPath)
    #expect(training.record.model.preprocessing == before.description.preprocessing)
    #expect(training.record.model.architecture.name == "resnet20")
    #expect(training.record.model.architecture.classes == 3)
    // Everything but the last layer is taken over.
    for (path, bits) in before.model.bits { #expect((training.model.bits[path] == bits) == !path.hasPrefix("linear")) }

    let run = RunFolder(scratch.path + "/run")
    let outcome = try training.run(in: run, writesReport: false)
    #expect(outcome.metrics.map(\.epoch) == Array(1...(strategy == .head ? 3 : strategy == .full ? 2 : 5)))
    let after = try ImageClassifier(contentsOf: run.modelPath)
    #expect(after.description.classNames == ["cat", "dog", "owl"])
    #expect(after.description.provenance.weights?.file == "model.safetensors")
    #expect(after.description.provenance.weights?.sha256 == (try SHA256.hexDigest(ofFileAt: old.modelPath)))
    if strategy == .head {
      for (path, bits) in before.model.bits where !path.hasPrefix("linear") { #expect(after.model.bits[path] == bits) }
    }
    let predictions = try ExamplePrediction.read(from: run)
    #expect(predictions.count == training.record.validationImages)
    #expect(predictions.allSatisfy { $0.file.hasSuffix(".png") && $0.probabilities.count == 3 })
    #expect(
      Double(predictions.count { $0.isCorrect }) / Double(predictions.count)
        == outcome.metrics.first {
          $0.epoch == outcome.bestEpoch
        }?.validationAccuracy)
  }

  @Test func stoppedInEitherStageItGoesOnWithoutItsWeights() throws {
    let scratch = try Scratch()
    let old = try Self.pretrained(in: scratch)
    try scratch.writePictures(in: "data", count: 10)
    let job = Self.fineTuning(scratch.path + "/data", old.modelPath)
    let whole = RunFolder(scratch.path + "/whole")
    let expected = try ClassifierTraining(job).run(in: whole, writesReport: false)
    // 24 images: three steps an epoch, nine in the first stage.
    for stop in [4, 9, 11] {
      let run = RunFolder("\(scratch.path)/stopped-\(stop)")
      var steps = 0
      let stopped = try ClassifierTraining(job).run(
        in: run, writesReport: false, onEvent: { if case .step(let report) = $0 { steps = report.step } },
        shouldStop: { steps == stop })
      #expect(stopped.wasInterrupted && stopped.steps == stop)
      let weights = old.modelPath
      try FileManager.default.moveItem(atPath: weights, toPath: weights + ".away")
      let resumed = try ClassifierTraining(resuming: run).run(in: run, writesReport: false)
      try FileManager.default.moveItem(atPath: weights + ".away", toPath: weights)
      #expect(!resumed.wasInterrupted && resumed.model.bits == expected.model.bits)
      for name in ["model", "last"] {
        let files = [run, whole].map { FileManager.default.contents(atPath: "\($0.path)/\(name).safetensors") }
        #expect(files[0] != nil && files[0] == files[1], "\(name)")
      }
    }
  }

  /// Tensors by name say neither which network they are of nor how images are prepared.
  @Test func plainTensorsAreMatchedWithArchitectures() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "data", count: 5)
    let net = withSeed(9) { CIFARResNet(depth: 20, channels: 3, classes: 7) }
    let tensors = Dictionary(uniqueKeysWithValues: net.parameters.map { ($0.path, $0.tensor) })
    let path = scratch.path + "/weights.safetensors"
    try Safetensors.write(tensors, to: path)
    // Plain and residual networks of this depth have the same tensors.
    let ambiguous = message { _ = try ClassifierTraining(Self.fineTuning(scratch.path + "/data", path)) }
    #expect(ambiguous.contains("resnet20, plain20") && ambiguous.contains("--model"), "\(ambiguous)")
    let training = try ClassifierTraining(
      Self.fineTuning(scratch.path + "/data", path) {
        $0.imageSize = 16
        $0.modelName = "resnet20"
      })
    #expect(training.record.model.architecture.name == "resnet20" && training.record.job.modelName == "resnet20")
    #expect(training.record.model.preprocessing.mean == ImagePreprocessing.imageNet.mean)
    #expect(training.notes.contains { $0.contains("ImageNet") })
    #expect(training.model.bits["layer3.2.conv2.weight"] == net.bits["layer3.2.conv2.weight"])

    try Safetensors.write(["x": .ones([3])], to: path)
    let text = message { _ = try ClassifierTraining(Self.fineTuning(scratch.path + "/data", path)) }
    #expect(text.hasPrefix(path) && text.contains("--model"), "\(text)")
    let missing = message {
      _ = try ClassifierTraining(Self.fineTuning(scratch.path + "/data", path) { $0.weightsPath = nil })
    }
    #expect(missing.contains("--weights"))
  }

  @Test func differencesThatAreMeantAreDeclared() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "data", count: 5)
    let path = scratch.path + "/weights.safetensors"
    let net = withSeed(9) { CIFARResNet(depth: 20, channels: 1, classes: 3) }
    var tensors = Dictionary(uniqueKeysWithValues: net.parameters.map { ($0.path, $0.tensor) })
    tensors["bn1.bias"] = nil
    tensors["extra"] = .ones([2])
    try Safetensors.write(tensors, to: path)
    func training(_ allowances: WeightAllowances, tunes: Bool) throws -> ClassifierTraining {
      try ClassifierTraining(
        Self.fineTuning(scratch.path + "/data", path) {
          ($0.imageSize, $0.modelName, $0.allowances) = (16, "resnet20", allowances)
          if !tunes { $0.fineTuning = nil }
        })
    }
    for tunes in [true, false] {
      let refused = message { _ = try training([], tunes: tunes) }
      #expect(
        refused.hasSuffix("if that is meant: --allow-missing --allow-unused --adapt-channels"), "\(refused)")
      let loaded = try training([.missing, .unused, .channels], tunes: tunes)
      #expect(loaded.notes.contains { $0.contains("1 adapted (conv1.weight)") && $0.contains("1 unused (extra)") })
      #expect(loaded.model.bits["layer3.2.conv2.weight"] == net.bits["layer3.2.conv2.weight"])
      #expect((loaded.model.bits["linear.weight"] == net.bits["linear.weight"]) != tunes)
      let record = try JSONDecoder().decode(ClassifierJob.self, from: JSONEncoder().encode(loaded.record.job))
      #expect(record.allowances == [.missing, .unused, .channels])
    }
  }

  /// From an ONNX file, from what `convert` makes of it, and from what a run on that has left.
  @Test func networksFromONNXAreStartedFromAgain() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "data", count: 6)
    try scratch.writePictures(in: "other", classes: ["ant", "bee"], count: 6, from: 50)
    let onnx = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "ModelsTests/Fixtures/network.onnx").path
    let saved = scratch.path + "/network.safetensors"
    try ONNXModel(contentsOf: onnx).write(to: saved)
    func training(_ weights: String, on data: String = "data") throws -> ClassifierTraining {
      try ClassifierTraining(Self.fineTuning("\(scratch.path)/\(data)", weights) { $0.imageSize = 16 })
    }
    let runs = ["a", "b"].map { RunFolder("\(scratch.path)/\($0)") }
    let trained = try zip([onnx, saved], runs).map { weights, run in
      try training(weights).run(in: run, writesReport: false).model.bits
    }
    #expect(trained[0] == trained[1])

    let left = try ImageClassifier(contentsOf: runs[1].modelPath)
    #expect(left.model.base is ONNXModel && left.description.classNames == ["cat", "dog", "owl"])
    let same = try training(runs[1].modelPath)
    #expect(same.model.bits == left.model.bits && same.notes.contains { $0.contains("same classes") })
    let other = try training(runs[1].modelPath, on: "other")
    for (path, bits) in left.model.bits {
      #expect((other.model.bits[path] == bits) == !path.hasPrefix("fc"), "\(path)")
    }
    let run = RunFolder(scratch.path + "/c")
    _ = try other.run(in: run, writesReport: false)
    let again = try ImageClassifier(contentsOf: run.modelPath)
    #expect(again.description.classNames == ["ant", "bee"])
    #expect(try again.predict(Scratch.picture(label: 0, index: 99), top: 2).count == 2)

    for side in [-1, 0, 16385, .max] {
      let text = message {
        _ = try ClassifierTraining(Self.fineTuning(scratch.path + "/data", onnx) { $0.imageSize = side })
      }
      #expect(text == "\(onnx): images of \(side) pixels a side; they must have at least 1 and at most 16384")
    }

    // What trains from random weights says who takes such a network.
    for path in [onnx, saved] {
      let text = message { _ = try ClassifierTraining(job(scratch.path + "/data") { $0.weightsPath = path }) }
      #expect(text.contains("convnet finetune --weights \(path)"), "\(text)")
    }
  }

  // MARK: Classes of unequal size

  @Test func unequalClassesAreNoticedAndHelped() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "data/train", classes: ["cat", "dog"], count: 2)
    try scratch.writePictures(in: "data/train", classes: ["cat"], count: 6, from: 10)
    try scratch.writePictures(in: "data/val", classes: ["cat", "dog"], count: 2, from: 50)
    let plain = try ClassifierTraining(job(scratch.path + "/data"))
    #expect(plain.notes.contains { $0.contains("--balance") && $0.contains("8") })
    #expect(plain.classCounts.map(\.training) == [8, 2] && plain.classCounts.map(\.validation) == [2, 2])
    for remedy in ClassBalance.Remedy.allCases {
      let training = try ClassifierTraining(job(scratch.path + "/data") { $0.balance = remedy })
      #expect(!training.notes.contains { $0.contains("--balance") } && training.record.trainingImages == 10)
      var steps = 0
      let run = RunFolder("\(scratch.path)/\(remedy)")
      _ = try training.run(in: run, writesReport: false, onEvent: { if case .step = $0 { steps += 1 } })
      // 16 images instead of 10, in batches of 8.
      #expect(steps == 4)
    }
  }

  // MARK: Forecast and comparison

  @Test func aForecastNamesStagesAndChangesNothing() throws {
    let scratch = try Scratch()
    let old = try Self.pretrained(in: scratch)
    try scratch.writePictures(in: "data", count: 6)
    let training = try ClassifierTraining(Self.fineTuning(scratch.path + "/data", old.modelPath))
    let run = RunFolder(scratch.path + "/run")
    let before = training.model.bits
    let forecast = try training.forecast(in: run)
    #expect(forecast.stages.map(\.name) == ["head", "full"] && forecast.stages.map(\.epochs) == [3, 2])
    #expect(forecast.stages[0].trainedParameters == 64 * 3 + 3)
    #expect(forecast.stages[0].trainedParameters + forecast.stages[0].frozenParameters == training.record.parameters)
    #expect(forecast.seconds > 0 && forecast.memoryByteCount > 4 * training.record.parameters)
    #expect(training.model.bits == before && !FileManager.default.fileExists(atPath: run.path + "/features"))
  }

  @Test func runsAreCompared() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "data", count: 10)
    let runs = try [1, 12].map { epochs in
      let run = RunFolder("\(scratch.path)/run-\(epochs)")
      _ = try ClassifierTraining(job(scratch.path + "/data", epochs: epochs)).run(in: run, writesReport: false)
      return run
    }
    let comparison = try RunComparison(runs)
    #expect(comparison.rows.map(\.epochs.count) == [1, 12] && comparison.rows.map(\.strategy) == ["none", "none"])
    let test = try #require(comparison.pairs.first?.test)
    let right = try runs.map { try ExamplePrediction.read(from: $0).count { $0.isCorrect } }
    #expect(test.examples == 6 && test.onlyFirstRight - test.onlySecondRight == right[0] - right[1])
    #expect(comparison.charts.map { $0.series.count } == [2, 2, 2])
    #expect(comparison.chart(of: .training).series.map(\.points.count) == [1, 12])
    #expect(comparison.pairs[0].sentence.contains("6"))
    #expect(message { _ = try RunComparison([runs[0]]) }.contains("two runs"))
    #expect(message { _ = try RunComparison([runs[0], RunFolder(scratch.path)]) }.hasPrefix(scratch.path))
  }
}

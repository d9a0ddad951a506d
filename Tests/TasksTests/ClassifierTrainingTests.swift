import Formats
import Foundation
import Tasks
import Testing

@Suite struct ClassifierTrainingTests {
  // MARK: Bad files

  @Test func unreadableFilesAreListedOrLeftOut() throws {
    let scratch = try Scratch()
    let data = scratch.path + "/data"
    try scratch.writePictures(in: "data", count: 6)
    let whole = try Scratch.picture(label: 0, index: 0).pngData()
    try scratch.write(Array(whole.prefix(whole.count / 2)), to: "data/cat/broken.png")
    try scratch.write(Array("no picture".utf8), to: "data/owl/text.png")

    let text = message { _ = try ClassifierTraining(job(data)) }
    let lines = text.split(separator: "\n")
    #expect(lines.count == 3, "\(text)")
    #expect(lines[0].contains("\(data)/cat/broken.png") && lines[1].contains("\(data)/owl/text.png"))
    #expect(lines.last == "2 files cannot be read; repair or remove them, or leave them out with --skip-bad-images")

    let training = try ClassifierTraining(job(data) { $0.skipsBadImages = true })
    #expect(training.record.badImages == ["\(data)/cat/broken.png", "\(data)/owl/text.png"])
    #expect(training.notes.contains("2 unreadable files left out"))
    #expect(training.record.trainingImages + training.record.validationImages == 18)
    let run = RunFolder(scratch.path + "/run")
    #expect(try training.run(in: run).metrics.count == 2)
    #expect(try RunRecord(of: run).badImages == training.record.badImages)

    // Evaluation treats them alike, and knows when it judges what was learned from.
    let classifier = try ImageClassifier(contentsOf: run.modelPath)
    let names = classifier.description.classNames
    let refusal = message { _ = try LabeledImages.openForEvaluation(data, classNames: names, skipsBadImages: false) }
    #expect(refusal == text)
    let (images, bad) = try LabeledImages.openForEvaluation(data, classNames: names, skipsBadImages: true)
    #expect(bad == training.record.badImages && images.count == 18)
    #expect(try classifier.evaluate(images).images == 18)
    #expect(try classifier.trainedCount(in: images) == training.record.trainingImages)
    // Copies under other names are the same images; others are not.
    try FileManager.default.createDirectory(atPath: scratch.path + "/copies", withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: data + "/cat", toPath: scratch.path + "/copies/cat")
    try scratch.writePictures(in: "others", classes: names, count: 4, from: 70)
    let copied = training.classCounts.first { $0.name == "cat" }?.training
    for (folder, count) in [("copies", copied), ("others", 0)] {
      let dataset = try LabeledImages.openForEvaluation(
        "\(scratch.path)/\(folder)", classNames: names, skipsBadImages: true
      ).images
      #expect(try classifier.trainedCount(in: dataset) == count, "\(folder)")
    }
  }

  // MARK: The split

  @Test func theSplitIsStratifiedStoredAndKept() throws {
    let scratch = try Scratch()
    let data = scratch.path + "/data"
    try scratch.writePictures(in: "data", count: 10)
    let training = try ClassifierTraining(job(data, epochs: 3))
    #expect(training.record.trainingImages == 24 && training.record.validationImages == 6)
    let split = try #require(training.record.split)
    let folder = try ImageFolder(data, preprocessing: training.record.model.preprocessing)
    let held = try split.indices(in: folder).validation.map(folder.label(at:))
    #expect(held == [0, 0, 1, 1, 2, 2])

    // Stopped, files renamed, resumed: the same split and the same bits as an undisturbed run.
    let undisturbed = RunFolder(scratch.path + "/undisturbed")
    let expected = try training.run(in: undisturbed)
    let run = RunFolder(scratch.path + "/run")
    var steps = 0
    let stopped = try ClassifierTraining(job(data, epochs: 3)).run(
      in: run,
      onEvent: { if case .step = $0 { steps += 1 } }, shouldStop: { steps == 4 })
    #expect(stopped.wasInterrupted && stopped.steps == 4)
    #expect(try RunRecord(of: run).split == split)
    let resumed = try ClassifierTraining(resuming: run)
    #expect(resumed.record.split == split && resumed.record.model == training.record.model)
    let outcome = try resumed.run(in: run)
    #expect(!outcome.wasInterrupted && outcome.model.bits == expected.model.bits)
    #expect(outcome.metrics.count == 3)
    for name in ["model", "last"] {
      let files = [run, undisturbed].map { FileManager.default.contents(atPath: "\($0.path)/\(name).safetensors") }
      #expect(files[0] != nil && files[0] == files[1], "\(name)")
    }

    try FileManager.default.moveItem(atPath: data + "/cat/0.png", toPath: data + "/cat/renamed.png")
    #expect(try ClassifierTraining(resuming: run).record.split == split)
  }

  @Test func theValidationShareCanBeChosen() throws {
    let scratch = try Scratch()
    let data = scratch.path + "/data"
    try scratch.writePictures(in: "data", count: 10)
    let half = try ClassifierTraining(job(data) { $0.validation = .fraction(0.5) }).record
    #expect(half.trainingImages == 15 && half.validationImages == 15)
    // Of data that brings its own part, too.
    let embedded = try ClassifierTraining(job(nil) { $0.validation = .fraction(0.1) }).record
    #expect(embedded.trainingImages == 5400 && embedded.validationImages == 600)
    for share in [-0.1, 1, .nan] {
      let text = message { _ = try ClassifierTraining(job(data) { $0.validation = .fraction(share) }) }
      #expect(text.contains("validation"), "\(share): \(text)")
    }
  }

  @Test func tooFewImagesToHoldSomeOut() throws {
    let scratch = try Scratch()
    let data = scratch.path + "/data"
    try scratch.writePictures(in: "data", count: 1)
    let text = message { _ = try ClassifierTraining(job(data)) }
    #expect(text.hasPrefix("\(data): too few images"), "\(text)")
  }

  // MARK: Resuming

  @Test func resumingWithOtherDataIsRefused() throws {
    let scratch = try Scratch()
    let data = scratch.path + "/data"
    try scratch.writePictures(in: "data", count: 5)
    let run = RunFolder(scratch.path + "/run")
    _ = try ClassifierTraining(job(data)).run(in: run, shouldStop: { true })

    let extra = try Scratch.picture(label: 1, index: 77).pngData()
    try scratch.write(extra, to: "data/cat/new.png")
    #expect(message { _ = try ClassifierTraining(resuming: run) }.contains("1 image is new"))
    try FileManager.default.removeItem(atPath: data + "/cat/new.png")
    _ = try ClassifierTraining(resuming: run)

    try scratch.write(extra, to: "data/ant/1.png")
    #expect(message { _ = try ClassifierTraining(resuming: run) }.contains("classes"))
    try FileManager.default.removeItem(atPath: data + "/ant")
    try FileManager.default.moveItem(atPath: data + "/cat", toPath: data + "/kitten")
    #expect(message { _ = try ClassifierTraining(resuming: run) }.contains("classes"))
    try FileManager.default.moveItem(atPath: data + "/kitten", toPath: data + "/cat")
    _ = try ClassifierTraining(resuming: run)

    try FileManager.default.removeItem(atPath: data + "/cat/1.png")
    let fewer = message { _ = try ClassifierTraining(resuming: run) }
    #expect(fewer.hasPrefix(data), "An image is gone: \(fewer)")
  }

  @Test func resumingNeedsNoInitialWeights() throws {
    let scratch = try Scratch()
    let data = scratch.path + "/data"
    try scratch.writePictures(in: "data", count: 5)
    let first = RunFolder(scratch.path + "/first")
    _ = try ClassifierTraining(job(data)).run(in: first)
    let run = RunFolder(scratch.path + "/run")
    _ = try ClassifierTraining(job(data) { $0.weightsPath = first.modelPath }).run(in: run, shouldStop: { true })
    try FileManager.default.removeItem(atPath: first.modelPath)
    #expect(try !ClassifierTraining(resuming: run).run(in: run).wasInterrupted)
  }

  @Test func thereMustBeARun() throws {
    let scratch = try Scratch()
    #expect(message { _ = try ClassifierTraining(resuming: RunFolder(scratch.path)) }.hasPrefix(scratch.path))
    try scratch.write(Array("{".utf8), to: "run.json")
    #expect(message { _ = try ClassifierTraining(resuming: RunFolder(scratch.path)) }.contains("run.json"))
  }

  // MARK: What is found in the data

  @Test func foldersInPartsAreTakenAsTheyAre() throws {
    let scratch = try Scratch()
    let data = scratch.path + "/data"
    try scratch.writePictures(in: "data/train", count: 6)
    try scratch.writePictures(in: "data/val", count: 2, from: 50)
    let record = try ClassifierTraining(job(data)).record
    #expect(record.trainingImages == 18 && record.validationImages == 6 && record.split == nil)
    #expect(record.model.classNames == ["cat", "dog", "owl"])

    try scratch.writePictures(in: "other", classes: ["owl", "cat"], count: 3, from: 60)
    let other = try ClassifierTraining(job(data) { $0.validation = .folder(scratch.path + "/other") }).record
    #expect(other.trainingImages == 18 && other.validationImages == 6)
  }

  @Test func greyAndColourAreToldApart() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "grey", count: 5, isGrey: true)
    try scratch.writePictures(in: "colour", count: 5)
    let grey = try ClassifierTraining(job(scratch.path + "/grey")).record.model
    #expect(grey.preprocessing.channels == 1 && grey.architecture.channels == 1)
    let colour = try ClassifierTraining(job(scratch.path + "/colour")).record.model
    #expect(colour.preprocessing.channels == 3 && colour.architecture.channels == 3)
    // One colour picture makes the data set coloured.
    try scratch.write(Scratch.picture(label: 0, index: 0).pngData(), to: "grey/cat/0.png")
    #expect(try ClassifierTraining(job(scratch.path + "/grey")).record.model.preprocessing.channels == 3)
  }

  /// Means and deviations are those of the pictures' samples.
  @Test func statisticsAreThoseOfThePictures() throws {
    let scratch = try Scratch()
    var samples: [Double] = []
    for (label, name) in ["a", "b"].enumerated() {
      for index in 0..<4 {
        let pixels = (0..<256).map { UInt8(($0 * (index + 3) + 90 * label) % 251) }
        samples += pixels.map { Double($0) / 255 }
        let image = Image(width: 16, height: 16, channels: 1, pixels: pixels)
        try scratch.write(image.pngData(), to: "data/\(name)/\(index).png")
      }
    }
    let rule = try ClassifierTraining(job(scratch.path + "/data")).record.model.preprocessing
    let mean = samples.reduce(0, +) / Double(samples.count)
    let variance = samples.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(samples.count)
    #expect(abs(Double(rule.mean[0]) - mean) <= 0.00051)
    #expect(abs(Double(rule.std[0]) - variance.squareRoot()) <= 0.00051)
  }

  // MARK: Evaluating

  @Test func classesAreMatchedByName() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "data", count: 12)
    let run = RunFolder(scratch.path + "/run")
    _ = try ClassifierTraining(job(scratch.path + "/data", epochs: 20)).run(in: run)
    let classifier = try ImageClassifier(contentsOf: run.modelPath)
    let names = classifier.description.classNames

    // The same pictures; the reports must agree row by row, however many folders there are.
    let all = try classifier.evaluate(LabeledImages.openForEvaluation(scratch.path + "/data", classNames: names))
    #expect(all.accuracy > 0.9 && all.images == 36)
    for kept in [["owl", "cat"], ["owl"]] {
      let part = "\(scratch.path)/\(kept.joined())"
      for name in kept {
        try FileManager.default.createDirectory(atPath: part, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: "\(scratch.path)/data/\(name)", toPath: "\(part)/\(name)")
      }
      let report = try classifier.evaluate(LabeledImages.openForEvaluation(part, classNames: names))
      #expect(report.classes.map(\.name) == names && report.images == 12 * kept.count)
      for (index, name) in names.enumerated() {
        #expect(report.confusion[index] == (kept.contains(name) ? all.confusion[index] : [0, 0, 0]), "\(name)")
      }
    }

    try scratch.writePictures(in: "data", classes: ["emu"], count: 1)
    let text = message { _ = try LabeledImages.openForEvaluation(scratch.path + "/data", classNames: names) }
    #expect(text.contains("\"emu\"") && text.contains("\"cat\""), "\(text)")
  }

  // MARK: Arguments

  @Test func whatCannotBeTrainedIsRefusedAtOnce() throws {
    let scratch = try Scratch()
    let data = scratch.path + "/data"
    #expect(message { _ = try ClassifierTraining(job(data)) }.hasPrefix("\(data): there is no such folder"))
    try scratch.writePictures(in: "data", count: 3)
    #expect(message { _ = try ClassifierTraining(job(data + "/cat/0.png")) }.contains("this is a file"))
    #expect(message { _ = try ClassifierTraining(job(data) { $0.modelName = "lenett" }) }.contains("lenett"))
    #expect(message { _ = try ClassifierTraining(job(data) { $0.imageSize = 4 }) }.contains("at least 16x16"))
    for size in [0, -3, 99999] {
      #expect(message { _ = try ClassifierTraining(job(data) { $0.imageSize = size }) }.contains("--image-size"))
    }
    let senseless: [(String, (inout ClassifierJob) -> Void)] = [
      ("--epochs 0: it must be at least 1", { $0.training.epochs = 0 }),
      ("--batch-size 0", { $0.training.batchSize = 0 }),
      ("--batch-size -1", { $0.training.batchSize = -1 }), ("--log-every 0", { $0.training.logEvery = 0 }),
      ("--warm-up -1", { $0.training.schedule.warmUpSteps = -1 }),
      ("--patience 0", { $0.training.earlyStoppingPatience = 0 }), ("--steps 0", { $0.training.maximumSteps = 0 }),
      ("--loader-threads -1", { $0.training.loaderThreads = -1 }),
      ("--learning-rate 0", { $0.optimizer.learningRate = 0 }),
      ("--learning-rate nan", { $0.optimizer.learningRate = .nan }),
      ("--weight-decay -1", { $0.optimizer.weightDecay = -1 }),
      ("--label-smoothing 1", { $0.labelSmoothing = 1 }), ("--clip-norm 0", { $0.optimizer.maximumGradientNorm = 0 }),
    ]
    for (expected, change) in senseless {
      #expect(message { _ = try ClassifierTraining(job(data, change)) }.hasPrefix(expected), "\(expected)")
    }
  }
}

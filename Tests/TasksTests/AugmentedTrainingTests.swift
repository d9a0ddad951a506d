import Formats
import Foundation
import Tasks
import Testing

/// Trainings with augmentation, mixed batches and TensorBoard's event files.
@Suite struct AugmentedTrainingTests {
  @Test func stoppedAndResumedEqualsUndisturbed() throws {
    let scratch = try Scratch()
    let data = scratch.path + "/data"
    try scratch.writePictures(in: "data", count: 10)
    func job(_ board: String) -> ClassifierJob {
      TasksTests.job(data, epochs: 3) {
        $0.augmentation = .strong
        $0.mixUp = 0.2
        $0.cutMix = 1
        $0.labelSmoothing = 0.1
        $0.tensorBoardFolder = scratch.path + "/" + board
      }
    }
    let undisturbed = try ClassifierTraining(job("whole")).run(in: RunFolder(scratch.path + "/undisturbed"))
    #expect(try records(in: scratch.path + "/whole").map(\.count) == [1 + 1 + 2 + 9 + 3 + 1])

    let run = RunFolder(scratch.path + "/run")
    var steps = 0
    let stopped = try ClassifierTraining(job("board")).run(
      in: run, onEvent: { if case .step = $0 { steps += 1 } }, shouldStop: { steps == 4 })
    #expect(stopped.wasInterrupted)
    let outcome = try ClassifierTraining(resuming: run).run(in: run)
    #expect(outcome.model.bits == undisturbed.model.bits)

    // Version, graph, pictures, filters, four steps and an epoch; then version, the new start, the rest, and what became
    // of the filters.
    let files = try records(in: scratch.path + "/board")
    #expect(files.map(\.count) == [4 + 4 + 1, 2 + 5 + 2 + 1])
    func holds(_ record: [UInt8], _ text: String) -> Bool { record.firstRange(of: text.utf8) != nil }
    #expect(holds(files[0][1], "conv1/weight") && holds(files[0][1], "Placeholder"))
    #expect(holds(files[0][2], "first batch") && holds(files[0][2], "PNG"))
    for tag in ["train/loss", "train/learning_rate", "train/gradient_norm"] { #expect(holds(files[0][4], tag)) }
    for record in [files[0][3], files[1][9]] {
      #expect(holds(record, "first layer's filters") && holds(record, "PNG"))
    }
    for tag in ["epoch/train_loss", "epoch/validation_loss", "epoch/validation_accuracy"] {
      #expect(holds(files[1][8], tag))
    }

    // Mixing is for training alone: a model without it differs.
    var plain = job("plain")
    (plain.mixUp, plain.cutMix) = (nil, nil)
    let other = try ClassifierTraining(plain).run(in: RunFolder(scratch.path + "/plain-run"))
    #expect(other.model.bits != undisturbed.model.bits)
  }

  @Test func theRecordSaysWhatWasTaken() throws {
    let scratch = try Scratch()
    let data = scratch.path + "/data"
    try scratch.writePictures(in: "data", count: 4)
    #expect(try ClassifierTraining(job(data)).record.job.augmentation == .light)
    #expect(try ClassifierTraining(job(data) { $0.imageSize = 64 }).record.job.augmentation == .standard)
    #expect(try ClassifierTraining(job(nil)).record.job.augmentation == Augmentation.none)
    #expect(message { _ = try ClassifierTraining(job(data) { $0.mixUp = 0 }) }.contains("--mix-up 0.0"))
    #expect(message { _ = try ClassifierTraining(job(data) { $0.cutMix = .nan }) }.contains("--cut-mix nan"))
  }

  @Test func augmentationIsNamedOrRead() throws {
    let scratch = try Scratch()
    #expect(try Augmentation(named: "strong") == .strong)
    func reading(_ text: String) throws -> Augmentation {
      try scratch.write(Array(text.utf8), to: "steps.json")
      return try Augmentation(named: scratch.path + "/steps.json")
    }
    #expect(try reading(#"[{"rotation": {"degrees": 5}}]"#) == Augmentation([.rotation(degrees: 5)]))
    let expected = [
      (#"[{"rotation": {}}]"#, #"step 1, rotation: "degrees" is missing"#),
      (#"[{"trivialAugment": {}}, {"spin": {}}]"#, "step 2: expected an object with one name of randomResizedCrop, "),
      (#"[{"rotation": {"degrees": 500}}]"#, "number out of range"), (#""bold""#, "none, light, standard, strong"),
      ("{", "not a list of augmentation steps"), ("", "not a list of augmentation steps"),
    ]
    for (text, part) in expected {
      let error = message { _ = try reading(text) }
      #expect(error.contains(part) && error.contains("steps.json") && !error.contains("\n"), "\(text): \(error)")
    }
    #expect(message { _ = try Augmentation(named: "loud") }.contains("none, light, standard, strong"))
  }

  @Test func sheetsShowWhatTheLoaderGives() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "data", count: 5)
    let data = scratch.path + "/data"
    let sheet = try ContactSheet.augmentations(
      of: data, .strong, modelName: "lenet", imageSize: 24, count: 3, variants: 2, seed: 8)
    #expect(sheet.rows.map(\.count) == [3, 3, 3])
    #expect(sheet.rows.map { $0[0].caption } == ["cat", "dog", "owl"])
    // The second variant of the third picture is what the second epoch makes of it.
    let rule = try ClassifierTraining(job(data) { $0.imageSize = 24 }).record.model.preprocessing
    let folder = try ImageFolder(data, preprocessing: rule, augmentation: .strong)
    let example = try folder.example(at: 10, random: DataLoader.random(seed: 8, epoch: 1, example: 10))
    #expect(rule.image(from: example.input) == sheet.rows[2][2].image)
    #expect(
      message { _ = try ContactSheet.augmentations(of: data, modelName: "lenet", count: 0) }.contains("1 to 1000"))
  }

  /// The payloads of each event file of a folder, in the order of names; checksums must hold.
  private func records(in folder: String) throws -> [[[UInt8]]] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
      func number(_ offset: Int, _ count: Int) -> Int {
        bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | Int($1) }
      }
      var records: [[UInt8]] = []
      var offset = 0
      while offset < bytes.count {
        let length = number(offset, 8)
        let payload = Array(bytes[offset + 12..<offset + 12 + length])
        #expect(number(offset + 8, 4) == Int(CRC32C.masked(bytes[offset..<offset + 8])))
        #expect(number(offset + 12 + length, 4) == Int(CRC32C.masked(payload)))
        records.append(payload)
        offset += 16 + length
      }
      return records
    }
  }
}

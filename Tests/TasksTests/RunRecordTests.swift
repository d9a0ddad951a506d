import Foundation
import Models
import Tasks
import Testing

/// What a run's files remember, also those of earlier versions.
@Suite struct RunRecordTests {
  private static func object(_ path: String) throws -> [String: Any] {
    let data = try #require(FileManager.default.contents(atPath: path))
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  private static func mapKeys(_ value: Any, _ change: (String) -> String) -> Any {
    guard let object = value as? [String: Any] else { return value }
    return Dictionary(uniqueKeysWithValues: object.map { (change($0.key), mapKeys($0.value, change)) })
  }

  @Test func keysAreInSnakeCase() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "data", count: 4)
    let job = job(scratch.path + "/data") {
      $0.optimizer = Optimizer.sgd(learningRate: 0.01, momentum: 0.9, isNesterov: true).settings
      $0.training.accumulation = 3
      $0.training.maximumSteps = 2
    }
    let run = RunFolder(scratch.path + "/run")
    _ = try ClassifierTraining(job).run(in: run, writesReport: false)
    var record = try Self.object(run.recordPath)
    // Steps of augmentation have names of their own.
    var written = try #require(record["job"] as? [String: Any])
    written["augmentation"] = nil
    record["job"] = written
    var names: [String] = []
    _ = Self.mapKeys(written) { name in
      names.append(name)
      return name
    }
    #expect(names.contains("accumulation") && names.contains("is_nesterov") && names.contains("model_name"))
    #expect(names.allSatisfy { $0 == $0.lowercased() }, "\(names)")
    let read = try RunRecord(of: run).job
    #expect(read.optimizer == job.optimizer && read.training == job.training && read.modelName == job.modelName)
  }

  /// Keys in camel case, and none of those that came later.
  @Test func runsOfEarlierVersionsGoOn() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "data", count: 10)
    let job = job(scratch.path + "/data", epochs: 3) { $0.labelSmoothing = 0.1 }
    let whole = try ClassifierTraining(job).run(in: RunFolder(scratch.path + "/whole"), writesReport: false)
    let run = RunFolder(scratch.path + "/run")
    var steps = 0
    let stopped = try ClassifierTraining(job).run(
      in: run, writesReport: false, onEvent: { if case .step = $0 { steps += 1 } }, shouldStop: { steps == 4 })
    #expect(stopped.wasInterrupted)

    var record = try Self.object(run.recordPath)
    func camelCase(_ name: String) -> String {
      let words = name.split(separator: "_")
      return String(words[0]) + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }
    let new = try #require(record["job"])
    var old = try #require(Self.mapKeys(new, camelCase) as? [String: Any])
    var training = try #require(old["training"] as? [String: Any])
    #expect(training["batchSize"] as? Int == 8 && old["labelSmoothing"] as? Double == 0.1)
    (training["accumulation"], training["cachesFeatures"], old["allowances"]) = (nil, nil, nil)
    old["training"] = training
    record["job"] = old
    try JSONSerialization.data(withJSONObject: record).write(to: URL(fileURLWithPath: run.recordPath))

    let outcome = try ClassifierTraining(resuming: run).run(in: run, writesReport: false)
    #expect(outcome.model.bits == whole.model.bits && outcome.metrics.count == 3)
  }

  @Test func damagedRecordsAreRefused() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "data", count: 4)
    let run = RunFolder(scratch.path + "/run")
    _ = try ClassifierTraining(job(scratch.path + "/data")).run(in: run, writesReport: false)
    let record = try Self.object(run.recordPath)
    let changes: [(String, Any)] = [
      ("epochs", "many"), ("batch_size", -1), ("accumulation", 0), ("accumulation", 1e30), ("schedule", []),
    ]
    for (key, value) in changes {
      var damaged = record
      var job = try #require(record["job"] as? [String: Any])
      var training = try #require(job["training"] as? [String: Any])
      training[key] = value
      job["training"] = training
      damaged["job"] = job
      try JSONSerialization.data(withJSONObject: damaged).write(to: URL(fileURLWithPath: run.recordPath))
      let text = message { _ = try ClassifierTraining(resuming: run) }
      #expect(!text.isEmpty && !text.contains("\n"), "\(key): \(text)")
    }
  }

  // MARK: What was learned from

  @Test func sketchesCountMembers() throws {
    func hashes(_ count: Int, seed: UInt64) -> [UInt64] {
      var random = RandomStream(seed: seed)
      return (0..<count).map { _ in random.next() }
    }
    let few = hashes(300, seed: 1)
    let sketch = ContentSketch(few)
    let mixed = Array(few.prefix(7)) + hashes(50, seed: 3)
    let counts = [few, hashes(300, seed: 2), mixed, []].map(sketch.count(in:))
    #expect(counts == [300, 0, 7, 0])
    #expect(ContentSketch([]).count(in: few) == 0)
    #expect(ContentSketch(text: sketch.text) == sketch)

    // Of many, a sample tells the share.
    let many = hashes(40_000, seed: 4)
    let large = ContentSketch(many)
    #expect(large.text.utf8.count < 45_000 && ContentSketch(text: large.text) == large)
    #expect(large.count(in: many) == 40_000 && large.count(in: hashes(10_000, seed: 5)) == 0)
    let half = large.count(in: Array(many.prefix(10_000)) + hashes(10_000, seed: 6))
    #expect(abs(half - 10_000) < 1_000, "\(half)")
    for text in ["", "?", "AAAA", String(repeating: "A", count: 60_000)] { #expect(ContentSketch(text: text) == nil) }
  }
}

import Foundation
import Models
import Tasks
import Testing

/// Trainings that keep within a time. How long anything takes here is unknown, so the tests ask for ages or for nothing.
@Suite struct TimeBudgetTests {
  @Test(arguments: [("90s", 90.0), ("20m", 1200), ("1h30m", 5400), ("0.5h", 1800)])
  func timesAreRead(_ text: String, _ seconds: Double) throws {
    #expect(try TimeBudget(text).seconds == seconds)
  }

  @Test(arguments: ["", "20", "m", "1h30", "-5m", "soon", "0s", "1e400s", "nans"])
  func otherTextsAreRefused(_ text: String) {
    let said = message { _ = try TimeBudget(text) }
    #expect(said.contains("--budget \(text)") && said.contains("20m"), "\(said)")
  }

  private static func run(in scratch: Scratch) throws -> (job: ClassifierJob, folder: RunFolder) {
    try scratch.writePictures(in: "data", count: 6)
    return (job(scratch.path + "/data", epochs: 4), RunFolder(scratch.path + "/run"))
  }

  @Test func withTimeEnoughTheJobStaysAsItIs() throws {
    let scratch = try Scratch()
    let (job, folder) = try Self.run(in: scratch)
    let choice = try TimeBudget(seconds: 1e6).choose(job, in: folder)
    #expect(choice.training.record.job.training.epochs == 4 && choice.reasons.count == 1)
    #expect(choice.training.record.model.architecture.imageSize == [16, 16])
    // The report is left its time.
    let left = (choice.deadline - .now) / .seconds(1)
    #expect(left > 9e5 && left < 1e6 - 1)
    #expect(!FileManager.default.fileExists(atPath: folder.path))
  }

  @Test func epochsAreCutToFit() throws {
    let scratch = try Scratch()
    var (job, folder) = try Self.run(in: scratch)
    // Far more epochs than there is time for, whatever the machine.
    job.training.epochs = 1_000_000_000
    var budget = TimeBudget(seconds: 60)
    let choice = try budget.choose(job, in: folder)
    let epochs = choice.training.record.job.training.epochs
    #expect(epochs >= 1 && epochs < 1_000_000_000)
    #expect(choice.reasons.count == 1 && choice.reasons[0].contains("1000000000 epochs would take"))
    budget.keepsEpochs = true
    let text = message { _ = try budget.choose(job, in: folder) }
    #expect(text.contains("no way to train within 1:00"), "\(text)")
  }

  /// From all layers at the network's size, by smaller images, to a new last layer alone.
  @Test func theQuickestWayIsTriedLast() throws {
    let scratch = try Scratch()
    try scratch.writePictures(in: "data", count: 3)
    let path = scratch.path + "/old.safetensors"
    let configuration = ModelConfiguration(name: "resnet20", channels: 3, classes: 2, imageSize: [136, 136])
    let model = AnyLayer(try ModelRegistry.make(configuration, seed: 1))
    try ImageClassifier(
      model,
      .init(
        architecture: configuration, classNames: ["a", "b"],
        preprocessing: ImagePreprocessing(channels: 3, height: 136, width: 136),
        provenance: .init(library: "test", data: "none", trainingImages: 0, seed: 1))
    ).write(to: path)
    let job = job(scratch.path + "/data") {
      $0.imageSize = nil
      $0.modelName = ClassifierJob.modelOfWeights
      $0.weightsPath = path
      $0.fineTuning = FineTuning(.staged, headEpochs: 1_000_000_000, versions: 1)
    }
    let folder = RunFolder(scratch.path + "/run")
    let text = message { _ = try TimeBudget(seconds: 2).choose(job, in: folder) }
    #expect(text.contains("the quickest takes"), "\(text)")
    var roomy = job
    roomy.fineTuning?.headEpochs = 1
    // Time for the head, and for so many epochs of all layers on no machine.
    roomy.training.epochs = 1_000_000_000
    var budget = TimeBudget(seconds: 300)
    budget.keepsEpochs = true
    let choice = try budget.choose(roomy, in: folder)
    #expect(choice.training.record.job.fineTuning?.strategy == .head)
    #expect(choice.reasons.count == 3 && choice.reasons[1].contains("128x128"), "\(choice.reasons)")
    #expect(choice.training.record.model.provenance.weights?.file == "old.safetensors")
  }
}

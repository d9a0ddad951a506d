import Foundation
import Testing

@Suite struct CommandTests {
  /// Trains a little, and returns the run's folder.
  private func smallRun(in folder: TemporaryFolder, _ name: String = "run") throws -> String {
    let run = "\(folder.path)/\(name)"
    let result = try Convnet.run(
      "train", "--epochs", "1", "--steps", "20", "--seed", "1", "--output", run, "--log-every", "5", "--json")
    #expect(result.status == 0, "\(result.errors)")
    let json = try result.object
    #expect(json["steps"] as? Int == 20)
    #expect(json["parameters"] as? Int == 61706)
    return run
  }

  @Test func trainsEvaluatesAndPredicts() throws {
    let folder = try TemporaryFolder()
    let run = try smallRun(in: folder)
    for file in [
      "model.safetensors", "last.safetensors", "checkpoint.safetensors", "metrics.jsonl", "run.json", "report.html",
    ] {
      #expect(FileManager.default.fileExists(atPath: "\(run)/\(file)"), "\(file)")
    }
    let metrics = try String(contentsOfFile: "\(run)/metrics.jsonl", encoding: .utf8).split(separator: "\n")
      .map { try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
    #expect(metrics.count == 5)
    #expect(Set(metrics[0].keys) == ["step", "loss"])
    #expect(
      Set(metrics[4].keys) == [
        "epoch", "step", "train_loss", "validation_loss", "validation_accuracy", "learning_rate", "seconds",
        "waiting_share",
      ])

    let evaluation = try Convnet.run("evaluate", "\(run)/model.safetensors", "--json")
    let report = try evaluation.object
    #expect(Set(report.keys) == ["images", "accuracy", "top5", "loss", "classes", "confusion", "calibration"])
    #expect(report["images"] as? Int == 1000)
    #expect(report["accuracy"] as? Double == metrics[4]["validation_accuracy"] as? Double)
    let classes = try #require(report["classes"] as? [[String: Any]])
    #expect(classes.count == 10)
    #expect(Set(classes[0].keys) == ["name", "support", "precision", "recall", "f1"])
    let confusion = try #require(report["confusion"] as? [[Int]])
    #expect(confusion.joined().reduce(0, +) == 1000)

    #expect(try Convnet.run("samples", "\(folder.path)/samples", "--per-class", "1").status == 0)
    let image = "\(folder.path)/samples/Trouser/0.png"
    let bad = "\(folder.path)/bad.png"
    try Data("no picture".utf8).write(to: URL(fileURLWithPath: bad))
    let prediction = try Convnet.run("predict", "\(run)/model.safetensors", bad, image, "--top", "3", "--json")
    #expect(prediction.status == 1)
    #expect(prediction.errorLines.count == 1 && prediction.errors.contains(bad), "\(prediction.errors)")
    let rows = try #require(try prediction.json as? [[String: Any]])
    #expect(rows.count == 1 && rows[0]["file"] as? String == image)
    let predictions = try #require(rows[0]["predictions"] as? [[String: Any]])
    #expect(predictions.count == 3)
    let folderOfOne = try Convnet.run("predict", "\(run)/model.safetensors", "\(folder.path)/samples/Trouser")
    #expect(folderOfOne.status == 0 && folderOfOne.output.hasPrefix("\(image): "), "\(folderOfOne)")
    #expect(Set(predictions[0].keys) == ["class", "index", "probability"])
  }

  @Test func sameSeedSameBits() throws {
    let folder = try TemporaryFolder()
    var models: [Data] = []
    for threads in 1...3 {
      let run = "\(folder.path)/\(threads)"
      let result = try Convnet.run(
        "train", "--epochs", "1", "--steps", "30", "--seed", "3", "--threads", "\(threads)", "--output", run)
      #expect(result.status == 0, "\(result.errors)")
      models.append(try Data(contentsOf: URL(fileURLWithPath: "\(run)/model.safetensors")))
    }
    #expect(models[0] == models[1] && models[1] == models[2])
  }

  @Test func survivesTwentyKills() throws {
    let folder = try TemporaryFolder()
    let arguments = ["train", "--epochs", "3", "--seed", "5", "--batch-size", "32", "--output"]
    let calm = try Convnet.start(arguments + ["\(folder.path)/calm"], in: URL(fileURLWithPath: folder.path))
    calm.process.waitUntilExit()
    #expect(calm.process.terminationStatus == 0)

    let run = "\(folder.path)/killed"
    var random = SystemRandomNumberGenerator()
    var kills = 0
    var next = arguments + [run]
    while true {
      let (process, _, _) = try Convnet.start(next, in: URL(fileURLWithPath: folder.path))
      if kills < 20 {
        usleep(UInt32.random(in: 20_000...700_000, using: &random))
        kill(process.processIdentifier, SIGKILL)
        kills += 1
      }
      process.waitUntilExit()
      if kills == 20 && process.terminationReason == .exit { break }
      // Killed before there was anything to go on with, it starts anew.
      let hasRun = ["run.json", "checkpoint.safetensors"].allSatisfy {
        FileManager.default.fileExists(atPath: "\(run)/\($0)")
      }
      if !hasRun { try? FileManager.default.removeItem(atPath: run) }
      next = hasRun ? ["train", "--resume", run] : arguments + [run]
    }
    for file in ["model.safetensors", "last.safetensors", "checkpoint.safetensors"]
    where file != "checkpoint.safetensors" {
      let (a, b) = ("\(folder.path)/calm/\(file)", "\(run)/\(file)")
      #expect(FileManager.default.contentsEqual(atPath: a, andPath: b), "\(file)")
    }
    func metrics(_ path: String) throws -> [String] {
      try String(contentsOfFile: "\(path)/metrics.jsonl", encoding: .utf8)
        .replacing(/"(seconds|waiting_share)":[0-9.e-]+/, with: "").split(separator: "\n").map(String.init)
    }
    #expect(try metrics("\(folder.path)/calm") == metrics(run))
  }

  @Test func interruptionKeepsTheLastStep() throws {
    let folder = try TemporaryFolder()
    let run = "\(folder.path)/run"
    let (process, _, errors) = try Convnet.start(
      ["train", "--epochs", "200", "--output", run], in: URL(fileURLWithPath: folder.path))
    while !FileManager.default.fileExists(atPath: "\(run)/last.safetensors") { usleep(20_000) }
    kill(process.processIdentifier, SIGINT)
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    let text = try String(contentsOf: errors, encoding: .utf8)
    #expect(text.contains("go on with: convnet train --resume \(run)"), "\(text)")
  }

  @Test(arguments: [
    ("lenet", 61706, 416_520), ("resnet20", 269_722, 40_551_040), ("resnet18", 11_689_512, 1_814_073_344),
  ])
  func summarises(name: String, parameters: Int, macs: Int) throws {
    let summary = try Convnet.run("summary", name, "--json").object
    #expect(summary["parameters"] as? Int == parameters)
    #expect(summary["macs"] as? Int == macs)
    #expect((summary["layers"] as? [Any])?.isEmpty == false)
  }

  @Test func listsModels() throws {
    let rows = try #require(try Convnet.run("models", "--json").json as? [[String: Any]])
    #expect(
      Set(rows.compactMap { $0["name"] as? String }).isSuperset(of: ["lenet", "vgg_small", "resnet18", "resnet20"]))
  }

  @Test func refusesADamagedModel() throws {
    let folder = try TemporaryFolder()
    let path = "\(try smallRun(in: folder))/model.safetensors"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let result = try Convnet.run("evaluate", path)
    #expect(result.status == 1)
    #expect(result.errorLines.count == 1 && result.errors.contains(path), "\(result.errors)")
  }

  /// A mistake ends with one line that says what and where, wrong arguments also with how the command is used.
  @Test(arguments: [
    (["train", "/nowhere"], 1, "/nowhere: there is no such folder"),
    (["train", "--model", "lenette"], 1, "there is no model named \"lenette\""),
    (["train", "--image-size", "8"], 1, "at least 16x16"),
    (["train", "--weights", "/nowhere.safetensors"], 1, "/nowhere.safetensors"),
    (["train", "--resume", "/nowhere"], 1, "/nowhere: there is no run here"),
    (["train", "--validation", "2"], 1, "a share must be between 0 and 1"),
    (["train", "--epochs", "0"], 64, "--epochs must be at least 1"),
    (["train", "--batch-size", "many"], 64, "--batch-size"),
    (["evaluate", "/nowhere.safetensors"], 1, "/nowhere.safetensors"),
    (["predict", "/nowhere.safetensors", "a.png"], 1, "/nowhere.safetensors"),
    (["summary", "nothing"], 1, "there is no model named \"nothing\""),
    (["summary", "nothing.safetensors"], 1, "nothing.safetensors: there is no such file"),
    (["train", "--resume", "run", "--epochs", "9"], 64, "leave --epochs out"),
    (["train", "/nowhere", "--resume", "run"], 64, "leave DATA out"),
    (["samples", "/dev/null"], 1, "/dev/null"),
    (["summary", "lenet", "--input", "1x4x4"], 1, "lenet needs images of at least 16x16, but they are 4x4"),
    (["summary", "lenet", "--input", "3x"], 64, "The value '3x' is invalid for '--input <CxHxW>'"),
    (["summary", "lenet", "--input", "9999999999x1x99999999999"], 64, "The value '9999999999x1x99999999999'"),
    (["summary", "lenet", "--classes", "0"], 64, "--classes must be from 1 to 10,000,000, but it is 0."),
    (["summary"], 64, "Missing expected argument '<model>'"),
    (["bogus"], 64, "there is no command \"bogus\""),
    (["tran"], 64, "there is no command \"tran\"; did you mean train?"),
  ])
  func mistakes(arguments: [String], status: Int32, text: String) throws {
    let result = try Convnet.run(arguments)
    #expect(result.status == status)
    #expect(result.errors.hasPrefix("convnet: ") && result.errors.contains(text), "\(result.errors)")
    #expect(result.errorLines.count == (status == 1 ? 1 : 3))
    #expect(result.output.isEmpty)
  }
}

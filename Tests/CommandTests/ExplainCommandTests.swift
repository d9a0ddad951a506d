import Foundation
import Testing

@Suite struct ExplainCommandTests {
  /// Trains for a moment; returns the run, a picture and a folder for results.
  private func prepare(_ folder: TemporaryFolder) throws -> (run: String, picture: String) {
    let run = "\(folder.path)/run"
    let training = try Convnet.run("train", "--epochs", "1", "--steps", "40", "--seed", "1", "--output", run)
    #expect(training.status == 0 && training.output.contains("the report is \(run)/report.html"), "\(training.errors)")
    #expect(try Convnet.run("samples", "\(folder.path)/samples", "--per-class", "1").status == 0)
    return (run, "\(folder.path)/samples/Trouser/0.png")
  }

  @Test func explainsInEveryWay() throws {
    let folder = try TemporaryFolder()
    let (run, picture) = try prepare(folder)
    let model = "\(run)/model.safetensors"
    for method in ["grad-cam", "occlusion", "integrated-gradients", "saliency"] {
      let result = try Convnet.run(
        "explain", model, picture, picture, "--method", method, "--class", "Bag", "--output", "\(folder.path)/maps",
        "--json")
      #expect(result.status == 0, "\(result.errors)")
      let rows = try #require(try result.json as? [[String: Any]])
      #expect(rows.count == 2)
      let overlays = rows.compactMap { $0["overlay"] as? String }
      #expect(Set(overlays).count == 2 && overlays.allSatisfy { FileManager.default.fileExists(atPath: $0) })
      #expect(
        rows[0]["class"] as? String == "Bag" && (rows[0]["layer"] as? String) == (method == "grad-cam" ? "relu_1" : nil)
      )
      let check = try #require(rows[0]["check"] as? [String: Any])
      #expect(check["passes"] is Bool && check["draws"] is Int)
      if method == "integrated-gradients" { #expect(try #require(rows[0]["completeness_gap"] as? Double) < 0.05) }
    }
    let text = try Convnet.run("explain", model, picture, "--layer", "conv1", "--output", "\(folder.path)/maps")
    #expect(text.output.contains("grad-cam at conv1, ") && text.output.contains("the randomisation check"))
    for (option, value, words) in [
      ("--class", "Toaster", "no class \"Toaster\""),
      ("--layer", "conv9", "no layer named \"conv9\"; the nearest names are: conv1"),
    ] {
      let wrong = try Convnet.run("explain", model, picture, option, value, "--output", "\(folder.path)/maps")
      #expect(wrong.status == 1 && wrong.errorLines.count == 1 && wrong.errors.contains(words), "\(wrong.errors)")
    }
  }

  @Test func predictKnowsWhenNotToAnswer() throws {
    let folder = try TemporaryFolder()
    let (run, picture) = try prepare(folder)
    let model = "\(run)/model.safetensors"
    func row(_ arguments: String...) throws -> [String: Any] {
      let result = try Convnet.run(["predict", model, picture, "--json"] + arguments)
      return try #require((try result.json as? [[String: Any]])?.first, "\(result.errors)")
    }
    let plain = try row()
    let best = try #require((plain["predictions"] as? [[String: Any]])?.first)
    #expect(plain["answer"] as? String == best["class"] as? String && plain["is_unknown"] as? Bool == false)
    let strict = try row("--threshold", "1")
    #expect(strict["answer"] as? String == "unknown" && strict["is_unknown"] as? Bool == true)
    #expect(
      try #require((strict["predictions"] as? [[String: Any]])?.first)["class"] as? String == best["class"] as? String)
    // The stored threshold decides with --abstain.
    let evaluation = try Convnet.run("evaluate", model, "--json").object
    let report = try #require(evaluation["calibration"] as? [String: Any])
    let stored = try #require(report["calibration"] as? [String: Any])["threshold"] as? Double ?? 2
    let isUnknown = try #require(best["probability"] as? Double) < stored
    #expect(try row("--abstain")["is_unknown"] as? Bool == isUnknown)
    let text = try Convnet.run("predict", model, picture, "--threshold", "1")
    #expect(text.output.hasPrefix("\(picture): unknown ("))
    #expect(try Convnet.run("evaluate", model).output.contains("calibration error"))
    #expect(try Convnet.run("predict", model, picture, "--threshold", "2").status == 64)
  }

  @Test func reportsAreMadeAnew() throws {
    let folder = try TemporaryFolder()
    let (run, _) = try prepare(folder)
    let first = try Data(contentsOf: URL(fileURLWithPath: "\(run)/report.html"))
    try FileManager.default.removeItem(atPath: "\(run)/report.html")
    let result = try Convnet.run("report", run)
    #expect(result.status == 0 && result.output == "the report is \(run)/report.html\n", "\(result.errors)")
    #expect(try Data(contentsOf: URL(fileURLWithPath: "\(run)/report.html")) == first)
    let wrong = try Convnet.run("report", folder.path)
    #expect(wrong.status == 1 && wrong.errorLines.count == 1 && wrong.errors.contains("no run here"))
  }
}

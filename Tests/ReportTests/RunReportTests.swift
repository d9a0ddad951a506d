import Formats
import Foundation
import Report
import Tasks
import Testing

/// The report of a short training on pictures under hostile names, with every fault a data set can have.
@Suite struct RunReportTests {
  private struct Trained: Sendable {
    let scratch: Scratch
    let run: RunFolder
    let html: String
    let classifier: ImageClassifier
    let hostile = "<b onmouseover='x'>\"&"

    init() throws {
      scratch = try Scratch()
      // The last class has few training images; one validation image is a copy.
      for (label, name) in [hostile, "dog", "owl"].enumerated() {
        for index in 0..<(label == 2 ? 3 : 12) {
          try scratch.writePicture(label, index, to: "data/train/\(name)/\(index).png")
        }
        for index in 20..<26 { try scratch.writePicture(label, index, to: "data/val/\(name)/\(index).png") }
      }
      try scratch.writePicture(1, 4, to: "data/val/dog/\"><script>alert(1)<.png")
      var job = ClassifierJob(
        data: scratch.path + "/data", optimizer: Optimizer.adamW(learningRate: 0.003).settings,
        training: .init(epochs: 3, batchSize: 8, seed: 4))
      job.imageSize = 20
      run = RunFolder(scratch.path + "/run")
      _ = try ClassifierTraining(job).run(in: run)
      html = try String(contentsOfFile: run.reportPath, encoding: .utf8)
      classifier = try ImageClassifier(contentsOf: run.modelPath)
    }
  }

  private static let trained = Result { try Trained() }

  @Test func everySectionHasItsContent() throws {
    let html = try Self.trained.get().html
    for id in [
      "warnings", "setup", "curves", "classes", "confusion", "mistakes", "attention", "layers", "neighbors", "map",
      "calibration", "augmentation",
    ] { #expect(html.contains("<section id=\"\(id)\""), "\(id)") }
    #expect(html.contains("<h1>lenet on data</h1>"))
    #expect(html.matches(of: /<circle class="s\d( miss)?" cx/).count >= 19)
    #expect(html.matches(of: /class="row augmented"/).count == 4)
    #expect(html.matches(of: /check (passed|failed)/).count >= 6)
    #expect(html.contains("The classes are unequal") && html.contains("One validation image is also a training image"))
    #expect(html.contains("Few validation images of 3 classes"))
  }

  @Test func namesStayText() throws {
    let html = try Self.trained.get().html
    #expect(!html.contains("<script") && !html.contains("<b onmouseover"))
    #expect(html.contains("&lt;b onmouseover=&#39;x&#39;&gt;&quot;&amp;"))
    #expect(html.contains("val/dog/&quot;&gt;&lt;script&gt;alert(1)&lt;.png"))
  }

  @Test func itIsOneFileThatLoadsNothing() throws {
    let html = try Self.trained.get().html
    #expect(html.contains("default-src 'none'") && html.utf8.count < 1_000_000)
    for reference in html.matches(of: /(?:src|href)="([^"]*)"/) {
      #expect(reference.1.hasPrefix("#") || reference.1.hasPrefix("data:image/"), "\(reference.1.prefix(80))")
    }
    #expect(!html.contains("url(") && !html.contains("@import"))
  }

  @Test func linksLeadSomewhereAndNothingHasTwoNames() throws {
    let html = try Self.trained.get().html
    let ids = html.matches(of: /\sid="([^"]*)"/).map { String($0.1) }
    #expect(Set(ids).count == ids.count)
    let links = html.matches(of: /href="#([^"]*)"/).map { String($0.1) }
    #expect(links.count > 40 && links.allSatisfy { ids.contains($0) })
    for labelled in html.matches(of: /aria-labelledby="([^"]*)"/) { #expect(ids.contains(String(labelled.1))) }
  }

  @Test func itReadsWellAloud() throws {
    let html = try Self.trained.get().html
    #expect(html.contains("<html lang=\"en\">") && html.matches(of: /<h1>/).count == 1)
    // No level of heading is skipped.
    let levels = html.matches(of: /<h([1-6])[ >]/).compactMap { Int($0.1) }
    #expect(zip(levels, levels.dropFirst()).allSatisfy { $1 <= $0 + 1 })
    #expect(html.matches(of: /<img [^>]*>/).allSatisfy { $0.0.contains(" alt=\"") && !$0.0.contains("alt=\"\"") })
    for drawing in html.matches(of: /<svg [^>]*>/) {
      #expect(drawing.0.contains("aria-label=\"") || drawing.0.contains("aria-hidden"))
    }
    for table in html.matches(of: /<table.*?<\/table>/.dotMatchesNewlines()) { #expect(table.0.contains("scope=\"")) }
  }

  /// Tags are closed in the order in which they were opened.
  @Test func theMarkupIsWellFormed() throws {
    let html = try Self.trained.get().html
    let style = try #require(html.range(of: "</style>"))
    var open: [Substring] = []
    for tag in html[style.upperBound...].matches(of: /<(\/?)([a-zA-Z0-9]+)((?:[^>"]|"[^"]*")*)>/) {
      if tag.1.isEmpty {
        if !tag.3.hasSuffix("/"), !["img", "br", "wbr", "meta"].contains(tag.2) { open.append(tag.2) }
      } else if tag.2 == "head" {
        #expect(open.isEmpty)
      } else if tag.2 == "html" {
        #expect(open.isEmpty)
      } else {
        #expect(open.popLast() == tag.2)
      }
    }
    #expect(open.isEmpty)
  }

  @Test func itsNumbersAreThoseOfAnEvaluation() throws {
    let trained = try Self.trained.get()
    let html = trained.html
    let pictures = try LabeledImages.openForEvaluation(
      trained.scratch.path + "/data", classNames: trained.classifier.description.classNames)
    let report = try trained.classifier.evaluate(pictures)
    func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
    #expect(report.images == 19 && html.contains("\(report.rightCount) of 19 right"))
    #expect(html.contains("<span class=\"value\">\(percent(report.accuracy))</span>"))
    let interval = report.accuracyInterval
    #expect(html.contains("\(percent(interval.lower)) – \(percent(interval.upper)) with 95 % confidence"))
    for (row, counts) in report.confusion.enumerated() {
      for (column, count) in counts.enumerated() {
        #expect(html.contains("<a href=\"#c\(row)-\(column)\"") == (count > 0))
        if count > 0 { #expect(html.firstMatch(of: try Regex("href=\"#c\(row)-\(column)\"[^>]*>\(count)<")) != nil) }
      }
    }
    for row in report.classes {
      #expect(
        html.contains("<td class=\"n\">\(percent(row.precision))</td><td class=\"n\">\(percent(row.recall))</td>"))
    }
    let losses = try EpochMetrics.read(from: trained.run)
    #expect(losses.count == 3)
    for epoch in losses { #expect(html.contains(String(format: "<td class=\"n\">%.4f</td>", epoch.trainLoss))) }
  }

  /// The model's file has the calibration, and what uses the file uses it.
  @Test func theModelIsCalibrated() throws {
    let trained = try Self.trained.get()
    let calibration = try #require(trained.classifier.description.calibration)
    #expect(calibration.examples == 19 && calibration.problem == nil)
    let picture = Scratch.picture(label: 1, index: 21)
    let plain = ImageClassifier(
      trained.classifier.model,
      {
        var description = trained.classifier.description
        description.calibration = nil
        return description
      }())
    let (soft, hard) = (try trained.classifier.predict(picture, top: 3), try plain.predict(picture, top: 3))
    #expect(soft.map(\.index) == hard.map(\.index))
    let ratio = { (rows: [ImageClassifier.Prediction]) in
      Foundation.log(Double(rows[0].probability / rows[1].probability))
    }
    #expect(abs(ratio(hard) / ratio(soft) - calibration.temperature) < 1e-3)
    #expect(message { _ = try plain.abstentionThreshold(from: "m") }.contains("never calibrated"))
  }

  /// Making it again changes nothing, and what cannot be reported is said in a line.
  @Test func itCanBeMadeAnew() throws {
    let trained = try Self.trained.get()
    let model = try Data(contentsOf: URL(filePath: trained.run.modelPath))
    var reporter = try RunReporter(trained.run)
    try reporter.write()
    #expect(try String(contentsOfFile: trained.run.reportPath, encoding: .utf8) == trained.html)
    #expect(try Data(contentsOf: URL(filePath: trained.run.modelPath)) == model)
    let text = message { _ = try RunReporter(RunFolder(trained.scratch.path + "/nothing")) }
    #expect(text.contains("there is no run here") && !text.contains("\n"))
  }
}

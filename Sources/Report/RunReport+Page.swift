import Inspect
import Training

extension RunReport {
  /// The report as one HTML page that needs nothing else: no network, no script.
  public func html() throws -> String {
    let sections = [
      warningsSection, dataSection, curvesSection, classesSection, confusionSection, mistakesSection,
      try attentionSection(), try layersSection(), neighborsSection, mapSection, calibrationSection,
      try augmentationSection(),
    ].compactMap { $0 }
    return try Page(
      title: "Report: \(title)", sections: sections, header: header, pictures: pictures.map(\.image), footer: footer
    ).html()
  }

  private var header: Markup {
    let interval = classification.accuracyInterval
    let right = "\(classification.rightCount.grouped) of \(classification.images.grouped) right"
    var tiles = [
      tile(
        "Accuracy", classification.accuracy.percent,
        "\(interval.lower.percent) – \(interval.upper.percent) with 95 % confidence", isMain: true),
      tile("Validation images", classification.images.grouped, right),
      tile("Loss", classification.loss.rounded(digits: 3), "mean cross-entropy"),
    ]
    if classNames.count > 5 {
      tiles.append(tile("Among the first five", classification.top5.percent, "top-5 accuracy"))
    }
    let before = calibration.before.expectedError.percent
    tiles.append(
      tile("Calibration error", calibration.after.expectedError.percent, "\(before) before temperature scaling"))
    if let weakest = classification.classes.filter({ $0.support > 0 }).min(by: { $0.recall < $1.recall }) {
      tiles.append(tile("Weakest class", weakest.recall.percent, "of \(weakest.name) found"))
    }
    return """
      <p class="soft">ConvNet training report</p>
      <h1>\(title)</h1>
      <dl class="tiles">
      \(tiles)
      </dl>
      """
  }

  private func tile(_ name: String, _ value: String, _ note: String, isMain: Bool = false) -> Markup {
    """
    <div class="tile\(isMain ? " main" : "" as Markup)"><dt>\(name)</dt>
    <dd><span class="value">\(value)</span> <span class="note">\(note)</span></dd></div>
    """
  }

  private var footer: Markup {
    """
    <p>Intervals: Wilson, 1927. Temperature: Guo et al., 2017. Grad-CAM: Selvaraju et al., 2017. Randomisation check: \
    Adebayo et al., 2018. This file holds everything it shows and loads nothing.</p>
    """
  }

  // MARK: Parts that several sections use

  /// A picture of the store, with what it shows below.
  func figure(_ index: Int, note: Markup? = nil) -> Markup {
    "<figure>\(thumbnail(index))<figcaption>\(note ?? verdict(index))\(fileName(index))</figcaption></figure>"
  }

  /// Where a picture lies; long paths break between folders.
  func fileName(_ index: Int) -> Markup {
    let parts = pictures[index].name.split(separator: "/", omittingEmptySubsequences: false)
    return "<span class=\"file\">\(Markup(parts.map { "\(String($0))" }, separator: "/<wbr>"))</span>"
  }

  func thumbnail(_ index: Int) -> Markup {
    let image = pictures[index].image
    return """
      <svg class="pic" viewBox="0 0 \(image.width) \(image.height)" role="img" aria-label="\(description(index))">\
      <use href="#p\(index)"/></svg>
      """
  }

  /// `Coat taken for Shirt, 84.1 %, coats/17.png`.
  func description(_ index: Int) -> String {
    let picture = pictures[index]
    guard let answer = picture.answer else { return "\(classNames[picture.label]), training image \(picture.name)" }
    let said =
      answer.isRight
      ? "\(classNames[picture.label]), recognised"
      : "\(classNames[picture.label]) taken for \(classNames[answer.predicted])"
    return "\(said), \(answer.confidence.percent), \(picture.name)"
  }

  func verdict(_ index: Int) -> Markup {
    let picture = pictures[index]
    guard let answer = picture.answer else { return "\(classNames[picture.label])" }
    if answer.isRight { return "<span class=\"ok\">\(classNames[picture.label])</span> \(answer.confidence.percent)" }
    return """
      <span class="no">\(classNames[answer.predicted])</span> \(answer.confidence.percent)<br>is \
      \(classNames[picture.label])
      """
  }

  func gallery(_ indices: some Sequence<Int>) -> Markup {
    "<ul class=\"gallery\">\(indices.map { "<li>\(figure($0))</li>" as Markup })</ul>"
  }
}

import Inspect
import Training

extension RunReport {
  var mapSection: Page.Section? {
    guard map.count > 2 else { return nil }
    let (width, height, margin) = (900.0, 560.0, 16.0)
    let (xs, ys) = (map.map(\.x), map.map(\.y))
    let (left, bottom) = (xs.min() ?? 0, ys.min() ?? 0)
    let (spanX, spanY) = (max(1e-12, (xs.max() ?? 1) - left), max(1e-12, (ys.max() ?? 1) - bottom))
    let circles = map.map { point -> Markup in
      let x = margin + (point.x - left) / spanX * (width - 2 * margin)
      let y = height - margin - (point.y - bottom) / spanY * (height - 2 * margin)
      let isRight = point.label == point.predicted
      let title =
        isRight
        ? "\(classNames[point.label]): \(point.name)"
        : "\(classNames[point.label]) taken for \(classNames[point.predicted]): \(point.name)"
      let color = point.label % LineChart.colorCount
      return isRight
        ? "<circle class=\"s\(color)\" cx=\"\(x)\" cy=\"\(y)\" r=\"4\"><title>\(title)</title></circle>"
        : "<circle class=\"s\(color) miss\" cx=\"\(x)\" cy=\"\(y)\" r=\"5\"><title>\(title)</title></circle>"
    }
    let legend = classNames.prefix(2 * LineChart.colorCount).enumerated().map { index, name -> Markup in
      "<li><i style=\"background:var(--s\(index % LineChart.colorCount))\"></i>\(name)</li>"
    }
    let hint: Markup = classNames.count > LineChart.colorCount ? " Some classes share a colour." : ""
    return Page.Section(
      id: "map", name: "Map", title: "A map of the features",
      lead: """
        \(map.count.grouped) validation images, laid out by the two directions in which the features of the last layer \
        differ most (\(mapShares.x.percent) and \(mapShares.y.percent) of their variance). Rings are mistakes. Classes \
        that form islands are told apart easily.\(hint)
        """,
      body: """
        <svg class="chart plot" viewBox="0 0 \(Int(width)) \(Int(height))" role="img" \
        aria-label="Validation images on the plane of the two principal components, coloured by class">
        \(circles)
        </svg>
        <ul class="legend">\(legend)</ul>
        """)
  }

  var calibrationSection: Page.Section {
    let fitted = calibration.calibration
    let tendency =
      fitted.temperature > 1.05
      ? "It was too sure of itself." : fitted.temperature < 0.95 ? "It was too modest." : "It needed hardly any."
    let threshold: Markup =
      if let value = fitted.threshold, value > 0 {
        """
        Answers below <strong>\(value.percent)</strong> had better be \u{201C}unknown\u{201D}: the others, \
        \(calibration.coverage.percent) of the images, were right in \(calibration.answeredAccuracy.percent) \
        (the aim was \(fitted.targetPrecision.percent)).
        """
      } else if fitted.threshold != nil {
        "All answers together are right in \(calibration.answeredAccuracy.percent), so none needs to be withheld."
      } else {
        "No threshold makes \(fitted.targetPrecision.percent) of the answers right."
      }
    return Page.Section(
      id: "calibration", name: "Calibration", title: "Can its confidence be believed?",
      lead: """
        Of the answers given with 80 % confidence, 80 % should be right: bars should end at the dashed line. \
        The logits are divided by a temperature of \(fitted.temperature, digits: 2), which was fitted on the validation \
        images and is stored in the model. \(tendency)
        """,
      body: """
        <div class="two">
        <div><h3>Before: error \(calibration.before.expectedError.percent)</h3>\(diagram(calibration.before, "before"))</div>
        <div><h3>After: error \(calibration.after.expectedError.percent)</h3>\(diagram(calibration.after, "after"))</div>
        </div>
        <p>\(threshold) <code>convnet predict --abstain</code> uses this threshold.</p>
        <p class="soft">The picture and error on the right are honest about new images: each half of the validation \
        images was judged with the temperature of the other half.</p>
        """)
  }

  /// A reliability diagram; wider bars stand for more answers.
  private func diagram(_ reliability: Reliability, _ when: String) -> Markup {
    let (size, left, top) = (300.0, 46.0, 12.0)
    let most = Double(reliability.bins.map(\.count).max() ?? 1)
    let bars = reliability.bins.filter { $0.count > 0 }.map { bin -> Markup in
      let full = (bin.upper - bin.lower) * size - 2
      let width = max(3, full * (Double(bin.count) / max(1, most)).squareRoot())
      let x = left + (bin.lower + bin.upper) / 2 * size - width / 2
      let tip = "confidence \(bin.confidence.percent): \(bin.accuracy.percent) of \(bin.count) right"
      return """
        <rect class="bars" x="\(x)" y="\(top + (1 - bin.accuracy) * size)" width="\(width)" \
        height="\(max(1, bin.accuracy * size))" rx="2"><title>\(tip)</title></rect>
        """
    }
    let ticks = [0.0, 0.5, 1].map { value -> Markup in
      let y = top + (1 - value) * size
      let label = (value * 100).rounded(digits: 0) + " %"
      let anchor: Markup = value == 0 ? "start" : value == 1 ? "end" : "middle"
      return """
        <line class="axis" x1="\(left)" x2="\(left + size)" y1="\(y)" y2="\(y)"/>
        <text x="\(left - 8)" y="\(y + 4)" text-anchor="end">\(label)</text>
        <text x="\(left + value * size)" y="\(top + size + 20)" text-anchor="\(anchor)">\(label)</text>
        """
    }
    return """
      <svg class="chart plot square" viewBox="0 0 360 360" role="img" aria-label="Reliability diagram \
      \(when) calibration: accuracy over confidence">
      \(ticks)
      \(bars)
      <line class="ideal" x1="\(left)" y1="\(top + size)" x2="\(left + size)" y2="\(top)"/>
      <text x="\(left + size)" y="\(top + size + 40)" text-anchor="end">confidence</text>
      <text x="\(left + 6)" y="\(top + 14)">share right</text>
      </svg>
      """
  }
}

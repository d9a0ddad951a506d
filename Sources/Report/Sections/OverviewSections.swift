import Inspect
import Training

extension RunReport {
  var warningsSection: Page.Section {
    let warnings = warnings
    let rows = warnings.map { "<li><strong>\($0.title)</strong>\($0.advice)</li>" as Markup }
    return Page.Section(
      id: "warnings", name: "Warnings", title: "Before you believe it",
      lead: warnings.isEmpty
        ? "What commonly makes such numbers misleading was looked for."
        : "What makes these numbers less certain than they look.",
      body: warnings.isEmpty
        ? """
        <p class="fine">Nothing found: enough images of each class, classes of like size, no image on both sides of the \
        split, no class ignored.</p>
        """ : "<ul class=\"warnings\">\(rows)</ul>")
  }

  var dataSection: Page.Section {
    let rows = facts.map { "<tr><th scope=\"row\">\($0.name)</th><td>\($0.value)</td></tr>" as Markup }
    return Page.Section(
      id: "setup", name: "Setup", title: "What was trained on what", lead: "Enough to do it again.",
      body:
        "<div class=\"scroll\"><table class=\"facts\"><caption>Data, model and recipe of the run</caption><tbody>\(rows)</tbody></table></div>"
    )
  }

  var curvesSection: Page.Section? {
    guard !epochs.isEmpty else { return nil }
    func series(_ name: String, _ value: (Int) -> Double?) -> LineChart.Series {
      .init(name, epochs.indices.compactMap { index in value(index).map { (Double(epochs[index].epoch), $0) } })
    }
    let best = bestEpoch.map { (Double($0), "best epoch") }
    var loss = LineChart(
      title: "Loss by epoch, on training and validation images", xTitle: "epoch",
      series: [
        series("training loss") { epochs[$0].trainLoss }, series("validation loss") { epochs[$0].validationLoss },
      ])
    loss.range = 0...0
    loss.mark = best
    var accuracy = LineChart(
      title: "Accuracy on validation images by epoch", xTitle: "epoch",
      series: [series("validation accuracy") { epochs[$0].validationAccuracy }])
    accuracy.isShare = true
    accuracy.mark = best
    let rows = epochs.map { epoch -> Markup in
      let isBest: Markup = epoch.epoch == bestEpoch ? " (best)" : ""
      return """
        <tr><th scope="row">\(epoch.epoch)\(isBest)</th><td class="n">\(epoch.trainLoss, digits: 4)</td>\
        <td class="n">\(epoch.validationLoss ?? .nan, digits: 4)</td>\
        <td class="n">\((epoch.validationAccuracy ?? .nan).percent)</td>\
        <td class="n">\(epoch.seconds, digits: 1) s</td></tr>
        """
    }
    return Page.Section(
      id: "curves", name: "Curves", title: "Learning curves",
      lead: """
        A validation loss that turns up while the training loss still falls means learning by heart. The best epoch is \
        the one that was kept.
        """,
      body: """
        <div class="two"><div>\(loss.markup)</div><div>\(accuracy.markup)</div></div>
        <details><summary>The numbers</summary><div class="scroll"><table>
        <caption>Loss, accuracy and time of each epoch</caption>
        <thead><tr><th scope="col">Epoch</th><th scope="col" class="n">Training loss</th>\
        <th scope="col" class="n">Validation loss</th><th scope="col" class="n">Accuracy</th>\
        <th scope="col" class="n">Time</th></tr></thead>
        <tbody>\(rows)</tbody></table></div></details>
        """)
  }

  var classesSection: Page.Section {
    let rows = classification.classes.enumerated().map { index, row -> Markup in
      let found = classification.confusion[index][index]
      let interval = ProportionInterval(found, of: row.support)
      let bar: Markup = """
        <div class="bar" role="img" aria-label="recall \(row.recall.percent), between \(interval.lower.percent) and \
        \(interval.upper.percent)"><i style="width:\(row.recall * 100)%"></i>\
        <b style="left:\(interval.lower * 100)%;width:\(interval.width * 100)%"></b></div>
        """
      return """
        <tr><th scope="row">\(row.name)</th><td class="n">\(trainingCounts[index])</td><td class="n">\(row.support)</td>\
        <td class="n">\(row.precision.percent)</td><td class="n">\(row.recall.percent)</td><td>\(bar)</td>\
        <td class="n">\(row.f1, digits: 3)</td><td>\(mostTakenFor(index))</td></tr>
        """
    }
    return Page.Section(
      id: "classes", name: "Classes", title: "Class by class",
      lead: """
        Recall: of the images of a class, how many were recognised; the thin line is its 95 % interval. Precision: of \
        the images called so, how many are.
        """,
      body: """
        <div class="scroll"><table><caption>Precision and recall on \(classification.images.grouped) validation \
        images</caption>
        <thead><tr><th scope="col">Class</th><th scope="col" class="n">Trained on</th>\
        <th scope="col" class="n">Validated on</th><th scope="col" class="n">Precision</th>\
        <th scope="col" class="n">Recall</th><th scope="col">with interval</th><th scope="col" class="n">F1</th>\
        <th scope="col">Mostly taken for</th></tr></thead>
        <tbody>\(rows)</tbody></table></div>
        """)
  }

  private func mostTakenFor(_ index: Int) -> Markup {
    var wrong = classification.confusion[index]
    wrong[index] = 0
    guard let most = wrong.indices.max(by: { (wrong[$0], $1) < (wrong[$1], $0) }), wrong[most] > 0 else {
      return "<span class=\"soft\">–</span>"
    }
    return "\(classNames[most]) <span class=\"soft\">(\(wrong[most]))</span>"
  }
}

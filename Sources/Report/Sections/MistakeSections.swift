import Inspect

extension RunReport {
  /// More classes than this make no matrix that one could read.
  static let matrixLimit = 40

  /// A true class, the answers given, and how often.
  private struct Cell {
    var row: Int
    var column: Int
    var count: Int
    /// In ``RunReport/pictures``.
    var shown: [Int]
    var id: String { "c\(row)-\(column)" }
  }

  var confusionSection: Page.Section {
    var shown: [[Int]: [Int]] = [:]
    for (index, picture) in pictures.enumerated() {
      if let answer = picture.answer { shown[[picture.label, answer.predicted], default: []].append(index) }
    }
    var cells: [Cell] = []
    for (row, counts) in classification.confusion.enumerated() {
      for (column, count) in counts.enumerated() where count > 0 {
        cells.append(Cell(row: row, column: column, count: count, shown: shown[[row, column]] ?? []))
      }
    }
    let hasMatrix = classNames.count <= Self.matrixLimit
    if !hasMatrix { cells = cells.filter { $0.row != $0.column }.sorted { $0.count > $1.count }.prefix(60).map { $0 } }
    let galleries = cells.filter { !$0.shown.isEmpty }.map { cell -> Markup in
      let title: Markup =
        cell.row == cell.column
        ? "\(classNames[cell.row]), recognised: \(cell.count)"
        : "\(classNames[cell.row]) taken for \(classNames[cell.column]): \(cell.count)"
      let rest: Markup = cell.shown.count < cell.count ? "<p class=\"soft\">\(cell.shown.count) of them:</p>" : ""
      return """
        <div class="cell" id="\(cell.id)" tabindex="-1"><h3>\(title)</h3>\(rest)\(gallery(cell.shown))
        <p><a href="#confusion">Back to the matrix</a></p></div>
        """
    }
    return Page.Section(
      id: "confusion", name: "Confusions", title: "What was taken for what",
      lead: hasMatrix
        ? "Rows are what images show, columns what the network said. Follow a number to see its images."
        : "There are too many classes for a matrix; these are the most frequent confusions.",
      body: """
        <div class="scroll">\(hasMatrix ? matrix(cells) : list(cells))</div>
        <div class="cells"><p class="hint">Choose a number above to open its images here.</p>
        \(galleries)
        </div>
        """)
  }

  private func link(_ cell: Cell) -> Markup {
    let meaning =
      cell.row == cell.column
      ? "\(cell.count) \(classNames[cell.row]) recognised"
      : "\(cell.count) \(classNames[cell.row]) taken for \(classNames[cell.column])"
    if cell.shown.isEmpty { return "<span title=\"\(meaning)\">\(cell.count)</span>" }
    return "<a href=\"#\(cell.id)\" title=\"\(meaning)\" aria-label=\"\(meaning)\">\(cell.count)</a>"
  }

  private func matrix(_ cells: [Cell]) -> Markup {
    let known = Dictionary(cells.map { ([$0.row, $0.column], $0) }, uniquingKeysWith: { first, _ in first })
    let titles = classNames.map { "<th scope=\"col\"><span title=\"\($0)\">\($0)</span></th>" as Markup }
    let rows = classification.confusion.enumerated().map { row, counts -> Markup in
      let support = Double(max(1, classification.classes[row].support))
      let columns = counts.indices.map { column -> Markup in
        guard let cell = known[[row, column]] else { return "<td><span aria-label=\"0\">·</span></td>" }
        let share = Double(cell.count) / support
        // Mistakes are rare, so their colour grows faster.
        let strength = row == column ? 0.12 + 0.88 * share : 0.14 + 0.86 * min(1, 2.5 * share)
        let kind: Markup = row == column ? "right" : "wrong"
        let isStrong: Markup = strength > (row == column ? 0.78 : 0.9) ? " strong" : ""
        return "<td class=\"\(kind)\(isStrong)\" style=\"--v:\(strength, digits: 2)\">\(link(cell))</td>"
      }
      return "<tr><th scope=\"row\" title=\"\(classNames[row])\">\(classNames[row])</th>\(columns)</tr>"
    }
    return """
      <table class="matrix"><caption>Rows: what images show. Columns: what the network said.</caption>
      <thead><tr><td></td>\(titles)</tr></thead><tbody>\(rows)</tbody></table>
      """
  }

  private func list(_ cells: [Cell]) -> Markup {
    let rows = cells.map { cell -> Markup in
      """
      <tr><th scope="row">\(classNames[cell.row])</th><td>\(classNames[cell.column])</td><td class="n">\(link(cell))</td></tr>
      """
    }
    return """
      <table><caption>The most frequent confusions</caption><thead><tr><th scope="col">Shows</th>\
      <th scope="col">Taken for</th><th scope="col" class="n">Images</th></tr></thead><tbody>\(rows)</tbody></table>
      """
  }

  var mistakesSection: Page.Section {
    let shown = mistakes.prefix(24)
    return Page.Section(
      id: "mistakes", name: "Mistakes", title: "The surest mistakes",
      lead: """
        Wrong answers that the network was most certain of. Often the label is at fault, or the image shows several \
        things: it is worth opening these files.
        """,
      body: shown.isEmpty ? "<p class=\"fine\">Every validation image was recognised.</p>" : gallery(shown))
  }
}

import Inspect

/// A page with the curves and figures of several runs.
public struct ComparisonPage {
  public var charts: [LineChart]
  /// Titles of the table's columns and its rows; the first column names the run.
  public var columns: [String]
  public var rows: [[String]]
  /// What tests say of pairs of runs.
  public var sentences: [String]

  public init(charts: [LineChart], columns: [String], rows: [[String]], sentences: [String]) {
    (self.charts, self.columns, self.rows, self.sentences) = (charts, columns, rows, sentences)
  }

  /// One file that needs nothing else.
  public func html() throws -> String {
    let titles = columns.map { "<th scope=\"col\">\($0)</th>" as Markup }
    let body = rows.map { row -> Markup in
      let cells = row.enumerated().map { index, cell -> Markup in
        index == 0 ? "<th scope=\"row\">\(cell)</th>" : "<td>\(cell)</td>"
      }
      return "<tr>\(cells)</tr>"
    }
    let figures: Markup = """
      <div class="scroll"><table>
      <caption>Runs, each at its best epoch</caption>
      <thead><tr>\(titles)</tr></thead>
      <tbody>
      \(body)
      </tbody>
      </table></div>
      \(sentences.map { "<p>\($0)</p>" as Markup })
      """
    let curves = charts.map { "<figure><figcaption>\($0.title)</figcaption>\($0.markup)</figure>" as Markup }
    return try Page(
      title: "Runs compared",
      sections: [
        .init(
          id: "figures", name: "Figures", title: "Figures",
          lead:
            "The best epoch of each run on its validation images, and whether the differences are more than chance.",
          body: figures),
        .init(
          id: "curves", name: "Curves", title: "Curves",
          lead: "After each epoch. Epochs of a frozen network cost next to nothing.",
          body: "<div class=\"two\">\(curves)</div>"),
      ],
      header: "<h1>Runs compared</h1>", pictures: [], footer: ""
    ).html()
  }
}

import Formats
public import Inspect

/// How far each layer of a model sees: for one output element, the region of the input that it depends on.
public struct ReceptiveFieldTable: Sendable, CustomStringConvertible {
  public let name: String
  public let rows: [Summary.Row]

  /// - Parameter summary: of its rows the first with each receptive field is kept.
  public init(_ summary: Summary) {
    name = summary.name
    var kept: [Summary.Row] = []
    for row in summary.rows where row.receptiveField != nil {
      if !kept.contains(where: { $0.receptiveField == row.receptiveField }) { kept.append(row) }
    }
    rows = kept
  }

  public var description: String {
    var table = TextTable([
      ("layer", .left), ("operation", .left), ("output", .left), ("sees", .right), ("stride", .right),
      ("first from", .right),
    ])
    for row in rows {
      guard let field = row.receptiveField else { continue }
      let numbers = field.isGlobal ? ["all", "-", "-"] : [field.size, field.stride, field.start].map(Self.text)
      table.append([row.path, row.operation, "\(row.output)"] + numbers)
    }
    return """
      \(name): the input region that one output element depends on

      \(table.text)

      sees: extent of the region; stride: distance between the regions of neighbours; first from: where the region of
      the first element starts, negative inside the padding. Layers that change nothing are left out.
      """
  }

  private static func text(_ extents: [Int]) -> String {
    Set(extents).count == 1 ? "\(extents[0])" : extents.map(String.init).joined(separator: "x")
  }

  package var json: JSON {
    .array(
      rows.compactMap { row in
        row.receptiveField.map { field in
          [
            "layer": .string(row.path), "operation": .string(row.operation), "output": JSON(row.output.dimensions),
            "global": .bool(field.isGlobal), "size": field.isGlobal ? .null : JSON(field.size),
            "stride": field.isGlobal ? .null : JSON(field.stride), "start": field.isGlobal ? .null : JSON(field.start),
          ]
        }
      })
  }
}

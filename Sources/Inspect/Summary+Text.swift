import Formats

extension Summary: CustomStringConvertible {
  /// A table of the rows with the totals below, in plain text.
  public var description: String {
    var table = TextTable([
      ("layer", .left), ("operation", .left), ("output", .left), ("parameters", .right), ("MACs", .right),
      ("rec. field", .right), ("stride", .right),
    ])
    for row in rows {
      table.append([
        row.path, row.operation, "\(row.output)", Self.text(row.parameters), Self.text(row.multiplyAccumulates),
        row.receptiveField.map { $0.isGlobal ? "global" : Self.text($0.size) } ?? "-",
        row.receptiveField.map { $0.isGlobal ? "-" : Self.text($0.stride) } ?? "-",
      ])
    }
    return """
      \(name), input \(input), output \(output)

      \(table.text)

      parameters            \(parameters.grouped) (\(parameterByteCount.formattedByteCount) in float32)
      multiply-accumulates  \(multiplyAccumulates.grouped)
      activation memory     \(activationByteCount.formattedByteCount)
      """
  }

  private static func text(_ count: Int) -> String { count == 0 ? "-" : count.grouped }

  /// `7`, or `3x5` where axes differ.
  private static func text(_ extents: [Int]) -> String {
    Set(extents).count == 1 ? "\(extents[0])" : extents.map(String.init).joined(separator: "x")
  }
}

extension Summary {
  /// The document that `convnet summary --json` prints.
  ///
  /// Shapes are arrays without the batch axis. `receptive_field` and `stride` have one number for each spatial axis;
  /// where a row sees the whole input they are `"global"` and `null`.
  package var json: JSON {
    [
      "model": .string(name), "input": JSON(input.dimensions), "parameters": .integer(parameters),
      "macs": .integer(multiplyAccumulates), "output": JSON(output.dimensions),
      "parameter_bytes": .integer(parameterByteCount), "activation_bytes": .integer(activationByteCount),
      "layers": .array(rows.map(\.json)),
    ]
  }
}

extension Summary.Row {
  fileprivate var json: JSON {
    let field: JSON = receptiveField.map { $0.isGlobal ? "global" : JSON($0.size) } ?? .null
    let stride: JSON = receptiveField.map { $0.isGlobal ? .null : JSON($0.stride) } ?? .null
    return [
      "path": .string(path), "operation": .string(operation), "output": JSON(output.dimensions),
      "parameters": .integer(parameters), "macs": .integer(multiplyAccumulates), "receptive_field": field,
      "stride": stride,
    ]
  }
}

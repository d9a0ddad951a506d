extension NumberGrid {
  /// Classes rather than variables, which not every viewer of SVG knows.
  static let drawingStyle = """
    .paper { fill: #ffffff; } .cell { fill: #f3f5f9; stroke: #a9b2c3; }
    .pad { fill: none; stroke: #a9b2c3; stroke-dasharray: 3 3; }
    .mark { fill: #2f6fde; fill-opacity: .22; stroke: #2f6fde; stroke-width: 2; }
    .frame { fill: none; stroke: #2f6fde; stroke-width: 3; }
    .number { fill: #1d2433; } .faint { fill: #67718a; } .weight { fill: #1c4fae; }
    .number, .faint, .weight, .label { font-family: system-ui, "DejaVu Sans", sans-serif; } .label { fill: #4a5368; }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #14181f; } .cell { fill: #222936; stroke: #515c72; } .pad { stroke: #515c72; }
      .mark { fill: #6ea8ff; stroke: #6ea8ff; } .frame { stroke: #6ea8ff; } .number { fill: #e6e9ef; } .faint { fill: #99a3b8; }
      .weight { fill: #a9ccff; } .label { fill: #b4bccb; }
    }
    """
}

/// The largest difference, relative to the largest expected magnitude.
func difference(_ found: [Float], _ expected: [Float]) -> Float {
  guard found.count == expected.count else { return .infinity }
  let scale = max(1e-6, expected.map(abs).max() ?? 0)
  return zip(found, expected).reduce(0) { worst, pair in
    let difference = abs(pair.0 - pair.1) / scale
    return difference.isFinite ? max(worst, difference) : .infinity
  }
}

/// The text of the error that the body throws; empty where it throws none.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch { return "\(error)" }
}

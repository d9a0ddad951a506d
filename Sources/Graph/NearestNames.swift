/// The names that differ least from a wanted one, at most three, for messages about a missing one.
package func nearestNames(to wanted: String, among names: [String]) -> [String] {
  let limit = max(2, wanted.count / 2)
  let scored = names.prefix(10_000).map { name in
    (name: name, distance: abs(name.count - wanted.count) > limit ? Int.max : editDistance(wanted, name))
  }
  return scored.filter { $0.distance <= limit }.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
    .prefix(3).map(\.name)
}

/// The fewest insertions, deletions and substitutions of bytes that make one name the other (Levenshtein).
private func editDistance(_ left: String, _ right: String) -> Int {
  let right = Array(right.utf8)
  var row = Array(0...right.count)
  for (i, character) in left.utf8.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, other) in right.enumerated() {
      let substitution = diagonal + (character == other ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
    }
  }
  return row[right.count]
}

/// What can be wrong with data from outside the program. Each description is one line.
public enum DataError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file or folder cannot be read.
  case cannotRead(path: String, reason: String)
  /// The file is not what its name or header says.
  case malformed(path: String, reason: String)
  /// The folder lacks files of a data set; `found` says what it has instead.
  case missingFiles(path: String, expected: String, found: String)
  /// Two examples cannot be stacked.
  case unequalExamples(part: String, first: Int, firstKind: String, other: Int, otherKind: String)

  public var description: String {
    switch self {
    case .cannotRead(let path, let reason): "\(path): cannot be read: \(reason)"
    case .malformed(let path, let reason): "\(path): \(reason)"
    case .missingFiles(let path, let expected, let found): "\(path): expected \(expected), but found \(found)"
    case .unequalExamples(let part, let first, let firstKind, let other, let otherKind):
      "example \(other): its \(part) is \(otherKind), but that of example \(first) in the same batch is \(firstKind); "
        + "bring all examples to one shape and type, or use a batch size of 1"
    }
  }
}

/// Why something about a model cannot be shown, in one line.
public struct InspectError: Error, Hashable, Sendable, CustomStringConvertible {
  public var description: String
  init(_ description: String) { self.description = description }
}

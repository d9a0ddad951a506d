/// What is wrong with an experiment's input, in one line.
public struct LabError: Error, Hashable, Sendable, CustomStringConvertible {
  public var description: String
  init(_ description: String) { self.description = description }
}

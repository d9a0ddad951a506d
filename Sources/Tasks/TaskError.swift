/// What keeps a job from being done, in one line that says what to do.
public struct TaskError: Error, Hashable, Sendable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}

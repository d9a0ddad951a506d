/// Shapes that do not fit an operation: what came in, what was expected, and what would fit.
public struct ShapeError: Error, Hashable, Sendable, CustomStringConvertible {
  public var message: String
  /// The node or layer where it happened, if known.
  public var path: String?

  public init(message: String, path: String? = nil) {
    self.message = message
    self.path = path
  }

  public var description: String { path.map { "\($0): \(message)" } ?? message }
}

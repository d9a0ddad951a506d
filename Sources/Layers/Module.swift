@_exported public import Graph
@_exported public import Runtime

/// What a tensor of a model is for.
public enum ParameterKind: String, Codable, Sendable {
  /// Trained by gradient descent.
  case weight
  /// Trained, but no matrix: a bias, or the scale or shift of a norm. Optimizers may exempt it from weight decay.
  case vector
  /// Not trained, but part of the model: running statistics.
  case statistic

  public var isTrained: Bool { self != .statistic }
}

/// Called for each tensor of a module with its path and kind; may replace it.
public typealias ParameterVisitor = (_ path: String, _ kind: ParameterKind, _ tensor: inout Tensor) throws -> Void

/// A value that owns parameters: a layer, a model, or several models together.
///
/// The requirement is a visitor rather than a fixed set of properties, so that a model whose parameters are only known
/// at run time (read from a file) is a module like any other.
public protocol Module: Sendable {
  /// Visits each tensor in a fixed order. `path` is this module's own path, empty for the root.
  mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws
}

extension Module {
  /// Visits copies of all tensors.
  public func forEachParameter(_ body: (_ path: String, _ kind: ParameterKind, _ tensor: Tensor) throws -> Void)
    rethrows
  {
    var copy = self
    try withoutActuallyEscaping(body) { body in
      // The visitor throws only what the body throws.
      func run(_ work: () throws -> Void) rethrows { try work() }
      try run { try copy.visitParameters(at: "") { path, kind, tensor in try body(path, kind, tensor) } }
    }
  }

  /// All tensors by path, running statistics included.
  public var parameters: [(path: String, kind: ParameterKind, tensor: Tensor)] {
    var copy = self
    var list: [(path: String, kind: ParameterKind, tensor: Tensor)] = []
    do {
      try copy.visitParameters(at: "") { path, kind, tensor in list.append((path, kind, tensor)) }
    } catch {
      fail("visiting parameters failed: \(error)")
    }
    return list
  }

  /// The number of trained numbers.
  public var parameterCount: Int {
    parameters.reduce(0) { $0 + ($1.kind.isTrained ? $1.tensor.elementCount : 0) }
  }

  /// The module with every tensor replaced by what `transform` makes of it.
  public func mapParameters(_ transform: (_ path: String, _ kind: ParameterKind, _ tensor: Tensor) throws -> Tensor)
    throws -> Self
  {
    var copy = self
    try copy.visitParameters(at: "") { path, kind, tensor in tensor = try transform(path, kind, tensor) }
    return copy
  }
}

/// One row of a layer's key table: the checkpoint's name of a parameter or a sublayer, and where it is.
public struct Field<Root> {
  public let name: String
  fileprivate let visit: (inout Root, String, ParameterVisitor) throws -> Void

  public init(_ name: String, _ keyPath: WritableKeyPath<Root, Tensor>, kind: ParameterKind = .weight) {
    self.name = name
    visit = { root, path, visitor in try visitor(path, kind, &root[keyPath: keyPath]) }
  }

  public init(_ name: String, _ keyPath: WritableKeyPath<Root, Tensor?>, kind: ParameterKind = .vector) {
    self.name = name
    visit = { root, path, visitor in
      guard var tensor = root[keyPath: keyPath] else { return }
      try visitor(path, kind, &tensor)
      root[keyPath: keyPath] = tensor
    }
  }

  public init<Child: Module>(_ name: String, _ keyPath: WritableKeyPath<Root, Child>) {
    self.name = name
    visit = { root, path, visitor in try root[keyPath: keyPath].visitParameters(at: path, visitor) }
  }

  public init<Child: Module>(_ name: String, _ keyPath: WritableKeyPath<Root, Child?>) {
    self.name = name
    visit = { root, path, visitor in try root[keyPath: keyPath]?.visitParameters(at: path, visitor) }
  }

  /// Sublayers named by their index: `layer1.0`, `layer1.1`.
  public init<Child: Module>(_ name: String, _ keyPath: WritableKeyPath<Root, [Child]>) {
    self.name = name
    visit = { root, path, visitor in
      for index in root[keyPath: keyPath].indices {
        try root[keyPath: keyPath][index].visitParameters(at: "\(path).\(index)", visitor)
      }
    }
  }
}

/// A module from one tensor to one tensor.
///
/// `fields` is its key table, which is also the checkpoint's; a layer without parameters has none.
public protocol Layer: Module {
  static var fields: [Field<Self>] { get }
  func callAsFunction(_ x: Tensor) -> Tensor
  /// All outputs that a training loss judges, with the weights of their losses: the output with weight 1, unless a
  /// layer has auxiliary heads as well.
  func trainingOutputs(_ x: Tensor) -> [(output: Tensor, weight: Double)]
  /// The loss of one batch while training: that of the output and the weighted ones of auxiliary heads, unless a layer
  /// was published with a criterion of its own.
  ///
  /// - Parameter loss: of one output and the target.
  func trainingLoss(
    _ input: Tensor, _ target: Tensor, by loss: (_ output: Tensor, _ target: Tensor) throws -> Tensor
  ) rethrows -> Tensor
}

extension Layer {
  public static var fields: [Field<Self>] { [] }

  public func trainingOutputs(_ x: Tensor) -> [(output: Tensor, weight: Double)] { [(self(x), 1)] }

  public func trainingLoss(
    _ input: Tensor, _ target: Tensor, by loss: (_ output: Tensor, _ target: Tensor) throws -> Tensor
  ) rethrows -> Tensor {
    let outputs = trainingOutputs(input)
    var total = try loss(outputs[0].output, target)
    for head in outputs.dropFirst() { total = total + (try loss(head.output, target)) * head.weight }
    return total
  }

  public mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws {
    FieldCheck.check(self, fieldCount: Self.fields.count)
    for field in Self.fields {
      try field.visit(&self, path.isEmpty ? field.name : "\(path).\(field.name)", visit)
    }
  }
}

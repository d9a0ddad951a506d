/// A layer whose type is only known at run time, such as one from the model registry; it adds nothing to paths.
public struct AnyLayer: Layer {
  public var base: any Layer

  public init(_ base: any Layer) { self.base = base }

  public func callAsFunction(_ x: Tensor) -> Tensor { base(x) }
  public func trainingOutputs(_ x: Tensor) -> [(output: Tensor, weight: Double)] { base.trainingOutputs(x) }
  public func trainingLoss(
    _ input: Tensor, _ target: Tensor, by loss: (_ output: Tensor, _ target: Tensor) throws -> Tensor
  ) rethrows -> Tensor { try base.trainingLoss(input, target, by: loss) }

  public mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws {
    try base.visitParameters(at: path, visit)
  }
}

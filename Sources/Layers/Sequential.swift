/// Layers in a row; each is named by its position or by a name of its own.
public struct Sequential: Layer {
  private var entries: [(name: String, layer: any Layer)]

  public init(_ layers: [any Layer]) {
    entries = layers.enumerated().map { (String($0.offset), $0.element) }
  }

  public init(_ layers: any Layer...) { self.init(layers) }

  /// Layers with names, as torchvision has them in some models.
  public init(named layers: [(name: String, layer: any Layer)]) { entries = layers }

  public var layers: [any Layer] { entries.map(\.layer) }

  public func callAsFunction(_ x: Tensor) -> Tensor { entries.reduce(x) { $1.layer($0) } }

  public mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws {
    for index in entries.indices {
      let name = entries[index].name
      try entries[index].layer.visitParameters(at: path.isEmpty ? name : "\(path).\(name)", visit)
    }
  }
}

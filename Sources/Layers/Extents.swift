/// One number for each spatial axis; a single number means the same on every axis: `kernel: 3`, `kernel: [1, 7]`.
public struct Extents: Hashable, Sendable, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral {
  private enum Value: Hashable { case same(Int), each([Int]) }
  private let value: Value

  public init(_ extent: Int) { value = .same(extent) }
  public init(_ extents: [Int]) { value = .each(extents) }
  public init(integerLiteral extent: Int) { value = .same(extent) }
  public init(arrayLiteral extents: Int...) { value = .each(extents) }

  /// The numbers for a layer of the given rank.
  func resolved(rank: Int, _ what: String) -> [Int] {
    switch value {
    case .same(let extent): return .init(repeating: extent, count: rank)
    case .each(let extents):
      if extents.count != rank {
        fail("\(what) \(extents) has \(extents.count) numbers, but the layer has rank \(rank)")
      }
      return extents
    }
  }
}

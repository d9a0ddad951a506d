extension ShapeError {
  /// The error with the nearest spatial sizes of an input `[N, C, ...]` that would have fitted, if any near ones do.
  ///
  /// - Parameter fits: traces the model for an input.
  package func advising(for input: Shape, fits: (Shape) -> Bool) -> ShapeError {
    guard input.rank > 2 else { return self }
    let own = Array(input.spatial)
    var (smaller, larger): ([Int]?, [Int]?)
    for size in Self.sizes(near: own) {
      let (shrinks, grows) = (zip(size, own).allSatisfy(<=), zip(size, own).allSatisfy(>=))
      guard shrinks && smaller == nil || grows && larger == nil else { continue }
      guard fits(Shape(input.dimensions[..<2] + size)) else { continue }
      if shrinks { smaller = size } else { larger = size }
    }
    let names = [smaller, larger].compactMap { $0.map { $0.map(String.init).joined(separator: "x") } }
    if names.isEmpty { return self }
    return ShapeError(
      message: "\(message); of sizes near \(own.map(String.init).joined(separator: "x")), "
        + "\(names.joined(separator: " and ")) \(names.count == 1 ? "fits" : "fit")", path: path)
  }

  /// Sizes worth trying, nearest first: all axes a little shorter or longer, multiples of powers of two (what networks
  /// that halve and double need), and those that published networks take.
  private static func sizes(near own: [Int]) -> [[Int]] {
    var sizes: Set<[Int]> = []
    for distance in 1...32 {
      sizes.insert(own.map { $0 - distance })
      sizes.insert(own.map { $0 + distance })
    }
    for power in 1...6 {
      let unit = 1 << power
      sizes.insert(own.map { $0 / unit * unit })
      sizes.insert(own.map { ($0 + unit - 1) / unit * unit })
    }
    for side in [28, 32, 64, 128, 224, 227, 256, 299] { sizes.insert(own.map { _ in side }) }
    func distance(_ size: [Int]) -> Int { zip(size, own).reduce(0) { $0 + abs($1.0 - $1.1) } }
    return sizes.filter { $0 != own && $0.allSatisfy { $0 > 0 } }
      .sorted { (distance($0), $0.map(String.init).joined()) < (distance($1), $1.map(String.init).joined()) }
  }
}

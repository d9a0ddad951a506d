import Formats
import Inspect
import Layers
import Vision

/// A sentence that lectures say about convolutional networks, with an experiment of seconds that shows it.
public struct Claim: Sendable {
  public let name: String
  public let statement: String
  private let experiment: @Sendable () throws -> [Measurement]

  /// A number that the experiment found, and whether it is as the claim says; `nil` where it is only for comparison.
  public struct Measurement: Sendable {
    public var what: String
    public var value: String
    public var holds: Bool?
  }

  public struct Result: Sendable, CustomStringConvertible {
    public let name, statement: String
    public let measurements: [Measurement]
    /// Whether every number is as the claim says.
    public var holds: Bool { measurements.allSatisfy { $0.holds != false } }

    public var description: String {
      var table = TextTable([("measured", .left), ("result", .right), ("", .left)])
      for row in measurements {
        table.append([row.what, row.value, row.holds.map { $0 ? "as claimed" : "not as claimed" } ?? ""])
      }
      return "\(statement)\n\n\(table.text)"
    }

    package var json: JSON {
      [
        "name": .string(name), "statement": .string(statement), "holds": .bool(holds),
        "measurements": .array(
          measurements.map {
            ["what": .string($0.what), "value": .string($0.value), "holds": $0.holds.map { .bool($0) } ?? .null]
          }),
      ]
    }
  }

  public static let all = [equivariance, permutation, borders, stacking, tensors]

  /// - Throws: ``LabError`` if there is no such claim.
  public init(named name: String) throws(LabError) {
    guard let claim = Self.all.first(where: { $0.name == name }) else {
      throw LabError(
        "there is no claim named \(quoted(name)); the claims are: " + Self.all.map(\.name).joined(separator: ", "))
    }
    self = claim
  }

  private init(_ name: String, _ statement: String, _ experiment: @escaping @Sendable () throws -> [Measurement]) {
    (self.name, self.statement, self.experiment) = (name, statement, experiment)
  }

  public func run() throws -> Result {
    Result(name: name, statement: statement, measurements: try experiment())
  }
}

extension Claim {
  private static func noise(_ shape: Shape, seed: UInt64) -> Tensor {
    var random = RandomStream(seed: seed)
    return Tensor((0..<shape.elementCount).map { _ in random.uniform(-1..<1) }, shape: shape)
  }

  private static func largestDifference(_ a: Tensor, _ b: Tensor) -> Float { abs(a - b).max().item() }

  private static let equivariance = Claim(
    "equivariance",
    "A convolution is equivariant to translation, a global maximum after it invariant; neither is to rotation."
  ) {
    let layer = withSeed(1) { Conv2D(in: 1, out: 4, kernel: 3, bias: false) }
    // A figure on empty ground, and the same 5 down and 3 to the right.
    let figure = noise([1, 1, 8, 8], seed: 1)
    let x = figure.padded(before: [0, 0, 6, 6], after: [0, 0, 12, 12])
    let moved = figure.padded(before: [0, 0, 11, 9], after: [0, 0, 7, 9])
    let (a, b) = (layer(x), layer(moved))
    // The part of both maps that neither loses at its border.
    let first = a.sliced([0..<1, 0..<4, 0..<19, 0..<21])
    let second = b.sliced([0..<1, 0..<4, 5..<24, 3..<24])
    let shift = largestDifference(first, second)
    let pool = GlobalPool(.max)
    let pooled = largestDifference(pool(a), pool(b))
    // A quarter turn: exchange the axes and reverse one.
    func turned(_ x: Tensor) -> Tensor { x.transposed([0, 1, 3, 2]).flipped(along: [3]) }
    let rotated = layer(turned(x))
    let rotation = largestDifference(rotated, turned(a))
    let rotatedPool = largestDifference(pool(rotated), pool(a))
    let response = a.max().item(as: Float.self)
    return [
      Measurement(what: "largest response", value: response.short),
      Measurement(what: "shifted picture against shifted map", value: shift.short, holds: shift == 0),
      Measurement(what: "global maxima of the picture and the shifted one", value: pooled.short, holds: pooled == 0),
      Measurement(what: "turned picture against turned map", value: rotation.short, holds: rotation > 0.1 * response),
      Measurement(
        what: "global maxima of the picture and the turned one", value: rotatedPool.short, holds: rotatedPool > 0),
    ]
  }

  private static let permutation = Claim(
    "permutation",
    "Shuffling all pixels in one fixed way changes nothing for features of single pixels, as fully connected layers use, "
      + "but ruins those of neighbourhoods, as convolutions use."
  ) {
    let pictures = FigureClassification.circlesAndStars(count: 200, seed: 0)
    var random = RandomStream(seed: 1)
    let order = (0..<pictures[0].image.pixels.count).shuffled(using: &random)
    let shuffled = pictures.map { picture, label in
      let pixels = order.map { picture.pixels[$0] }
      return (image: Image(width: picture.width, height: picture.height, channels: 1, pixels: pixels), label: label)
    }
    let names = ["circle", "star"]
    let before = try FigureClassification(pictures, classNames: names).rows
    let after = try FigureClassification(shuffled, classNames: names).rows
    func percent(_ row: FigureClassification.Row) -> String { Float(100 * row.accuracy).short + " %" }
    return [
      Measurement(what: "\(before[0].name), pictures as they are", value: percent(before[0])),
      Measurement(
        what: "\(after[0].name), shuffled", value: percent(after[0]), holds: after[0].accuracy == before[0].accuracy),
      Measurement(what: "\(before[3].name), as they are", value: percent(before[3])),
      Measurement(
        what: "\(after[3].name), shuffled", value: percent(after[3]),
        holds: after[3].accuracy < before[3].accuracy - 0.1),
    ]
  }

  private static let borders = Claim(
    "borders", "Zero padding lets windows use the pixels at the border more often, but not as often as those inside."
  ) {
    func uses(padding: Int, _ row: Int, _ column: Int) -> Float {
      var layer = Conv2D(in: 1, out: 1, kernel: 3, padding: Extents(padding), bias: false)
      layer.weight = .ones([1, 1, 3, 3])
      var pixels = [Float](repeating: 0, count: 36)
      pixels[row * 6 + column] = 1
      // Each window that sees the pixel adds 1.
      return layer(Tensor(pixels, shape: [1, 1, 6, 6])).sum().item()
    }
    func row(_ what: String, _ count: Float, _ expected: Float) -> Measurement {
      Measurement(what: what, value: count.short, holds: count == expected)
    }
    return [
      row("windows over a corner of 6x6, kernel 3, no padding", uses(padding: 0, 0, 0), 1),
      row("windows over the corner, padding 1", uses(padding: 1, 0, 0), 4),
      row("windows over an edge, padding 1", uses(padding: 1, 0, 2), 6),
      row("windows over the middle, padding 1", uses(padding: 1, 2, 2), 9),
      row("windows over the corner, padding 2 (full)", uses(padding: 2, 0, 0), 9),
    ]
  }

  private static let stacking = Claim(
    "stacking", "Three layers of 3x3 see what one of 7x7 sees, with 27 instead of 49 weights for each pair of channels."
  ) {
    let channels = 32
    func layers(_ count: Int, kernel: Int) -> Sequential {
      Sequential(
        (0..<count).map { _ in Conv2D(in: channels, out: channels, kernel: Extents(kernel), bias: false) })
    }
    func sees(_ model: Sequential) throws -> Int {
      let summary = try Summary(of: model, input: [1, channels, 32, 32], name: "layers")
      return summary.rows.last?.receptiveField?.size.first ?? 0
    }
    let (small, large) = (layers(3, kernel: 3), layers(1, kernel: 7))
    let (a, b) = (try sees(small), try sees(large))
    return [
      Measurement(what: "receptive field of three 3x3", value: "\(a)", holds: a == 7),
      Measurement(what: "receptive field of one 7x7", value: "\(b)", holds: b == 7),
      Measurement(
        what: "weights of three 3x3, \(channels) channels", value: small.parameterCount.grouped,
        holds: small.parameterCount == 27 * channels * channels),
      Measurement(
        what: "weights of one 7x7", value: large.parameterCount.grouped,
        holds: large.parameterCount == 49 * channels * channels),
    ]
  }

  private static let tensors = Claim(
    "tensors",
    "A stack of pictures as one tensor gives what nested loops over pictures, places and taps give, and spares their time."
  ) {
    let (count, side) = (16, 64)
    let x = noise([count, 1, side, side], seed: 2)
    var layer = Conv2D(in: 1, out: 8, kernel: 3, bias: false)
    layer.weight = EdgeFeatures.kernels
    let clock = ContinuousClock()
    var whole = layer(x)
    // The second run no longer prepares anything.
    let fast = clock.measure { whole = layer(x) }
    let (pixels, weights): ([Float], [Float]) = (x.scalars(), layer.weight.scalars())
    let inner = side - 2
    var looped = [Float](repeating: 0, count: count * 8 * inner * inner)
    let slow = clock.measure {
      for picture in 0..<count {
        for kernel in 0..<8 {
          for row in 0..<inner {
            for column in 0..<inner {
              var sum: Float = 0
              for i in 0..<3 {
                for j in 0..<3 {
                  sum += pixels[(picture * side + row + i) * side + column + j] * weights[kernel * 9 + i * 3 + j]
                }
              }
              looped[((picture * 8 + kernel) * inner + row) * inner + column] = sum
            }
          }
        }
      }
    }
    let difference = largestDifference(whole, Tensor(looped, shape: whole.shape))
    func milliseconds(_ duration: Duration) -> String { Float(duration / .milliseconds(1)).short + " ms" }
    return [
      Measurement(what: "largest difference", value: difference.short, holds: difference < 1e-5),
      Measurement(what: "\(count) pictures of \(side)x\(side), nested loops", value: milliseconds(slow)),
      Measurement(what: "one tensor", value: milliseconds(fast)),
    ]
  }
}

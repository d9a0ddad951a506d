import Layers

/// Where in a picture a classifier found what speaks for a class.
public struct Attribution: Sendable {
  /// How it was found.
  public enum Method: String, CaseIterable, Codable, Sendable {
    /// The last feature maps, weighted by how much the class's score would grow with each, where the sum is positive
    /// (Selvaraju et al., "Grad-CAM", 2017).
    case gradCAM = "grad-cam"
    /// By how much the score falls when a patch is covered by the average colour (Zeiler and Fergus, 2014).
    case occlusion
    /// The gradient along the way from the average colour to the picture, times the way (Sundararajan et al.,
    /// "Axiomatic attribution for deep networks", 2017).
    case integratedGradients = "integrated-gradients"
    /// The size of the gradient of the score with respect to each pixel (Simonyan et al., 2014).
    case saliency
  }

  public var method: Method
  /// What was explained.
  public var classIndex: Int
  /// The class's score before softmax.
  public var score: Float
  /// The node whose feature maps Grad-CAM read.
  public var layer: String?
  public var map: HeatMap
  /// Grad-CAM's map before its negative part is cut off: what checks compare, since a random network's is often all
  /// negative.
  var uncut: HeatMap?
  /// By how much integrated gradients miss the change of the score that they should add up to, as a share of it.
  public var completenessGap: Double?
}

/// Numbers on a grid, row by row from the top.
public struct HeatMap: Hashable, Sendable {
  public let width: Int
  public let height: Int
  public let values: [Float]

  /// As many values as the grid has cells, else the program stops.
  public init(width: Int, height: Int, values: [Float]) {
    if width < 1 || height < 1 || values.count != width * height {
      fail("a heat map of \(width)x\(height) can't be made of \(values.count) values")
    }
    (self.width, self.height, self.values) = (width, height, values)
  }

  /// The map at another size, linearly between the centres of its cells (PyTorch's `align_corners=False`).
  public func resized(width: Int, height: Int) -> HeatMap {
    if (width, height) == (self.width, self.height) { return self }
    let tensor = Tensor(values, shape: [1, 1, self.height, self.width])
    let resized = Resize(to: [height, width])(tensor)
    return HeatMap(width: width, height: height, values: resized.scalars())
  }

  /// Whether all cells are the same: the map points nowhere.
  public var isFlat: Bool { values.allSatisfy { $0 == values[0] } }

  /// Spearman's rank correlation of the magnitudes of two maps of one size; `nil` where one of them is flat.
  public func rankCorrelation(with other: HeatMap) -> Double? {
    if (width, height) != (other.width, other.height) { fail("maps of two sizes have no correlation") }
    let (a, b) = (Self.ranks(values), Self.ranks(other.values))
    let middle = Double(values.count - 1) / 2
    var (product, squaresA, squaresB) = (0.0, 0.0, 0.0)
    for (x, y) in zip(a, b) {
      product += (x - middle) * (y - middle)
      squaresA += (x - middle) * (x - middle)
      squaresB += (y - middle) * (y - middle)
    }
    return squaresA > 0 && squaresB > 0 ? product / (squaresA * squaresB).squareRoot() : nil
  }

  /// Ranks of magnitudes, from 0; equal ones share the mean of theirs.
  private static func ranks(_ values: [Float]) -> [Double] {
    let magnitudes = values.map { $0.isNaN ? 0 : abs($0) }
    let order = magnitudes.indices.sorted { (magnitudes[$0], $0) < (magnitudes[$1], $1) }
    var ranks = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
      var end = start
      while end + 1 < order.count, magnitudes[order[end + 1]] == magnitudes[order[start]] { end += 1 }
      for position in start...end { ranks[order[position]] = Double(start + end) / 2 }
      start = end + 1
    }
    return ranks
  }
}

/// Whether a map depends on what the network has learned, or would look the same for a network that has forgotten it
/// (Adebayo et al., "Sanity checks for saliency maps", 2018).
public struct RandomizationCheck: Codable, Hashable, Sendable {
  /// The mean magnitude of the rank correlation between the map and those of networks whose upper layers have random
  /// weights; `nil` if the map is flat, or those of all random networks are.
  public var rankCorrelation: Double?
  /// How many random networks were compared.
  public var draws: Int
  /// How many of the last layers were made random.
  public var layers: Int

  enum CodingKeys: String, CodingKey {
    case draws, layers, passes
    case rankCorrelation = "rank_correlation"
  }

  /// The paper sets no limit; half is where two maps stop looking unrelated.
  public static let limit = 0.5

  /// What could not be compared does not pass: a flat map shows nothing that could be learned.
  public var passes: Bool { rankCorrelation.map { $0 < Self.limit } ?? false }

  init(rankCorrelation: Double?, draws: Int, layers: Int) {
    (self.rankCorrelation, self.draws, self.layers) = (rankCorrelation, draws, layers)
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    rankCorrelation = try values.decodeIfPresent(Double.self, forKey: .rankCorrelation)
    draws = try values.decode(Int.self, forKey: .draws)
    layers = try values.decode(Int.self, forKey: .layers)
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encodeIfPresent(rankCorrelation, forKey: .rankCorrelation)
    try values.encode(draws, forKey: .draws)
    try values.encode(layers, forKey: .layers)
    try values.encode(passes, forKey: .passes)
  }
}

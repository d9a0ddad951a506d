import Layers

extension ONNXOperators {
  /// What detectors do with their boxes, and sampling at given places.
  static let detection: [String: ONNXOperator] = [
    "NonMaxSuppression": { [try $0.suppressedBoxes()] },
    "GridSample": { [try $0.gridSample()] },
  ]
}

extension ONNXCall {
  private static let comparisonLimit = 1 << 32

  /// For each image and class the boxes of the highest scores, without those that overlap a better one too much:
  /// rows of image, class, box.
  fileprivate func suppressedBoxes() throws -> Tensor {
    let (boxes, scores) = (try input(), try input(1))
    guard boxes.rank == 3, boxes.shape[2] == 4, scores.rank == 3, scores.shape[0] == boxes.shape[0],
      scores.shape[2] == boxes.shape[1]
    else { throw invalid("boxes \(boxes.shape) and scores \(scores.shape) do not match") }
    let most = try double(2) ?? 0
    let (overlapLimit, scoreLimit) = (try double(3) ?? 0, try double(4) ?? -.infinity)
    let isCentred = try integer("center_point_box", 0) != 0
    let (corners, numbers) = (try doubles(of: boxes), try doubles(of: scores))
    let count = boxes.shape[1]

    var rows: [Int64] = []
    for image in 0..<scores.shape[0] {
      let areas = (0..<count).map { Box(corners[(image * count + $0) * 4..<(image * count + $0 + 1) * 4], isCentred) }
      for category in 0..<scores.shape[1] {
        let own = numbers[
          (image * scores.shape[1] + category) * count..<(image * scores.shape[1] + category + 1) * count]
        let start = own.startIndex
        let order = (0..<count).filter { own[start + $0] > scoreLimit }
          .sorted { (own[start + $1], $0) < (own[start + $0], $1) }
        var kept: [Int] = []
        for (position, box) in order.enumerated() {
          // A file of few bytes can make millions of boxes that all have to be compared.
          if position * kept.count > Self.comparisonLimit { throw unsupported("\(order.count) boxes") }
          if Double(kept.count) >= most { break }
          if kept.allSatisfy({ areas[$0].overlap(areas[box]) <= overlapLimit }) { kept.append(box) }
        }
        rows += kept.flatMap { [Int64(image), Int64(category), Int64($0)] }
      }
    }
    return Tensor(rows, shape: [rows.count / 3, 3])
  }

  /// Samples `[N, C, H, W]` at the places `[N, H', W', 2]` of a grid from -1 to 1 (Jaderberg et al., 2015).
  fileprivate func gridSample() throws -> Tensor {
    let (x, grid) = (try input(), try input(1))
    guard x.rank == 4, grid.rank == 4, grid.shape[0] == x.shape[0], grid.shape[3] == 2, x.elementCount > 0 else {
      throw invalid("the grid \(grid.shape) does not fit \(x.shape)")
    }
    let (mode, padding) = (try string("mode", "bilinear"), try string("padding_mode", "zeros"))
    let alignsCorners = try integer("align_corners", 0) != 0
    guard ["bilinear", "linear", "nearest"].contains(mode) else { throw unsupported("the mode \(mode)") }
    let (source, places) = (try doubles(of: x), try doubles(of: grid))
    let (height, width, points) = (x.shape[2], x.shape[3], grid.shape[1] * grid.shape[2])
    let output = try checked([x.shape[0], x.shape[1], grid.shape[1], grid.shape[2]], isSlow: true)

    /// A position in elements; borders and reflections bring it back inside.
    func position(_ place: Double, _ extent: Int) -> Double {
      let last = Double(extent - 1)
      let raw = alignsCorners ? (place + 1) / 2 * last : ((place + 1) * Double(extent) - 1) / 2
      guard raw.magnitude < 0x1p40 else { return -2 }
      switch padding {
      case "border": return min(max(raw, 0), last)
      case "reflection":
        let (low, high) = alignsCorners ? (0, last) : (-0.5, last + 0.5)
        guard high > low else { return 0 }
        let period = 2 * (high - low)
        let rest = (raw - low).truncatingRemainder(dividingBy: period)
        let folded = rest < 0 ? rest + period : rest
        return min(max(low + (folded > high - low ? period - folded : folded), 0), last)
      default: return raw
      }
    }
    /// Positions of neighbours along an axis, with weights.
    func taps(_ position: Double) -> [(place: Int, weight: Double)] {
      if mode == "nearest" { return [(Int(position.rounded(.toNearestOrEven)), 1)] }
      let base = position.rounded(.down)
      return [(Int(base), 1 - (position - base)), (Int(base) + 1, position - base)]
    }
    var values = [Double](repeating: 0, count: output.elementCount)
    for image in 0..<x.shape[0] {
      for point in 0..<points {
        let pair = (image * points + point) * 2
        let columns = taps(position(places[pair], width)).filter { 0..<width ~= $0.place }
        let rows = taps(position(places[pair + 1], height)).filter { 0..<height ~= $0.place }
        for channel in 0..<x.shape[1] {
          let plane = (image * x.shape[1] + channel)
          for row in rows {
            for column in columns {
              values[plane * points + point] +=
                source[(plane * height + row.place) * width + column.place] * row.weight * column.weight
            }
          }
        }
      }
    }
    return .made(values, output, x.dtype)
  }
}

/// A rectangle given by two opposite corners, in any order, or by its centre and size.
private struct Box {
  var top, left, bottom, right: Double

  init(_ numbers: ArraySlice<Double>, _ isCentred: Bool) {
    let n = Array(numbers)
    if isCentred {
      (left, top, right, bottom) = (n[0] - n[2] / 2, n[1] - n[3] / 2, n[0] + n[2] / 2, n[1] + n[3] / 2)
    } else {
      (top, left, bottom, right) = (min(n[0], n[2]), min(n[1], n[3]), max(n[0], n[2]), max(n[1], n[3]))
    }
  }

  var area: Double { (bottom - top) * (right - left) }

  /// The area of the intersection over that of the union.
  func overlap(_ other: Box) -> Double {
    let height = max(0, min(bottom, other.bottom) - max(top, other.top))
    let width = max(0, min(right, other.right) - max(left, other.left))
    let union = area + other.area - height * width
    return union > 0 ? height * width / union : 0
  }
}

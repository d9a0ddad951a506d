import Formats
import Foundation
import Inspect
public import Layers
public import Vision

/// Hand-made features of a picture: how much of it brightens towards each of eight directions.
///
/// The picture, grey in 0...1, is correlated with the eight kernels of Prewitt's compass; negative responses become 0,
/// so that opposite edges do not cancel, and each map is summed, over the picture or over each patch of a grid.
public struct EdgeFeatures: Sendable {
  /// Degrees counter-clockwise from the right.
  public static let directions = [0, 45, 90, 135, 180, 225, 270, 315]

  static let names = zip(["→", "↗", "↑", "↖", "←", "↙", "↓", "↘"], directions).map { "\($0) \($1)°" }

  /// `[8, 1, 3, 3]`: the first finds what brightens to the right, each next one is turned by 45 degrees.
  public static let kernels: Tensor = {
    // The eight outer cells counter-clockwise from the right, and their numbers for direction 0.
    let ring = [(1, 2), (0, 2), (0, 1), (0, 0), (1, 0), (2, 0), (2, 1), (2, 2)]
    let weights: [Float] = [1, 1, 0, -1, -1, -1, 0, 1]
    var values = [Float](repeating: 0, count: 8 * 9)
    for direction in 0..<8 {
      for (index, cell) in ring.enumerated() {
        values[direction * 9 + cell.0 * 3 + cell.1] = weights[(index - direction + 8) % 8]
      }
    }
    return Tensor(values, shape: [8, 1, 3, 3])
  }()

  /// After ReLU, `[1, 8, height - 2, width - 2]`.
  public let responses: Tensor
  /// Of each direction, for the patches row after row.
  public let sums: [[Float]]
  /// Patches along each side.
  public let patches: Int
  let image: Image

  /// - Throws: ``LabError`` if the picture is smaller than 3x3 or than its patches.
  public init(_ image: Image, patches: Int = 1) throws(LabError) {
    let grey = image.grey()
    self.image = grey
    self.patches = patches
    guard grey.width >= 3, grey.height >= 3 else {
      throw LabError("the picture must be at least 3x3 pixels, but it is \(grey.width)x\(grey.height)")
    }
    guard patches >= 1, patches <= min(grey.width, grey.height) - 2 else {
      throw LabError("--patches must be from 1 to \(min(grey.width, grey.height) - 2), but it is \(patches)")
    }
    let x = Tensor(grey.pixels.map { Float($0) / 255 }, shape: [1, 1, grey.height, grey.width])
    let none = [0, 0]
    let attributes = ConvAttributes(stride: [1, 1], dilation: [1, 1], paddingBefore: none, paddingAfter: none)
    let responses = relu(apply(.conv(attributes), x, Self.kernels))
    self.responses = responses
    let (height, width) = (responses.shape[2], responses.shape[3])
    var sums = [[Float]](repeating: [], count: 8)
    for row in 0..<patches {
      for column in 0..<patches {
        let patch = responses.sliced([
          0..<1, 0..<8, row * height / patches..<(row + 1) * height / patches,
          column * width / patches..<(column + 1) * width / patches,
        ])
        for (direction, sum) in patch.sum(along: [0, 2, 3]).scalars(as: Float.self).enumerated() {
          sums[direction].append(sum)
        }
      }
    }
    self.sums = sums
  }

  /// The largest response of each direction in each patch, `[1, 8, extent, extent]`: convolution, ReLU, pooling.
  public func pooled(to extent: Int) -> Tensor { AdaptiveMaxPool2D(output: Extents(extent))(responses) }
}

extension EdgeFeatures: CustomStringConvertible {
  public var description: String {
    let names = Self.names
    func number(_ value: Float) -> String { String(format: "%.2f", value) }
    if patches == 1 {
      var table = TextTable([("brightens to", .left), ("sum", .right)])
      for (name, sum) in zip(names, sums) { table.append([name, number(sum[0])]) }
      return table.text
    }
    var table = TextTable([("patch", .left)] + names.map { ($0, .right) })
    for patch in 0..<patches * patches {
      table.append(["\(patch / patches),\(patch % patches)"] + sums.map { number($0[patch]) })
    }
    return "\(table.text)\n\nsums of what brightens to each direction; patch: row,column from the top left; "
      + "\(8 * patches * patches) features"
  }

  package var json: JSON {
    [
      "directions": JSON(Self.directions), "patches": .integer(patches),
      "features": .array(sums.map { .array($0.map { JSON($0) }) }),
    ]
  }
}

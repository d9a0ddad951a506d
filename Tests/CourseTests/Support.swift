import ConvNet
import Testing

// What the lectures write, in few words.

/// A picture of one channel.
func picture(_ rows: [[Float]]) -> Tensor { Tensor(rows.flatMap { $0 }, shape: [1, 1, rows.count, rows[0].count]) }

/// A series of one channel.
func series(_ values: [Float]) -> Tensor { Tensor(values, shape: [1, 1, values.count]) }

/// A convolution with one kernel of one channel, without bias.
func conv2D(_ kernel: [[Float]], stride: Extents = 1, padding: Extents = 0, dilation: Extents = 1) -> Conv2D {
  let extents = [kernel.count, kernel[0].count]
  var layer = Conv2D(
    in: 1, out: 1, kernel: Extents(extents), stride: stride, padding: padding, dilation: dilation, bias: false)
  layer.weight = picture(kernel)
  return layer
}

func conv1D(
  _ kernel: [Float], stride: Extents = 1, padding: Extents = 0, borders: Borders = .zeros, isFlipped: Bool = false
) -> Conv1D {
  var layer = Conv1D(
    in: 1, out: 1, kernel: Extents(kernel.count), stride: stride, padding: padding, bias: false, borders: borders,
    isFlipped: isFlipped)
  layer.weight = series(kernel)
  return layer
}

/// The rows of a picture of one channel.
func rows(_ x: Tensor) -> [[Float]] {
  let values: [Float] = x.scalars()
  let width = x.shape.dimensions.last ?? 1
  return stride(from: 0, to: values.count, by: width).map { Array(values[$0..<$0 + width]) }
}

func expectNear(_ a: [Float], _ b: [Float], _ tolerance: Float = 1e-5) {
  #expect(a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance * max(1, abs($1)) }, "\(a) and \(b)")
}

/// Numbers that look random and are the same on each run.
func noise(_ shape: Shape, seed: UInt64 = 0) -> Tensor {
  var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
  return Tensor(
    (0..<shape.elementCount).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 23) - 1
    }, shape: shape)
}

/// The picture of 0 to 8.
let nine: Tensor = picture([[0, 1, 2], [3, 4, 5], [6, 7, 8]])
let four: [[Float]] = [[0, 1], [2, 3]]
/// Lecture 004's picture and kernel.
let five: Tensor = picture([[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]])
let three: [[Float]] = [[0, 1, 2], [2, 2, 0], [0, 1, 2]]

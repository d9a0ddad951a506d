import CKernels

/// One phase of the input gradient of a strided convolution.
///
/// The input positions that are congruent modulo the stride all meet the same taps, and their gradient is an ordinary
/// convolution of dy, of stride 1, with those taps in reverse order; so nothing is multiplied by the zeros that a
/// dilated dy would hold. A convolution of stride 1 has one phase, with all taps.
struct ConvPhase {
  var depth: Axis
  var height: Axis
  var width: Axis

  struct Axis {
    /// Input positions first, first + stride, ...
    var first: Int
    var count: Int
    /// Taps lastTap, lastTap - tapStep, ..., in this order.
    var taps: Int
    var lastTap: Int
    var tapStep: Int
    /// The convolution over dy.
    var dilation: Int
    var padding: Int

    init(phase: Int, input: Int, kernel: Int, stride: Int, dilation: Int, padding: Int) {
      first = phase
      count = phase < input ? (input - 1 - phase) / stride + 1 : 0
      // Tap t meets input i when (i + padding - t * dilation) is a multiple of the stride.
      let divisor = gcd(stride, dilation)
      tapStep = stride / divisor
      self.dilation = dilation / divisor
      let firstTap = (0..<min(tapStep, kernel)).first { (phase + padding - $0 * dilation).isMultiple(of: stride) }
      guard let firstTap else {
        (taps, lastTap, self.padding) = (0, 0, 0)
        return
      }
      taps = (kernel - 1 - firstTap) / tapStep + 1
      lastTap = firstTap + (taps - 1) * tapStep
      // The output position at which the last tap meets the first input position.
      self.padding = -((phase + padding - lastTap * dilation) / stride)
    }
  }

  /// Phases of a geometry, `count(_:)` of them, the width's running fastest.
  init(_ index: Int, of g: ConvGeometry) {
    width = Axis(
      phase: index % g.stride.width, input: g.input.width, kernel: g.kernel.width, stride: g.stride.width,
      dilation: g.dilation.width, padding: g.paddingBefore.width)
    height = Axis(
      phase: index / g.stride.width % g.stride.height, input: g.input.height, kernel: g.kernel.height,
      stride: g.stride.height, dilation: g.dilation.height, padding: g.paddingBefore.height)
    depth = Axis(
      phase: index / g.stride.width / g.stride.height, input: g.input.depth, kernel: g.kernel.depth,
      stride: g.stride.depth, dilation: g.dilation.depth, padding: g.paddingBefore.depth)
  }

  static func count(_ g: ConvGeometry) -> Int { g.stride.count }

  var taps: SpatialExtents { SpatialExtents(depth.taps, height.taps, width.taps) }
  var positions: SpatialExtents { SpatialExtents(depth.count, height.count, width.count) }

  /// How the phase reads dy.
  func patches(_ g: ConvGeometry) -> ck_patches {
    ck_patches(
      input: g.output.ck, output: positions.ck, kernel: taps.ck, stride: SpatialExtents.one.ck,
      dilation: SpatialExtents(depth.dilation, height.dilation, width.dilation).ck,
      padding: SpatialExtents(depth.padding, height.padding, width.padding).ck, channels: g.groupOutChannels,
      pixel: g.outPixel)
  }

  /// Where the phase writes dx, from its first position on.
  func strides(_ g: ConvGeometry) -> ck_strides {
    var strides = ck_strides(extents: g.input, pixel: g.inPixel)
    strides.depth *= g.stride.depth
    strides.height *= g.stride.height
    strides.width *= g.stride.width
    return strides
  }

  /// Floats from the start of dx to the phase's first position.
  func offset(_ g: ConvGeometry) -> Int {
    ((depth.first * g.input.height + height.first) * g.input.width + width.first) * g.inPixel
  }

  /// The tap of the convolution, within its kernel, that is the `index`-th of the phase.
  func tap(_ index: Int, _ g: ConvGeometry) -> Int {
    let w = width.lastTap - index % taps.width * width.tapStep
    let h = height.lastTap - index / taps.width % taps.height * height.tapStep
    let d = depth.lastTap - index / taps.width / taps.height * depth.tapStep
    return (d * g.kernel.height + h) * g.kernel.width + w
  }
}

private func gcd(_ a: Int, _ b: Int) -> Int { b == 0 ? a : gcd(b, a % b) }

import Layers

/// Layers with names, for ``Sequential/init(named:)``.
typealias NamedLayers = [(name: String, layer: any Layer)]

/// `branch(x) + x`; adds nothing to paths.
struct Residual: Layer {
  var branch: Sequential

  func callAsFunction(_ x: Tensor) -> Tensor { branch(x) + x }

  mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws {
    try branch.visitParameters(at: path, visit)
  }
}

extension Sequential {
  /// Convolution, batch norm and, unless it is `nil`, an activation: torchvision's `Conv2dNormActivation`.
  static func convNorm(
    in inChannels: Int, out: Int, kernel: Int, stride: Int = 1, groups: Int = 1, activation: UnaryFunction? = .relu
  ) -> Sequential {
    let layers: [any Layer] = [
      Conv2D.resNet(in: inChannels, out: out, kernel: kernel, stride: stride, groups: groups), BatchNorm(out),
    ]
    return Sequential(layers + (activation.map { [Activation($0)] } ?? []))
  }
}

extension Conv2D {
  /// A convolution as residual networks have it: half padding, no bias, He initialisation.
  static func resNet(in inChannels: Int, out outChannels: Int, kernel: Int, stride: Int = 1, groups: Int = 1) -> Conv2D
  {
    Conv2D(
      in: inChannels, out: outChannels, kernel: Extents(kernel), stride: Extents(stride),
      padding: Extents(kernel / 2), groups: groups, bias: false, initializer: .normalFanOut)
  }
}

/// A number of channels scaled by a factor, as mobile networks do it: rounded to a multiple of 8, but by no more than a
/// tenth down.
func scaledChannels(_ channels: Int, by factor: Double) -> Int {
  let exact = Double(channels) * factor
  let rounded = max(8, Int(exact + 4) / 8 * 8)
  return Double(rounded) < 0.9 * exact ? rounded + 8 : rounded
}

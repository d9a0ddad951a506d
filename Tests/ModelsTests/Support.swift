import Foundation
import Layers
import Models
import Testing

/// The extents at which tests run each small architecture: small, but at least two elements everywhere.
func smallConfiguration(_ name: String) -> ModelConfiguration {
  let side = ["lenet": 20, "vgg_small": 16, "resnet20": 16, "resnet18": 64][name] ?? 64
  return ModelConfiguration(name: name, channels: 3, classes: 5, imageSize: [side, side + 4])
}

let modelNames = ModelRegistry.architectures.map(\.name)

/// Those that are small enough for tests at full width; the other families have a ``FamilySample``.
let smallModelNames = ["lenet", "vgg_small", "resnet20", "resnet18"]

func make(_ name: String, channels: Int, classes: Int, side: Int) throws -> AnyLayer {
  AnyLayer(
    try ModelRegistry.make(
      ModelConfiguration(name: name, channels: channels, classes: classes, imageSize: [side, side])))
}

/// Numbers as `Fixtures/make_fixtures.py` draws them.
func uniform(_ shape: Shape, stream: Int, _ range: Range<Float> = -1..<1) -> Tensor {
  var numbers = RandomStream(seed: 7, stream: UInt64(stream))
  return Tensor((0..<shape.elementCount).map { _ in numbers.uniform(range) }, shape: shape)
}

let inputStream = 1_000_005

/// A model with parameters and running statistics as `Fixtures/make_fixtures.py` draws them.
func filled(_ model: AnyLayer) throws -> AnyLayer {
  let order = model.parameters.map(\.path).sorted()
  return try model.mapParameters { path, _, tensor in
    let isMatrix = tensor.rank > 1
    let range: Range<Float> =
      if path.hasSuffix("running_var") || (path.hasSuffix("weight") && !isMatrix) {
        0.5..<1.5
      } else {
        path.hasSuffix("weight") ? -0.05..<0.05 : -0.1..<0.1
      }
    return uniform(tensor.shape, stream: order.firstIndex(of: path)!, range)
  }
}

/// The lines of a fixture, split at spaces.
func fixture(_ name: String) throws -> [[Substring]] {
  let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)")
  return try String(contentsOf: path, encoding: .utf8).split(separator: "\n").map { $0.split(separator: " ") }
}

/// The numbers that PyTorch computed for a model.
func pytorch(_ model: String, _ what: String) throws -> [Float] {
  let line = try #require(try fixture("logits.txt").first { $0[0] == model && $0[1] == what })
  return line.dropFirst(2).compactMap { Float($0) }
}

/// The largest difference, relative to the largest expected magnitude.
func difference(_ found: [Float], _ expected: [Float]) -> Float {
  guard found.count == expected.count else { return .infinity }
  let scale = max(1e-6, expected.map(abs).max() ?? 0)
  return zip(found, expected).reduce(0) { worst, pair in
    let difference = abs(pair.0 - pair.1) / scale
    return difference.isFinite ? max(worst, difference) : .infinity
  }
}

func difference(_ found: Tensor, _ expected: Tensor) -> Float {
  found.shape == expected.shape ? difference(found.scalars(), expected.scalars()) : .infinity
}

extension Tensor {
  var bits: [UInt32] { scalars(as: Float.self).map(\.bitPattern) }
}

import Layers
import Testing

/// Losses that are made of several operations, against PyTorch's values and gradients.
@Suite struct LossTests {
  private struct Prediction: Layer {
    var value: Tensor
    static var fields: [Field<Self>] { [.init("value", \.value)] }
    func callAsFunction(_ x: Tensor) -> Tensor { value }
  }

  private static let logits: [Float] = [-30, -1.5, 0, 0.25, 2, 40, -0.75, 1]
  private static let targets: [Float] = [0, 1, 0.5, 1, 1, 0, 0, 0.25]

  private func check(_ loss: (Tensor, Tensor) -> Tensor, _ value: Float, _ gradient: [Float]) throws {
    let target = Tensor(Self.targets, shape: [2, 4])
    let step = try Layers.gradient(at: Prediction(value: Tensor(Self.logits, shape: [2, 4]))) { loss($0.value, target) }
    #expect(abs(step.loss.item(as: Float.self) - value) <= 1e-6 * abs(value))
    let found = try #require(step.gradients["value"]).scalars(as: Float.self)
    for (a, b) in zip(found, gradient) { #expect(abs(a - b) <= 1e-7 * max(1, abs(b))) }
  }

  @Test func binaryCrossEntropy() throws {
    try check(
      binaryCrossEntropyWithLogits, 5.568445205688477,
      [
        1.1697029487307744e-14, -0.10219681262969971, 0, -0.054727934300899506, -0.014900371432304382, 0.125,
        0.04010266065597534, 0.06013232469558716,
      ])
  }

  @Test func squared() throws {
    try check(squaredError, 313.6484375, [-7.5, -0.625, -0.125, -0.1875, 0.25, 10, -0.1875, 0.1875])
  }

  @Test func absolute() throws {
    try check(absoluteError, 9.53125, [-0.125, -0.125, -0.125, -0.125, 0.125, 0.125, -0.125, 0.125])
  }

  @Test func smoothedWeightedCrossEntropy() throws {
    let logits = Tensor([1, 2, -1, 0.5, -0.5, 3] as [Float], shape: [2, 3])
    let step = try Layers.gradient(at: Prediction(value: logits)) {
      crossEntropy(
        $0.value, Tensor([2, 0] as [Int32]), classWeights: Tensor([1, 2, 0.5] as [Float]), labelSmoothing: 0.1)
    }
    #expect(abs(step.loss.item(as: Float.self) - 2.870640754699707) < 1e-6)
    let expected: [Float] = [
      0.0758097767829895, 0.22203414142131805, -0.29784390330314636, -0.5722030401229858, -0.026043439283967018,
      0.5982465147972107,
    ]
    for (a, b) in zip(step.gradients["value"]!.scalars(as: Float.self), expected) { #expect(abs(a - b) < 1e-6) }
  }

  /// Numbers of `Fixtures/make_soft_targets.py`.
  @Test func softTargets() throws {
    let logits = Tensor([-3, 1.5, 0, 0.25, 2, 4, -0.75, 1] as [Float], shape: [2, 4])
    let targets = Tensor([0.7, 0.3, 0, 0, 0, 0.25, 0.5, 0.25] as [Float], shape: [2, 4])
    func check(_ loss: @escaping (Tensor) -> Tensor, _ value: Float, _ gradient: [Float]) throws {
      let step = try Layers.gradient(at: Prediction(value: logits)) { loss($0.value) }
      #expect(abs(step.loss.item(as: Float.self) - value) < 1e-5)
      let found = try #require(step.gradients["value"]).scalars(as: Float.self)
      for (a, b) in zip(found, gradient) { #expect(abs(a - b) < 1e-6) }
    }
    try check(
      { crossEntropy($0, targets) }, 3.435659646987915,
      [
        -0.34634751081466675, 0.17878645658493042, 0.07336217910051346, 0.09419889748096466, 0.05668379366397858,
        0.293839693069458, -0.24637632071971893, -0.10414719581604004,
      ])
    try check(
      { crossEntropy($0, targets, classWeights: Tensor([1, 2, 0.5, 3] as [Float]), labelSmoothing: 0.1) },
      3.6573009490966797,
      [
        -0.3226330578327179, 0.14310798048973083, 0.09150511026382446, 0.08802004158496857, 0.07323423773050308,
        0.3834950625896454, -0.11326919496059418, -0.3434601426124573,
      ])
    // Certain targets are classes.
    let certain = Tensor([0, 0, 1, 0, 1, 0, 0, 0] as [Float], shape: [2, 4])
    let classes = crossEntropy(logits, Tensor([2, 0] as [Int32])).item(as: Float.self)
    #expect(abs(crossEntropy(logits, certain).item(as: Float.self) - classes) < 1e-6)
  }
}

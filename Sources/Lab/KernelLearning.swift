import Formats
import Foundation
import Layers

/// The course's first training: a kernel of 1x2 learns to find the edges of a white picture with a black band, by plain
/// gradient descent on the sum of squared differences (Zhang et al., "Dive into Deep Learning", section 7.2).
///
/// With `a = w0 - 1` and `b = w1 + 1` the loss is `6 (2 (a + b)^2 + a^2 + b^2)`. Each step multiplies the part along
/// `a + b` by `1 - 60 rate` and the part along `a - b` by `1 - 12 rate`, so it converges for rates below 1/30.
public struct KernelLearning: Sendable {
  public let learningRate: Double
  public let start: [Float]
  /// The loss of each step, before its update.
  public let losses: [Float]
  /// The kernel's two numbers before each step, and after the last.
  public let weights: [[Float]]
  public var weight: [Float] { weights[weights.count - 1] }

  /// What one step multiplies the error by, along `a + b` and along `a - b`.
  public var factors: [Double] { [1 - 60 * learningRate, 1 - 12 * learningRate] }
  public static let stabilityBound = 1.0 / 30

  /// The start of the course's own run, recovered from the losses it printed.
  public static let lectureStart: [Float] = [0.5123, -0.4467]

  /// - Throws: ``LabError`` unless the start has two finite numbers, the rate is positive and there is a step.
  public init(learningRate: Double = 0.03, steps: Int = 10, start: [Float] = lectureStart) throws {
    guard start.count == 2, start.allSatisfy(\.isFinite) else {
      throw LabError("the start must be two numbers, such as \"0.5 -0.4\"")
    }
    guard learningRate > 0, learningRate <= 1 else {
      throw LabError("the learning rate must be above 0 and at most 1, but it is \(learningRate)")
    }
    guard (1...100_000).contains(steps) else { throw LabError("the steps must be from 1 to 100,000, not \(steps)") }
    (self.learningRate, self.start) = (learningRate, start)

    let row: [Float] = [1, 1, 0, 0, 0, 0, 1, 1]
    let x = Tensor(Array(repeating: row, count: 6).flatMap { $0 }, shape: [1, 1, 6, 8])
    var model = Conv2D(in: 1, out: 1, kernel: [1, 2], bias: false)
    model.weight = Tensor([1, -1] as [Float], shape: [1, 1, 1, 2])
    let y = model(x)
    model.weight = Tensor(start, shape: [1, 1, 1, 2])
    var losses: [Float] = []
    var weights = [start]
    for _ in 0..<steps {
      let step = try gradient(at: model) { square($0(x) - y).sum() }
      losses.append(step.loss.item())
      guard let slope = step.gradients["weight"] else { throw LabError("the loss does not depend on the weight") }
      model.weight = model.weight - learningRate * slope
      weights.append(model.weight.scalars())
    }
    (self.losses, self.weights) = (losses, weights)
  }
}

extension KernelLearning: CustomStringConvertible {
  public var description: String {
    // Some ten lines, whatever the number of steps.
    let every = max(2, losses.count / 10 / 2 * 2)
    var lines = losses.indices.filter { ($0 + 1) % every == 0 || $0 == losses.count - 1 }.map {
      losses[$0] < 1e5
        ? String(format: "epoch %d, loss %.3f", $0 + 1, losses[$0])
        : String(format: "epoch %d, loss %.3g", $0 + 1, losses[$0])
    }
    lines.append(String(format: "weight [%.4f, %.4f], target [1, -1]", weight[0], weight[1]))
    lines.append("")
    lines.append(
      String(
        format: "each step multiplies the error by %.4g along w0 + w1 and by %.4g along w0 - w1", factors[0],
        factors[1]))
    lines.append(
      String(
        format: "it converges for learning rates below 1/30 = %.5f; this one is %g: ", Self.stabilityBound,
        learningRate) + verdict)
    return lines.joined(separator: "\n")
  }

  var verdict: String {
    let largest = factors.map(abs).max() ?? 0
    return largest < 0.999 ? "converges" : largest <= 1.001 ? "hardly moves" : "diverges"
  }

  package var json: JSON {
    [
      "learning_rate": JSON(learningRate), "start": .array(start.map { JSON($0) }),
      "losses": .array(losses.map { $0.isFinite ? JSON($0) : .null }),
      "weight": .array(weight.map { $0.isFinite ? JSON($0) : .null }),
      "factors": .array(factors.map { JSON($0) }), "stability_bound": JSON(Self.stabilityBound),
      "verdict": .string(verdict),
    ]
  }
}

import ConvNet
import Foundation
import Testing

/// Section 1.4 of the course's acceptance list: the kernel [1, -1] is learned.
@Suite struct LearningTests {
  /// As the lecture's code reads.
  @Test func l1() throws {
    var x = Tensor.ones([1, 1, 6, 8])
    x = x - Tensor.ones([1, 1, 6, 4]).padded(before: [0, 0, 0, 2], after: [0, 0, 0, 2])
    let y = conv2D([[1, -1]])(x)
    #expect(y.shape == [1, 1, 6, 7])

    var model = Conv2D(in: 1, out: 1, kernel: [1, 2], bias: false)
    model.weight = Tensor([0.5123, -0.4467] as [Float], shape: [1, 1, 1, 2])
    var printed: [String] = []
    for i in 0..<10 {
      let step = try gradient(at: model) { model in square(model(x) - y).sum() }
      model.weight = try model.weight - 0.03 * #require(step.gradients["weight"])
      if (i + 1) % 2 == 0 { printed.append(String(format: "%.3f", step.loss.item(as: Float.self))) }
    }
    #expect(printed == ["1.373", "0.240", "0.044", "0.009", "0.002"])
    #expect(model.weight.scalars(as: Float.self).map { String(format: "%.4f", $0) } == ["0.9975", "-0.9905"])
  }

  /// The closed form of the loss after each step.
  @Test func l2() throws {
    let learning = try KernelLearning(learningRate: 0.025, steps: 20)
    expectNear(learning.factors.map { Float($0) }, [-0.5, 0.7])
    var (s, d) = ((0.5123 - 1 + -0.4467 + 1) / 2.0.squareRoot(), (0.5123 - 1 - -0.4467 - 1) / 2.0.squareRoot())
    for loss in learning.losses {
      #expect(abs(Double(loss) - (30 * s * s + 6 * d * d)) < 1e-4)
      (s, d) = (s * learning.factors[0], d * learning.factors[1])
    }
  }

  /// Above 1/30 it diverges: 2.8e5 by iteration 196. A little below it hardly gets better.
  @Test func l3() throws {
    let diverging = try KernelLearning(learningRate: 0.034, steps: 200)
    #expect((2.7e5...2.9e5).contains(diverging.losses[195]))
    let stalling = try KernelLearning(learningRate: 0.0333, steps: 200)
    #expect(stalling.losses[199] > 0.02 && stalling.losses[199] < 0.04)
  }
}

import Graph
import Runtime
import Testing

/// What the comparison with PyTorch and the gradient check leave open about the reference backend.
@Suite struct ReferenceTests {
  private func run(_ operation: Operation, _ inputs: Tensor...) throws -> [Tensor] {
    try ReferenceBackend.apply(operation, inputs)
  }

  // MARK: Element types

  @Test func outputsTakeTheElementTypeOfTheInputs() throws {
    let x = [0.1, 0.2, 0.3]
    #expect(try run(.unary(.exp), Tensor(x))[0].dtype == .float64)
    #expect(try run(.unary(.exp), Tensor(x.map { Float($0) }))[0].dtype == .float32)
  }

  /// Keys and labels move bit by bit, also where `Double` cannot hold them.
  @Test func movementIsExact() throws {
    let x = Tensor([Int64.max, Int64.min, 1 << 53 + 1, -7], shape: [2, 2])
    #expect(try run(.transpose([1, 0]), x)[0].scalars() == [Int64.max, 1 << 53 + 1, Int64.min, -7])
    #expect(
      try run(.pad(before: [1, 0], after: [0, 0], value: 3), x)[0].scalars(as: Int64.self).prefix(3) == [3, 3, .max])
    let flags = Tensor([true, false, true])
    #expect(try run(.concatenate(axis: 0), flags, flags)[0].scalars() == [true, false, true, true, false, true])
    let payload = Float(bitPattern: 0x7FC1_2345)
    #expect(try run(.reshape([1]), Tensor(payload))[0].item(as: Float.self).bitPattern == payload.bitPattern)
  }

  @Test func casts() throws {
    let x = Tensor([Float(2.9), -2.9, 0, .nan, 1e30, -.infinity])
    #expect(try run(.cast(.int32), x)[0].scalars() == [2, -2, 0, 0, Int32.max, Int32.min])
    #expect(try run(.cast(.bool), x)[0].scalars() == [true, true, false, true, true, true])
    #expect(try run(.cast(.uint8), Tensor([Int32(300), -1]))[0].scalars() == [UInt8(44), 255])
    #expect(try run(.cast(.int64), Tensor([Int64.max]))[0].item() == Int64.max)
    #expect(try run(.cast(.float32), Tensor([UInt8(200)]))[0].item() == Float(200))
    #expect(try run(.fill(2.5, shape: [2], dtype: .float64))[0].scalars() == [2.5, 2.5])
  }

  // MARK: NaN and kinks

  @Test func notANumberIsNeverLost() throws {
    let x = Tensor([1, Float.nan, 3, 4, 5, 6], shape: [1, 1, 6])
    let attributes = PoolAttributes(
      kind: .max, kernel: [2], stride: [2], dilation: [1], paddingBefore: [0], paddingAfter: [0])
    let y = try run(.pool(attributes), x)[0].scalars(as: Float.self)
    #expect(y[0].isNaN && y[1] == 4 && y[2] == 6)
    let dy = Tensor([Float(1), 2, 3], shape: [1, 1, 3])
    #expect(
      try run(.poolGradient(attributes, input: [1, 1, 6]), dy, x)[0].scalars() == [Float(0), 1, 0, 2, 0, 3])
    for function in [UnaryFunction.relu, .relu6, .hardSwish, .hardSigmoid, .elu(alpha: 1), .leakyReLU(slope: 0.1)] {
      #expect(try run(.unary(function), Tensor(Float.nan))[0].item(as: Float.self).isNaN, "\(function.name)")
    }
    for reduction in [Reduction.maximum, .minimum] {
      #expect(try run(.reduce(reduction, axes: [2], keepsDimensions: false), x)[0].item(as: Float.self).isNaN)
    }
    for (a, b) in [(Float.nan, Float(1)), (1, .nan)] {
      #expect(try run(.binary(.maximum), Tensor(a), Tensor(b))[0].item(as: Float.self).isNaN)
      #expect(try run(.binary(.minimum), Tensor(a), Tensor(b))[0].item(as: Float.self).isNaN)
    }
  }

  /// `unaryGradient` also of functions whose gradient rule is composed of other operations.
  @Test(arguments: [
    UnaryFunction.exp, .log, .sqrt, .negate, .absolute, .square, .reciprocal, .sign, .affine(scale: 3, shift: 1),
  ])
  func derivatives(function: UnaryFunction) throws {
    let x = 0.7
    let step = 1e-6
    let ends = try run(.unary(function), Tensor([x - step, x + step]))[0].numbers
    let slope = try run(.unaryGradient(function), Tensor([2.0]), Tensor([x]))[0].item(as: Double.self)
    #expect(abs(slope - (ends[1] - ends[0]) / step) < 1e-8)
  }

  // MARK: Dropout

  /// The mask follows from the generator's published test vectors (Random123, kat_vectors: philox4x32 10).
  @Test func dropoutMask() throws {
    // Counter and key of zero give 6627e8d5 e169c58d bc57ac4c 9b00dbd8: 0.399, 0.881, 0.736, 0.605.
    let x = Tensor([1.0, 2, 3, 4])
    let zero = Tensor([Int64(0), 0])
    #expect(try run(.dropout(rate: 0.75, stream: 0), x, zero)[0].scalars() == [0.0, 8, 0, 0])
    #expect(try run(.dropout(rate: 0.5, stream: 0), x, zero)[0].scalars() == [0.0, 4, 6, 8])
    // Seed, step, stream and position all matter, the high halves too.
    let many = Tensor([Float](repeating: 1, count: 4096))
    func mask(seed: Int64, step: Int64, stream: Int) throws -> [Float] {
      try run(.dropout(rate: 0.25, stream: stream), many, Tensor([seed, step]))[0].scalars()
    }
    let base = try mask(seed: 1, step: 2, stream: 3)
    #expect(try mask(seed: 1, step: 2, stream: 3) == base)
    for other in [
      try mask(seed: 2, step: 2, stream: 3), try mask(seed: 1, step: 3, stream: 3),
      try mask(seed: 1, step: 2, stream: 4),
      try mask(seed: 1 + 1 << 40, step: 2, stream: 3), try mask(seed: 1, step: 2 + 1 << 40, stream: 3),
    ] {
      let agreement = zip(base, other).count { $0 == $1 }
      // Independent masks agree in 0.75^2 + 0.25^2 of the places.
      #expect((2400...2720).contains(agreement))
    }
    // The mean of 4096 draws with probability 0.75 deviates by 0.0068 on average.
    #expect(abs(Double(base.count { $0 != 0 }) / 4096 - 0.75) < 0.03)
    #expect(Set(base) == [0, 1 / Float(0.75)])
    #expect(base[..<2048] != base[2048...])
  }

  // MARK: Updates

  @Test func updatesStopAtNumbersThatAreNotFinite() throws {
    let gradient = Tensor([Float(3), 4])
    for (loss, gradient) in [(Float.nan, gradient), (.infinity, gradient), (1, Tensor([Float(1), .nan]))] {
      let clipped = try run(.clipFactor(maximumNorm: nil), Tensor(loss), gradient)
      #expect(clipped[0].item(as: Float.self).isNaN)
    }
    let fine = try run(.clipFactor(maximumNorm: nil), Tensor(Float(1)), gradient)
    #expect(fine[0].item() == Float(1))
    #expect(fine[1].item() == Float(5))

    let (p, v, m) = (Tensor([Float(1), 2]), Tensor([Float(5), 6]), Tensor([Float(7), 8]))
    let (stop, rate) = (Tensor(Float.nan), Tensor([Float(0.1), 1]))
    let sgd = try run(.sgd(SGDAttributes(momentum: 0.9, weightDecay: 0.1)), p, gradient, stop, rate, v)
    #expect(sgd.map { $0.scalars() } == [[Float(1), 2], [5, 6]])
    let adam = try run(.adam(AdamAttributes(weightDecay: 0.1)), p, gradient, stop, rate, v, m)
    #expect(adam.map { $0.scalars() } == [[Float(1), 2], [5, 6], [7, 8]])
  }

  /// PyTorch has no such SGD: `p - rate * decay * p - rate * factor * g`.
  @Test func decoupledDecay() throws {
    let attributes = SGDAttributes(weightDecay: 0.5, isDecoupled: true)
    let updated = try run(
      .sgd(attributes), Tensor([2.0]), Tensor([3.0]), Tensor(0.25), Tensor([0.1, 1.0]))[0].item(as: Double.self)
    #expect(abs(updated - (2 - 0.1 * 0.5 * 2 - 0.1 * 0.25 * 3)) < 1e-15)
  }

  // MARK: Errors

  @Test func errors() throws {
    func text(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return "no error"
    }
    let loss = Operation.crossEntropy(labelSmoothing: 0, isWeighted: false)
    let logits = Tensor([Float](repeating: 0, count: 6), shape: [2, 3])
    for label in [Int32(3), -1] {
      #expect(
        text { _ = try run(loss, logits, Tensor([0, label])) }
          == "cross_entropy: label 1 is \(label), but there are 3 classes")
    }
    #expect(text { _ = try run(.binary(.add), logits, Tensor([Float(1), 2])) } == "add: 2x3 and 2 do not broadcast")

    var graph = Graph()
    let x = graph.addInput("x", TensorType([2, 3]))
    _ = try graph.append(.unary(.relu), [x])
    #expect(text { _ = try ReferenceBackend.run(graph, inputs: [:]) } == "relu: value 0 of the graph was not given")
    #expect(
      text { _ = try ReferenceBackend.run(graph, inputs: [x: Tensor([1.0])]) }
        == "value 0 of the graph is 2x3, but got 1 float64")
  }
}

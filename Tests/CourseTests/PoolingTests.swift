import ConvNet
import Testing

/// Section 1.3 of the course's acceptance list: pooling.
@Suite struct PoolingTests {
  @Test func p1() { #expect(rows(MaxPool2D(kernel: 2, stride: 1)(nine)) == [[4, 5], [7, 8]]) }

  @Test func p2() { #expect(rows(AveragePool2D(kernel: 2, stride: 1)(nine)) == [[2, 3], [5, 6]]) }

  @Test func p3() {
    let x = picture([[12, 10, 3, 2], [8, 6, 1, 0], [4, 7, 5, 7], [4, 6, 6, 8]])
    #expect(rows(MaxPool2D(kernel: 2)(x)) == [[12, 3], [7, 8]])
  }

  @Test func p4() {
    #expect(rows(MaxPool2D(kernel: 3, stride: 2)(five)) == [[3, 3], [3, 3]])
    #expect(rows(MaxPool2D(kernel: 3, stride: 1)(five)) == [[3, 3, 3], [3, 3, 3], [3, 2, 3]])
  }

  @Test func p5() { #expect(MaxPool2D(kernel: 2)(.zeros([1, 1, 4, 4])).shape == [1, 1, 2, 2]) }

  @Test func p6() {
    expectNear(LpPool2D(kernel: 2, stride: 1)(nine).scalars(), [26, 46, 110, 154].map { Float($0).squareRoot() })
    // Of each channel by itself.
    let x = concatenate([nine, nine * 2])
    let y = LpPool2D(kernel: 3)(x)
    #expect(y.shape == [1, 2, 1, 1])
    expectNear(y.scalars(), [Float(204).squareRoot(), 2 * Float(204).squareRoot()])
  }

  /// "Any kind of aggregation will work", over windows that have nothing to do with the kernel's.
  @Test func p7() {
    #expect(rows(SumPool2D(kernel: 2, stride: 1)(nine)) == [[8, 12], [20, 24]])
    #expect(rows(MinPool2D(kernel: 2, stride: 1)(nine)) == [[0, 1], [3, 4]])
    expectNear(VariancePool2D(kernel: 2, stride: 1)(nine).scalars(), [2.5, 2.5, 2.5, 2.5])
    #expect(rows(AveragePool2D(kernel: 2, stride: 1)(nine)) == [[2, 3], [5, 6]])
    let x = picture([[12, 10, 3, 2], [8, 6, 1, 0], [4, 7, 5, 7], [4, 6, 6, 8]])
    #expect(rows(MinPool2D(kernel: 2)(x)) == [[6, 0], [4, 5]])
    #expect(rows(SumPool2D(kernel: 2)(x)) == [[36, 6], [21, 26]])
    expectNear(VariancePool2D(kernel: 2)(x).scalars(), [5, 1.25, 1.6875, 1.25])
    for kernel: Extents in [1, 2, 3] {
      for stride: Extents in [1, 2] {
        #expect(SumPool2D(kernel: kernel, stride: stride)(conv2D(three)(five)).shape.rank == 4)
      }
    }
  }

  /// Over separate feature maps: whichever of two detectors answers, so does the pooled map.
  @Test func p8() {
    var detectors = Conv2D(in: 1, out: 2, kernel: 2, bias: false)
    detectors.weight = Tensor([-1, 1, -1, 1, -1, -1, 1, 1] as [Float], shape: [2, 1, 2, 2])
    let upright = picture([[0, 1], [0, 1]])
    let lying = picture([[0, 0], [1, 1]])
    #expect(detectors(upright).scalars() == [2, 0] as [Float] && detectors(lying).scalars() == [0, 2] as [Float])
    #expect(maxout(detectors(upright), pieces: 2).scalars() == [2] as [Float])
    #expect(maxout(detectors(lying), pieces: 2).scalars() == [2] as [Float])
    #expect(maxout(.zeros([2, 6, 5, 4]), pieces: 3).shape == [2, 2, 5, 4])
  }

  @Test func p9() {
    let layer = MaxPool2D(kernel: 2)
    #expect(layer(.zeros([1, 7, 8, 6])).shape == [1, 7, 4, 3])
    #expect(layer.parameterCount == 0)
  }

  /// The same classifier on pictures of two sizes.
  @Test func p10() {
    let (conv, head) = withSeed(1) { (Conv2D(in: 1, out: 6, kernel: 3), Linear(in: 6, out: 4)) }
    for size in [9, 30] {
      #expect(head(GlobalAveragePool()(relu(conv(noise([2, 1, size, size]))))).shape == [2, 4])
    }
  }

  /// An edge that moves by a pixel inside its window gives the same pooled response.
  @Test func p11() {
    func edge(at column: Int) -> Tensor {
      picture(Array(repeating: (0..<9).map { $0 < column ? 0 : 1 }, count: 8))
    }
    let detector = conv2D([[-1, 1]])
    let pool = MaxPool2D(kernel: 2)
    #expect(rows(detector(edge(at: 3))) != rows(detector(edge(at: 4))))
    #expect(rows(pool(detector(edge(at: 3)))) == rows(pool(detector(edge(at: 4)))))
  }

  /// With `ceil_mode` and padding that counts, as in PyTorch.
  @Test func p12() {
    let x = picture((0..<4).map { row in (1...4).map { Float(4 * row + $0) } })
    let y = AveragePool2D(kernel: 3, stride: 2, padding: 1, roundsUp: true)(x)
    expectNear(y.scalars(), [14.0 / 9, 10.0 / 3, 2, 19.0 / 3, 11, 6, 4.5, 7.5, 4])
  }
}

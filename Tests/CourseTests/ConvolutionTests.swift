import ConvNet
import Testing

/// Section 1.1 of the course's acceptance list: convolution by numbers.
@Suite struct ConvolutionTests {
  @Test func c1() { #expect(rows(conv2D(four)(nine))[0][0] == 19) }

  @Test func c2() { #expect(rows(conv2D(four)(nine)) == [[19, 25], [37, 43]]) }

  @Test func c3() {
    #expect(
      rows(conv2D(four, padding: 1)(nine)) == [[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]])
  }

  @Test func c4() { #expect(rows(conv2D(four, stride: [3, 2], padding: 1)(nine)) == [[0, 8], [6, 8]]) }

  @Test func c5() {
    let x = Tensor((0..<9).map { Float($0) } + (1..<10).map { Float($0) }, shape: [1, 2, 3, 3])
    var layer = Conv2D(in: 2, out: 1, kernel: 2, bias: false)
    layer.weight = Tensor([0, 1, 2, 3, 1, 2, 3, 4] as [Float], shape: [1, 2, 2, 2])
    #expect(rows(layer(x)) == [[56, 72], [104, 120]])
  }

  /// A 1x1 convolution is a matrix product at each pixel.
  @Test func c6() {
    let x = noise([1, 3, 4, 5])
    let layer = withSeed(1) { Conv2D(in: 3, out: 2, kernel: 1, bias: false) }
    let y = layer(x)
    #expect(y.shape == [1, 2, 4, 5])
    let product = matmul(layer.weight.reshaped(to: [2, 3]), x.reshaped(to: [3, 20]))
    expectNear(y.scalars(), product.scalars())
  }

  @Test func c7() {
    let row: [Float] = [1, 1, 0, 0, 0, 0, 1, 1]
    let x = picture(Array(repeating: row, count: 6))
    let edges = conv2D([[1, -1]])
    #expect(rows(edges(x)) == Array(repeating: [0, 1, 0, 0, 0, -1, 0], count: 6))
    #expect(rows(edges(x.transposed([0, 1, 3, 2]))) == Array(repeating: Array(repeating: 0, count: 5), count: 8))
  }

  @Test func c8() { #expect(conv1D([-1, 1])(series([0, 1, 0, 1, 1])).scalars() == [1, -1, 1, 0] as [Float]) }

  @Test func c9() { #expect(conv1D([-1, 1])(series([0, 1, -1, 1, 1])).scalars() == [1, -2, 2, 0] as [Float]) }

  @Test func c10() {
    let filter = conv1D([0, 1])
    for first: Float in [0, 1, -7] {
      #expect(filter(series([first, 1, 0, 1, 0])).scalars() == [1, 0, 1, 0] as [Float])
    }
    let x: [Float] = [0, 1, 0, 1, 1, 0, 0]
    let shifted = [0] + x.dropLast()
    #expect(rows(filter(series(shifted)))[0].dropFirst() == rows(filter(series(x)))[0].dropLast())
  }

  @Test func c11() {
    let x = series([0, 1, 0, 1, 1])
    #expect(conv1D([-1, 1], padding: 1)(x).scalars() == [0, 1, -1, 1, 0, -1] as [Float])
    #expect(conv1D([-1, 1], stride: 2, padding: 1)(x).scalars() == [0, -1, 0] as [Float])
  }

  @Test func c12() { #expect(rows(conv2D(three)(five)) == [[12, 12, 17], [10, 17, 19], [9, 6, 14]]) }

  @Test func c13() { #expect(rows(conv2D(three, stride: 2)(five)) == [[12, 17], [9, 14]]) }

  @Test func c14() {
    #expect(rows(conv2D(three, stride: 2, padding: 1)(five)) == [[6, 17, 3], [8, 17, 13], [6, 4, 4]])
  }

  /// A convolution is a product with a matrix of shifted copies of the filter; that of the filter [1] is the identity.
  @Test func c15() {
    func matrix(_ filter: [Float], width: Int) -> Tensor {
      let steps = width - filter.count + 1
      return Tensor(
        (0..<steps).flatMap { n in (0..<width).map { filter.indices.contains($0 - n) ? filter[$0 - n] : 0 } },
        shape: [steps, width])
    }
    #expect(rows(matrix([1], width: 5)) == (0..<5).map { n in (0..<5).map { $0 == n ? 1 : 0 } })
    let x: [Float] = [0, 1, -1, 1, 1]
    for filter: [Float] in [[1], [-1, 1], [2, 0, 3]] {
      let product = matmul(matrix(filter, width: 5), Tensor(x, shape: [5, 1]))
      #expect(product.scalars() == conv1D(filter)(series(x)).scalars() as [Float])
    }
  }

  /// Signal processing's convolution flips the filter, and is commutative over infinite supports.
  @Test func c16() {
    func convolve(_ x: [Float], _ w: [Float]) -> [Float] {
      var y = [Float](repeating: 0, count: x.count + w.count - 1)
      for (n, a) in x.enumerated() { for (m, b) in w.enumerated() { y[n + m] += a * b } }
      return y
    }
    let (x, w): ([Float], [Float]) = ([1, 2, 0, -3, 4], [2, -1, 5])
    let correlated: [Float] = conv1D(w.reversed(), padding: 2)(series(x)).scalars()
    #expect(correlated == convolve(x, w))
    #expect(conv1D(w, padding: 2, isFlipped: true)(series(x)).scalars() == correlated)
    #expect(conv1D(x.reversed(), padding: 4)(series(w)).scalars() == correlated)
    // The networks' convention over finite supports is not commutative.
    #expect(conv1D(x, padding: 4)(series(w)).scalars() != conv1D(w, padding: 2)(series(x)).scalars() as [Float])
  }

  /// Several channels, one bias for each kernel, then the activation.
  @Test func c17() {
    let x = noise([1, 3, 6, 5])
    let layer = withSeed(2) { Conv2D(in: 3, out: 4, kernel: [3, 2]) }
    let (i, k): ([Float], [Float]) = (x.scalars(), layer.weight.scalars())
    let bias: [Float] = layer.bias?.scalars() ?? []
    var expected: [Float] = []
    for l in 0..<4 {
      for row in 0..<4 {
        for column in 0..<4 {
          var sum = bias[l]
          for c in 0..<3 {
            for m in 0..<3 {
              for n in 0..<2 { sum += i[(c * 6 + row + m) * 5 + column + n] * k[((l * 3 + c) * 3 + m) * 2 + n] }
            }
          }
          expected.append(max(0, sum))
        }
      }
    }
    expectNear(relu(layer(x)).scalars(), expected)
  }

  @Test func c18() {
    #expect(Conv1D(in: 2, out: 5, kernel: 3).weight.shape == [5, 2, 3])
    #expect(Conv2D(in: 2, out: 5, kernel: [3, 4]).weight.shape == [5, 2, 3, 4])
    #expect(Conv3D(in: 2, out: 5, kernel: [3, 4, 6]).weight.shape == [5, 2, 3, 4, 6])
    // A kernel as large as the input is the sum over all positions and inputs.
    let x = noise([1, 3, 2, 2])
    let layer = withSeed(3) { Conv2D(in: 3, out: 4, kernel: 2, bias: false) }
    let product = matmul(layer.weight.reshaped(to: [4, 12]), x.reshaped(to: [12, 1]))
    expectNear(layer(x).scalars(), product.scalars())
  }

  private let angle = conv2D([[0.1, 0.1, 0.9], [0.1, 0.9, 0.1], [0.9, 0.1, 0.1]])

  @Test func c19() {
    func score(_ x: [[Float]]) -> Float { angle(picture(x)).max().item() }
    expectNear([score([[0, 0, 1], [0, 1, 0], [1, 0, 0]])], [2.7])
    expectNear([score([[1, 0, 0], [0, 1, 0], [0, 0, 1]])], [1.1])
    // The kernel does not sum to 0, so white paper scores even more.
    expectNear([score([[1, 1, 1], [1, 1, 1], [1, 1, 1]])], [3.3])
  }

  @Test func c20() {
    let feature = picture([[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    for row in 0...7 {
      for column in 0...7 {
        let x = feature.padded(before: [0, 0, row, column], after: [0, 0, 7 - row, 7 - column])
        expectNear(angle(x).max().scalars(), [2.7])
      }
    }
  }

  /// A filter as deep as the input makes a matrix, k filters make k; a real 3-D convolution moves along depth too.
  @Test func c21() {
    #expect(Conv2D(in: 7, out: 1, kernel: 3)(noise([1, 7, 8, 8])).shape == [1, 1, 6, 6])
    #expect(Conv2D(in: 7, out: 5, kernel: 3)(noise([1, 7, 8, 8])).shape == [1, 5, 6, 6])
    #expect(Conv3D(in: 1, out: 5, kernel: 3)(noise([1, 1, 7, 8, 8])).shape == [1, 5, 5, 6, 6])
  }

  @Test func c22() { #expect(Conv2D(in: 1, out: 6, kernel: 5)(noise([1, 1, 28, 28])).shape == [1, 6, 24, 24]) }
}

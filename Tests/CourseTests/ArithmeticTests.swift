import ConvNet
import Testing

/// Section 1.2 of the course's acceptance list: sizes. Every number is the shape of a tensor that was computed.
@Suite struct ArithmeticTests {
  private func conv(_ size: Int, _ kernel: Int, _ stride: Int = 1, _ padding: Int = 0, dilation: Int = 1) -> Int {
    let layer = Conv1D(
      in: 1, out: 1, kernel: Extents(kernel), stride: Extents(stride), padding: Extents(padding),
      dilation: Extents(dilation))
    return layer(.zeros([1, 1, size])).shape[2]
  }

  private func pool(_ size: Int, _ kernel: Int, _ stride: Int) -> Int {
    MaxPool1D(kernel: Extents(kernel), stride: Extents(stride))(.zeros([1, 1, size])).shape[2]
  }

  @Test func a1() { #expect(conv(4, 2) == 3) }

  @Test func a2() { #expect(conv2D(four)(.zeros([1, 1, 4, 4])).shape == [1, 1, 3, 3]) }

  /// The padding of 2 in total is 1 on each side.
  @Test func a3() { #expect(conv(5, 3, 2, 1) == 3) }

  @Test(arguments: 1...11) func a4(kernel: Int) {
    // For even kernels the larger half goes behind.
    let x = Tensor.zeros([1, 1, 12]).padded(before: [0, 0, (kernel - 1) / 2], after: [0, 0, kernel / 2])
    #expect(Conv1D(in: 1, out: 1, kernel: Extents(kernel))(x).shape[2] == 12)
    if kernel % 2 == 1 { #expect(conv(12, kernel, 1, kernel / 2) == 12) }
  }

  @Test func a5() { for kernel in 1...7 { #expect(conv(7, kernel) == 7 - kernel + 1) } }

  @Test func a6() {
    #expect(conv(3, 2, 1, 1) == 4)
    for kernel in 1...6 { #expect(conv(9, kernel, 1, kernel - 1) == 9 + kernel - 1) }
  }

  @Test func a7() { #expect(conv(5, 3, 2, 1) == 3 && conv(6, 3, 2, 1) == 3) }

  @Test func a8() { #expect(pool(4, 2, 2) == 2 && pool(16, 2, 2) == 8) }

  @Test func a9() {
    for size in 3...20 { for stride in 1...4 { #expect(pool(size, 3, stride) == (size - 3) / stride + 1) } }
  }

  @Test func a10() { #expect(conv2D(three, stride: 2)(five).shape == [1, 1, 2, 2]) }

  @Test func a11() {
    let hidden = conv2D(three, stride: 2, padding: 1)(.zeros([1, 1, 256, 256]))
    #expect(hidden.shape == [1, 1, 128, 128])
    #expect(MaxPool2D(kernel: 4, stride: 1)(hidden).shape == [1, 1, 125, 125])
  }

  @Test func a12() {
    for l in 0...3 {
      let layer = Conv2D(in: 1, out: 1, kernel: [2 * l + 1, 2 * l + 3], padding: [l, l + 1])
      #expect(layer(.zeros([1, 1, 9, 11])).shape == [1, 1, 9, 11])
    }
  }

  /// What stands in the padding changes only the first and last M outputs.
  @Test func a13() {
    let (n, m) = (8, 3)
    let x: [Float] = [3, -1, 4, 1, -5, 9, 2, 6]
    let window = [Float](repeating: 1 / 7, count: 2 * m + 1)
    let paddings: [(Borders, [Float])] = [
      (.zeros, [0, 0, 0] + x + [0, 0, 0]), (.reflect, [1, 4, -1] + x + [2, 9, -5]),
      (.replicate, [3, 3, 3] + x + [6, 6, 6]), (.circular, [9, 2, 6] + x + [3, -1, 4]),
    ]
    let results: [[Float]] = paddings.map { borders, padded in
      #expect(padded.count == 14)
      let result: [Float] = conv1D(window, padding: Extents(m), borders: borders)(series(x)).scalars()
      // By hand, with the padding written out.
      expectNear(result, conv1D(window)(series(padded)).scalars())
      return result
    }
    for result in results {
      #expect(result.count == n && result[m..<n - m] == results[0][m..<n - m])
    }
    #expect(Set(results.map { $0[0] }).count == 4)
  }

  @Test func a14() { for half in 0...5 { #expect(conv(13, 2 * half + 1, 1, half) == 13) } }

  /// Only the stride makes maps smaller.
  @Test func a15() {
    let x = Tensor.zeros([1, 1, 9, 9])
    for kernel in [1, 3, 5] {
      let padding = Extents(kernel / 2)
      #expect(Conv2D(in: 1, out: 1, kernel: Extents(kernel), padding: padding)(x).shape == x.shape)
      #expect(MaxPool2D(kernel: Extents(kernel), stride: 1, padding: padding)(x).shape == x.shape)
    }
  }

  @Test func a16() {
    #expect(conv2D(three)(five).shape == [1, 1, 3, 3])
    #expect(conv2D(three, stride: 2)(five).shape == [1, 1, 2, 2])
    #expect(conv2D(three, stride: 2, padding: 1)(five).shape == [1, 1, 3, 3])
  }

  /// The general formulas of convolution and transposed convolution.
  @Test func a17() throws {
    for (size, kernel) in [(7, 3), (12, 2), (20, 4)] {
      for stride in 1...3 {
        for (padding, dilation) in [(0, 1), (1, 2), (2, 2), (0, 2)] {
          let expected = (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1
          #expect(conv(size, kernel, stride, padding, dilation: dilation) == expected)
          for extra in 0..<stride {
            let layer = ConvTransposed1D(
              in: 1, out: 1, kernel: Extents(kernel), stride: Extents(stride), padding: Extents(padding),
              outputPadding: Extents(extra), dilation: Extents(dilation))
            let output = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1
            #expect(layer(.zeros([1, 1, size])).shape[2] == output)
            let lab = try TransposedArithmetic(
              input: size, kernel: kernel, stride: stride, padding: padding, dilation: dilation, outputPadding: extra)
            #expect(lab.output == output)
            // Output padding chooses among the inputs that a convolution maps to one size.
            #expect(conv(output, kernel, stride, padding, dilation: dilation) == size)
          }
        }
      }
    }
  }

  /// The lab's table gives what the layers compute.
  @Test func conventions() throws {
    let sizes = try WindowArithmetic(input: 256, kernel: 3, stride: 2, padding: 1)
    #expect(sizes.rows.map(\.output) == [128, 128, 128, 129, 128, 128, 127, 129])
    #expect(sizes.rows.map(\.unused) == [1, 0, 1, 0, 0, 0, 1, 1])
    #expect(try WindowArithmetic(input: 5, kernel: 3, stride: 2, padding: 2).rows[1].output == 3)
    for input in [56, 57] {
      for answer in try WindowSearch(input: input, output: 27).answers {
        #expect(conv(input, answer[0].kernel, answer[0].stride, answer[0].padding) == 27)
      }
    }
  }

  /// Backwards: the second example's own answer is among those of two layers, and each of them is right.
  @Test func backwards() throws {
    let answers = try WindowSearch(convolutionAndPoolingFrom: 256, to: 125).answers
    #expect(
      answers.contains {
        ($0[0].kernel, $0[0].stride, $0[0].padding) == (3, 2, 1) && ($0[1].kernel, $0[1].stride) == (4, 1)
      })
    for answer in answers {
      let hidden = conv(256, answer[0].kernel, answer[0].stride, answer[0].padding)
      #expect(hidden == answer[0].output && pool(hidden, answer[1].kernel, answer[1].stride) == 125)
    }
  }
}

import ConvNet
import Testing

/// Section 1.11 of the course's acceptance list: claims that can be tried.
@Suite struct ClaimTests {
  @Test(arguments: Claim.all.map(\.name)) func claim(name: String) throws {
    let result = try Claim(named: name).run()
    #expect(result.holds && !result.measurements.isEmpty, "\(result)")
  }

  /// The terms of each window are checked against the layer by the window itself; here against PyTorch's rule that one
  /// window slides over all channels of its group.
  @Test func windows() throws {
    let input = try NumberGrid("0 1 2; 3 4 5; 6 7 8 | 1 2 3; 4 5 6; 7 8 9", name: "input")
    let kernel = try NumberGrid("0 1; 2 3 | 1 2; 3 4", name: "kernel")
    let window = try SlidingWindow(.convolution(.init(kernels: [kernel])), over: input)
    #expect(window.output.values == [56, 72, 104, 120])
    #expect(window.lines[0] == "(0×0 + 1×1 + 3×2 + 4×3) + (1×1 + 2×2 + 4×3 + 5×4) = 56")
    for borders in [Borders.zeros, .reflect, .replicate, .circular] {
      for isFlipped in [false, true] {
        for (stride, dilation) in [(1, 1), (2, 1), (1, 2), (3, 2)] {
          let convolution = SlidingWindow.Convolution(
            kernels: [kernel, kernel], bias: [1, -1], borders: borders, isFlipped: isFlipped)
          // Throws if a term does not fit the layer's result.
          let window = try SlidingWindow(
            .convolution(convolution), over: input,
            steps: .init(stride: [stride], padding: .amounts(before: [1, 2], after: [2, 0]), dilation: [dilation]))
          #expect(
            zip(window.output.values, window.output.values.suffix(window.output.values.count / 2)).allSatisfy {
              $0 - $1 == 2
            })
        }
      }
    }
  }
}

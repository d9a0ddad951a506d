import Layers

extension SlidingWindow {
  /// Where windows lie, in numbers for planes, rows and columns: an axis that a small input lacks has an extent of 1.
  struct Geometry: Sendable {
    static let extentLimit = 4096
    static let windowLimit = 1 << 18
    static let paddedLimit = 1 << 22

    /// A place of the input that a window covers, perhaps in the padding, and the weight that it meets there.
    struct Tap: Sendable {
      var channel: Int
      var place: [Int]
      var weight: (channel: Int, place: [Int])
    }

    var rank = 2
    var window = [1, 1, 1]
    var stride = [1, 1, 1]
    var dilation = [1, 1, 1]
    var before = [0, 0, 0]
    var after = [0, 0, 0]
    /// Of the input: a window covers those from ``firstChannel(for:)``.
    var channelsPerWindow = 1
    private var channelStep = 0
    private var outputsPerStep = 1
    private var isFlipped = false

    static let axes = ["planes", "rows", "columns"]

    /// How much a window covers along each axis.
    var covered: [Int] { (0..<3).map { dilation[$0] * (window[$0] - 1) + 1 } }

    init(_ kind: Kind, over input: NumberGrid, steps: Steps) throws(LabError) {
      switch kind {
      case .convolution(let convolution): try setKernels(convolution, input)
      case .pooling(let pooling):
        (channelStep, channelsPerWindow) = (1, 1)
        if pooling.function == .maxout {
          guard pooling.pieces >= 1, input.channels % pooling.pieces == 0 else {
            throw LabError(
              "maxout takes groups of \(pooling.pieces) channels, which do not divide the input's \(input.channels)")
          }
          guard steps == Steps() else {
            throw LabError("maxout looks at one place at a time; leave --stride, --padding and --dilation out")
          }
          (channelStep, channelsPerWindow) = (pooling.pieces, pooling.pieces)
        }
      }
      let given = if case .pooling(let pooling) = kind, pooling.function != .maxout { pooling.size } else { [1] }
      let amounts: (before: [Int], after: [Int]) =
        if case .amounts(let before, let after) = steps.padding { (before, after) } else { ([0], [0]) }
      let longest = [given, steps.stride, steps.dilation, amounts.before, amounts.after].map(\.count).max() ?? 1
      rank =
        input.planes > 1 || window[0] > 1 || longest > 2 ? 3 : input.rows > 1 || window[1] > 1 || longest > 1 ? 2 : 1
      if case .pooling(let pooling) = kind, pooling.function != .maxout {
        window = try spread(pooling.size, 1, "window")
      }
      stride = try spread(steps.stride, 1, "stride")
      dilation = try spread(steps.dilation, 1, "dilation")
      before = try spread(amounts.before, 0, "padding")
      after = try spread(amounts.after, 0, "padding")
      name(steps.padding, input)
      try check(kind, input)
    }

    private mutating func setKernels(_ convolution: Convolution, _ input: NumberGrid) throws(LabError) {
      let kernels = convolution.kernels
      guard let kernel = kernels.first else { throw LabError("there is no kernel") }
      if let other = kernels.first(where: { ($0.channels, $0.extents) != (kernel.channels, kernel.extents) }) {
        throw LabError(
          "the kernels must be of one size, but one is \(NumberGrid.text([kernel.channels] + kernel.extents)) and another "
            + "\(NumberGrid.text([other.channels] + other.extents)) (channels, planes, rows, columns)")
      }
      let groups = convolution.groups
      guard groups >= 1, input.channels % groups == 0, kernels.count % groups == 0 else {
        throw LabError(
          "\(input.channels) input channels and \(kernels.count) kernels do not divide into \(groups) groups")
      }
      guard kernel.channels == input.channels / groups else {
        throw LabError(
          groups == 1
            ? "the kernel has \(kernel.channels) channels, but the input has \(input.channels); they must be as many"
            : "with \(groups) groups each kernel needs \(input.channels / groups) of the input's \(input.channels) "
              + "channels, but it has \(kernel.channels)")
      }
      guard convolution.bias.isEmpty || convolution.bias.count == kernels.count else {
        throw LabError("\(kernels.count) kernels need as many biases, not \(convolution.bias.count)")
      }
      window = kernel.extents
      isFlipped = convolution.isFlipped
      channelsPerWindow = kernel.channels
      (channelStep, outputsPerStep) = (kernel.channels, kernels.count / groups)
    }

    /// One number for every axis there is, or one for each of the last axes.
    private func spread(_ numbers: [Int], _ least: Int, _ what: String) throws(LabError) -> [Int] {
      guard numbers.allSatisfy({ (least...Self.extentLimit).contains($0) }), (1...3).contains(numbers.count) else {
        throw LabError(
          "the \(what) must be from \(least) to \(Self.extentLimit), but it is \(NumberGrid.text(numbers))")
      }
      let missing = [Int](repeating: least, count: 3 - (numbers.count == 1 ? rank : numbers.count))
      return missing + (numbers.count == 1 ? [Int](repeating: numbers[0], count: rank) : numbers)
    }

    private mutating func name(_ padding: Steps.Padding, _ input: NumberGrid) {
      for axis in 3 - rank..<3 {
        switch padding {
        case .amounts: break
        case .full: (before[axis], after[axis]) = (covered[axis] - 1, covered[axis] - 1)
        case .same, .sameLower:
          let outputs = (input.extents[axis] + stride[axis] - 1) / stride[axis]
          let total = max(0, (outputs - 1) * stride[axis] + covered[axis] - input.extents[axis])
          let (less, more) = (total / 2, total - total / 2)
          (before[axis], after[axis]) = padding == .same ? (less, more) : (more, less)
        }
      }
    }

    private func check(_ kind: Kind, _ input: NumberGrid) throws(LabError) {
      var (count, padded) = (input.channels, input.channels)
      for axis in 0..<3 {
        let extent = input.extents[axis] + before[axis] + after[axis]
        guard covered[axis] <= extent else {
          throw LabError(
            "the window covers \(covered[axis]) \(Self.axes[axis]), but the input has only \(extent) with its "
              + "padding; use a smaller window or more padding")
        }
        // One more for a window that hangs over the end.
        count *= 1 + (extent - covered[axis]) / stride[axis]
        padded *= extent
        switch kind {
        case .pooling where max(before[axis], after[axis]) > window[axis] / 2:
          throw LabError(
            "pooling may pad by at most half its window, \(window[axis] / 2), but it is \(max(before[axis], after[axis]))"
          )
        case .convolution(let convolution):
          let most =
            convolution.borders == .reflect
            ? input.extents[axis] - 1 : convolution.borders == .circular ? input.extents[axis] : Int.max
          if max(before[axis], after[axis]) > most {
            throw LabError(
              "borders \(convolution.borders) can continue the input's \(input.extents[axis]) \(Self.axes[axis]) by "
                + "\(most) at most, but the padding is \(max(before[axis], after[axis]))")
          }
        default: break
        }
        guard count <= Self.windowLimit / window.reduce(1, *), padded <= Self.paddedLimit else {
          throw LabError("that is too much to write out; use fewer windows")
        }
      }
      if case .convolution(let convolution) = kind {
        guard count / input.channels * convolution.kernels.count <= Self.windowLimit / window.reduce(1, *) else {
          throw LabError("that is too much to write out; use fewer kernels")
        }
      }
    }

    /// The first input channel that windows of an output channel cover.
    func firstChannel(for output: Int) -> Int { output / outputsPerStep * channelStep }

    /// What the window at a place of the output covers, in the kernel's order.
    func taps(channel output: Int, place: [Int]) -> [Tap] {
      var taps: [Tap] = []
      for channel in 0..<channelsPerWindow {
        for plane in 0..<window[0] {
          for row in 0..<window[1] {
            for column in 0..<window[2] {
              let offset = [plane, row, column]
              let at = (0..<3).map { place[$0] * stride[$0] + offset[$0] * dilation[$0] - before[$0] }
              let weight = isFlipped ? (0..<3).map { window[$0] - 1 - offset[$0] } : offset
              taps.append(Tap(channel: firstChannel(for: output) + channel, place: at, weight: (channel, weight)))
            }
          }
        }
      }
      return taps
    }
  }
}

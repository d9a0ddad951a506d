internal import Graph

/// A pooling window over one channel: the input elements it covers, in scan order, and what its sum is divided by.
private struct PoolWindow {
  var inputs: [Int] = []
  var divisor = 0
}

extension ReferenceBackend {
  static func pool(_ attributes: PoolAttributes, _ x: ReferenceArray, output: Shape) -> ReferenceArray {
    let windows = windows(attributes, input: x.shape, output: output)
    let area = x.shape.spatial.reduce(1, *)
    var values: [Double] = []
    for channel in 0..<(x.shape[0] * x.shape[1]) {
      for window in windows {
        let start = channel * area
        switch attributes.kind {
        case .max:
          values.append(winner(window, x, start).map { x.values[$0] } ?? -.infinity)
        case .average:
          let sum = window.inputs.reduce(0) { $0 + x.values[start + $1] }
          values.append(window.inputs.isEmpty ? 0 : sum / Double(window.divisor))
        }
      }
    }
    return ReferenceArray(output, values)
  }

  /// Where each maximum is within its own feature map.
  static func maxPoolIndices(_ attributes: PoolAttributes, _ x: ReferenceArray, output: Shape) -> ReferenceArray {
    let windows = windows(attributes, input: x.shape, output: output)
    let area = x.shape.spatial.reduce(1, *)
    var values: [Double] = []
    for channel in 0..<(x.shape[0] * x.shape[1]) {
      for window in windows {
        values.append(winner(window, x, channel * area).map { Double($0 - channel * area) } ?? -1)
      }
    }
    return ReferenceArray(output, values)
  }

  /// - Parameter x: the input, which maximum pooling needs.
  static func poolGradient(_ attributes: PoolAttributes, dy: ReferenceArray, x: ReferenceArray?, input: Shape)
    -> ReferenceArray
  {
    let windows = windows(attributes, input: input, output: dy.shape)
    let area = input.spatial.reduce(1, *)
    var dx = ReferenceArray(zeros: input)
    for channel in 0..<(input[0] * input[1]) {
      for (place, window) in windows.enumerated() {
        let (start, gradient) = (channel * area, dy.values[channel * windows.count + place])
        if let x, attributes.kind == .max {
          if let index = winner(window, x, start) { dx.values[index] += gradient }
        } else {
          for index in window.inputs { dx.values[start + index] += gradient / Double(window.divisor) }
        }
      }
    }
    return dx
  }

  /// Where the maximum of a window is: the first of equals, but the last NaN if there is any, as in PyTorch.
  private static func winner(_ window: PoolWindow, _ x: ReferenceArray, _ start: Int) -> Int? {
    guard var best = window.inputs.first else { return nil }
    for index in window.inputs {
      let value = x.values[start + index]
      if value > x.values[start + best] || value.isNaN { best = index }
    }
    return start + best
  }

  private static func windows(_ attributes: PoolAttributes, input: Shape, output: Shape) -> [PoolWindow] {
    let (extents, outputs) = (Array(input.spatial), Array(output.spatial))
    var windows = [PoolWindow](repeating: PoolWindow(), count: outputs.reduce(1, *))
    let links = windowLinks(
      input: extents, output: outputs, kernel: attributes.kernel, stride: attributes.stride,
      dilation: attributes.dilation, paddingBefore: attributes.paddingBefore)
    for link in links { windows[link.output].inputs.append(link.input) }
    guard case .average(countsPadding: true) = attributes.kind else {
      for place in windows.indices { windows[place].divisor = windows[place].inputs.count }
      return windows
    }
    // Zeros of the padding count, but not what a last window covers beyond it (`roundsUp`).
    var place = 0
    forEachIndex(below: outputs) { index in
      windows[place].divisor = extents.indices.reduce(1) { product, axis in
        let first = index[axis] * attributes.stride[axis]
        let end = extents[axis] + attributes.paddingBefore[axis] + attributes.paddingAfter[axis]
        return product * (0..<attributes.kernel[axis]).count { first + $0 * attributes.dilation[axis] < end }
      }
      place += 1
    }
    return windows
  }
}

import Kernels
import Testing

/// Kernels for pictures against plain loops, on every instruction set, byte by byte.
@Suite struct PixelTests {
  private func samples(_ count: Int, seed: UInt64 = 3) -> [UInt8] {
    var stream = RandomStream(seed: seed)
    // A third at the ends of the range, where clamping and equal colours are.
    return (0..<count).map { _ -> UInt8 in
      let value = stream.integer(below: 384)
      if value < 256 { return UInt8(value) }
      return value < 320 ? 0 : 255
    }
  }

  /// A filter of random spans, with weights like those of a cubic one: some negative, together 1.
  private func filter(from extent: Int, to count: Int) -> PixelKernel.Filter {
    var stream = RandomStream(seed: 5)
    var filter = PixelKernel.Filter(stride: min(7, extent))
    for position in 0..<count {
      let taps = 1 + stream.integer(below: filter.stride)
      filter.starts.append(Int32(position * (extent - taps) / max(1, count - 1)))
      filter.taps.append(Int32(taps))
      var rest: Int32 = 1 << 22
      for index in 0..<filter.stride {
        var weight: Int32 = 0
        if index < taps - 1 { weight = Int32(stream.uniform(-0.3..<0.6) * 4_194_304) }
        if index == taps - 1 { weight = rest }
        filter.weights.append(weight)
        rest -= weight
      }
    }
    return filter
  }

  private func filtered(_ taps: [(sample: UInt8, weight: Int32)]) -> UInt8 {
    var sum: Int64 = 1 << 21
    for tap in taps { sum += Int64(tap.sample) * Int64(tap.weight) }
    return UInt8(min(max(sum >> 22, 0), 255))
  }

  @Test(arguments: InstructionSet.available, [1, 3, 4])
  func filtersAcross(isa: InstructionSet, channels: Int) {
    for (width, count) in [(1, 1), (2, 5), (7, 3), (40, 17), (123, 60)] {
      let rows = 3
      let source = samples(rows * width * channels)
      let filter = filter(from: width, to: count)
      var result = [UInt8](repeating: 7, count: rows * count * channels + 1)
      PixelKernel.filterAcross(
        source, into: &result, width: width, rows: rows, channels: channels, firstColumn: 0, filter, isa: isa)
      var expected: [UInt8] = []
      for y in 0..<rows {
        for x in 0..<count {
          for channel in 0..<channels {
            expected.append(
              filtered(
                (0..<Int(filter.taps[x])).map { tap in
                  (
                    source[(y * width + Int(filter.starts[x]) + tap) * channels + channel],
                    filter.weights[x * filter.stride + tap]
                  )
                }))
          }
        }
      }
      #expect(result == expected + [7], "\(width) to \(count)")
    }
  }

  @Test(arguments: InstructionSet.available, [1, 15, 16, 17, 100])
  func filtersDown(isa: InstructionSet, width: Int) {
    let (height, count, firstRow) = (31, 12, 0)
    let source = samples(height * width)
    let filter = filter(from: height, to: count)
    var result = [UInt8](repeating: 7, count: count * width + 1)
    PixelKernel.filterDown(source, line: width, into: &result, count: width, firstRow: firstRow, filter, isa: isa)
    var expected: [UInt8] = []
    for y in 0..<count {
      for x in 0..<width {
        expected.append(
          filtered(
            (0..<Int(filter.taps[y])).map {
              (source[(Int(filter.starts[y]) + $0) * width + x], filter.weights[y * filter.stride + $0])
            }))
      }
    }
    #expect(result == expected + [7])
  }

  private func sample(_ value: Float) -> UInt8 { value > 0 ? (value < 255 ? UInt8(value + 0.5) : 255) : 0 }

  private func lightness(_ pixel: ArraySlice<UInt8>) -> UInt8 {
    let (red, green, blue) = (pixel[pixel.startIndex], pixel[pixel.startIndex + 1], pixel[pixel.startIndex + 2])
    let sum: Int = Int(red) * 19595 + Int(green) * 38470 + Int(blue) * 7471
    return UInt8((sum + 0x8000) >> 16)
  }

  /// Counts of pixels around the size of a block.
  private static let counts = [1, 63, 64, 65, 1000]

  @Test(arguments: InstructionSet.available, counts)
  func lightnessAndSaturation(isa: InstructionSet, count: Int) {
    let source = samples(3 * count)
    var grey = [UInt8](repeating: 7, count: count + 1)
    PixelKernel.luminance(source, into: &grey, pixels: count, isa: isa)
    let pixels = (0..<count).map { source[3 * $0..<3 * $0 + 3] }
    #expect(grey == pixels.map(lightness) + [7])
    for factor: Float in [0, 0.7, 1, 1.9] {
      var result = [UInt8](repeating: 7, count: 3 * count + 1)
      PixelKernel.saturate(source, into: &result, pixels: count, by: factor, isa: isa)
      var expected: [UInt8] = []
      for pixel in pixels {
        let middle = Float(lightness(pixel))
        for color in pixel { expected.append(sample(middle + factor * (Float(color) - middle))) }
      }
      #expect(result == expected + [7], "factor \(factor)")
    }
  }

  /// Through hue, saturation and value, as textbooks have it.
  @Test(arguments: InstructionSet.available, counts)
  func hue(isa: InstructionSet, count: Int) {
    let source = samples(3 * count)
    for sixths: Float in [-6, -0.4, 0, 1.5, 6] {
      var result = [UInt8](repeating: 7, count: 3 * count + 1)
      PixelKernel.turnHue(source, into: &result, pixels: count, bySixths: sixths, isa: isa)
      #expect(result[3 * count] == 7)
      for pixel in 0..<count {
        let colors = source[3 * pixel..<3 * pixel + 3].map { Double($0) }
        let (value, least) = (colors.max()!, colors.min()!)
        let chroma = value - least
        var hue = 0.0
        if chroma > 0 {
          hue =
            value == colors[0]
            ? (colors[1] - colors[2]) / chroma
            : value == colors[1] ? 2 + (colors[2] - colors[0]) / chroma : 4 + (colors[0] - colors[1]) / chroma
        }
        hue = (hue + Double(sixths) + 12).truncatingRemainder(dividingBy: 6)
        let second = chroma * (1 - abs(hue.truncatingRemainder(dividingBy: 2) - 1))
        let sector: [Double] =
          switch Int(hue) {
          case 0: [chroma, second, 0]
          case 1: [second, chroma, 0]
          case 2: [0, chroma, second]
          case 3: [0, second, chroma]
          case 4: [second, 0, chroma]
          default: [chroma, 0, second]
          }
        for channel in 0..<3 {
          let expected: Double = sector[channel] + least
          #expect(abs(Double(result[3 * pixel + channel]) - expected) <= 0.501, "\(colors) by \(sixths)")
        }
      }
    }
  }

  /// The same bytes on every instruction set.
  @Test func instructionSetsAgree() {
    let source = samples(3 * 5000, seed: 9)
    func results(_ isa: InstructionSet) -> [[UInt8]] {
      [Float(0.37), -2.9].flatMap { amount in
        var (hue, saturated) = (source, source)
        PixelKernel.turnHue(source, into: &hue, pixels: 5000, bySixths: amount, isa: isa)
        PixelKernel.saturate(source, into: &saturated, pixels: 5000, by: amount, isa: isa)
        return [hue, saturated]
      }
    }
    let expected = results(InstructionSet.available[0])
    for isa in InstructionSet.available { #expect(results(isa) == expected, "\(isa)") }
  }
}

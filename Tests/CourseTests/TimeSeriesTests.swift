import ConvNet
import Foundation
import Testing

/// Section 1.6 of the course's acceptance list: time series.
@Suite struct TimeSeriesTests {
  @Test func s1() {
    #expect(Smoothing.weights(.box, radius: 4) == [Float](repeating: 1 / 9, count: 9))
    #expect(Smoothing.weights(.box, radius: 10).count == 21)
  }

  /// A triangle is a moving average after another.
  @Test func s2() {
    for m in [1, 4, 10] {
      let weights = Smoothing.weights(.triangle, radius: m)
      expectNear([weights.reduce(0, +)], [1])
      let box = [Float](repeating: 1 / Float(m + 1), count: m + 1)
      expectNear(conv1D(box, padding: Extents(m))(series(box)).scalars(), weights, 1e-6)
    }
  }

  private func noisy(_ count: Int) throws -> (path: String, values: [Float]) {
    let jitter: [Float] = noise([count], seed: 7).scalars()
    let values = (0..<count).map { sin(Float($0) / 20) + jitter[$0] }
    let path = FileManager.default.temporaryDirectory.appending(path: "series-\(UUID().uuidString).csv").path
    let text = "day,rating\n" + values.enumerated().map { "\($0),\($1)\n" }.joined()
    try AtomicFile.write(text, to: path)
    return (path, values)
  }

  @Test(arguments: [4, 10]) func s3(radius: Int) throws {
    let (path, values) = try noisy(300)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let series = try TimeSeries(contentsOf: path)
    #expect(series.values == values)
    let box = try Smoothing(series, window: .box, radius: radius)
    let triangle = try Smoothing(series, window: .triangle, radius: radius)
    #expect(box.smoothed.count == 300)
    let middle = values[50 - radius...50 + radius].reduce(0, +) / Float(2 * radius + 1)
    expectNear([box.smoothed[50]], [middle])
    // "Even smoother".
    let variation = Smoothing.totalVariation
    #expect(variation(triangle.smoothed) < variation(box.smoothed) && variation(box.smoothed) < variation(values))
  }

  @Test func s4() throws {
    let (path, values) = try noisy(20)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let series = try TimeSeries(contentsOf: path)
    let ends: [(Smoothing.Padding, Float)] = [(.edge, values[0]), (.zeros, 0), (.reflect, values[1])]
    for (padding, before) in ends {
      let smoothed = try Smoothing(series, window: .box, radius: 1, padding: padding).smoothed
      expectNear([smoothed[0]], [(before + values[0] + values[1]) / 3])
    }
  }

  /// Sequences, pictures and films.
  @Test func s5() {
    #expect(Conv1D(in: 1, out: 2, kernel: 3)(.zeros([1, 1, 10])).shape == [1, 2, 8])
    #expect(Conv2D(in: 1, out: 2, kernel: 3)(.zeros([1, 1, 10, 9])).shape == [1, 2, 8, 7])
    #expect(Conv3D(in: 1, out: 2, kernel: 3)(.zeros([1, 1, 10, 9, 8])).shape == [1, 2, 8, 7, 6])
  }

  /// The frequency response of the moving average, by the closed form |sin(pi f n) / (n sin(pi f))|; the triangle's is
  /// its square.
  @Test func s6() {
    for m in [4, 10] {
      let box = Smoothing.weights(.box, radius: m)
      let triangle = Smoothing.weights(.triangle, radius: 2 * m)
      for frequency in [0.01, 0.05, 1.0 / 9, 0.21, 0.5] {
        let n = Double(2 * m + 1)
        let gain = abs(sin(.pi * frequency * n) / (n * sin(.pi * frequency)))
        #expect(abs(Smoothing.gain(box, at: frequency) - gain) < 1e-6)
        #expect(abs(Smoothing.gain(triangle, at: frequency) - gain * gain) < 1e-6)
      }
      #expect(abs(Smoothing.gain(box, at: 0) - 1) < 1e-6)
    }
  }
}

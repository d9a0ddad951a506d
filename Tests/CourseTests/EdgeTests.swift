import ConvNet
import Testing

/// Section 1.5 of the course's acceptance list: hand-made features.
@Suite struct EdgeTests {
  private let kernels: [[Float]] = {
    let all: [Float] = EdgeFeatures.kernels.scalars()
    return (0..<8).map { Array(all[$0 * 9..<$0 * 9 + 9]) }
  }()

  @Test func f1() {
    #expect(kernels[0] == [-1, 0, 1, -1, 0, 1, -1, 0, 1])
    #expect(kernels[1] == [0, 1, 1, -1, 0, 1, -1, -1, 0])
    #expect(kernels[2] == [1, 1, 1, 0, 0, 0, -1, -1, -1])
    for (index, kernel) in kernels.enumerated() {
      #expect(kernel.reduce(0, +) == 0)
      #expect(kernels[(index + 4) % 8] == kernel.map { -$0 })
    }
    #expect(Set(kernels).count == 8)
  }

  /// White on black, 96x96: where `isInside` says so, with the origin in the middle and y upwards.
  private func drawing(_ isInside: (Double, Double) -> Bool) -> Image {
    Image(
      width: 96, height: 96, channels: 1,
      pixels: (0..<96 * 96).map { isInside(Double($0 % 96) - 47.5, 47.5 - Double($0 / 96)) ? 255 : 0 })
  }

  private var circle: Image { drawing { x, y in x * x + y * y < 900 } }
  /// A four-pointed star; its sides run both ways.
  private var star: Image { drawing { x, y in max(abs(x), abs(y)) + 2 * min(abs(x), abs(y)) < 40 } }

  @Test func f2() throws {
    let features = try EdgeFeatures(drawing { x, _ in x > 0 })
    #expect(features.sums.count == 8 && features.sums.joined().allSatisfy { $0 >= 0 })
    // Two columns of 94 see the edge, with three rows each.
    expectNear(features.sums[0], [2 * 94 * 3])
    expectNear(features.sums[4], [0])
    // Without ReLU opposite edges would cancel.
    let band = try EdgeFeatures(drawing { x, _ in abs(x) < 10 })
    expectNear(band.sums[0], band.sums[4])
    #expect(band.sums[0][0] == 2 * 94 * 3)
  }

  /// All directions are in both figures, so sums over the whole picture hardly tell them apart.
  @Test func f3() throws {
    for figure in [circle, star] {
      let sums = try EdgeFeatures(figure).sums.map { $0[0] }
      for index in 0..<4 { expectNear([sums[index]], [sums[index + 4]], 0.01) }
    }
  }

  @Test func f4() throws {
    func profile(_ image: Image, patches: Int) throws -> [Float] {
      let features = try EdgeFeatures(image, patches: patches).sums.flatMap { $0 }
      #expect(features.count == 8 * patches * patches)
      let total = features.reduce(0, +)
      return features.map { $0 / total }
    }
    func distance(_ patches: Int) throws -> Float {
      zip(try profile(circle, patches: patches), try profile(star, patches: patches)).reduce(0) {
        $0 + abs($1.0 - $1.1)
      }
    }
    #expect(try distance(6) > 2 * distance(1))
    // Patches only part the sums.
    let whole = try EdgeFeatures(star).sums.map { $0[0] }
    expectNear(try EdgeFeatures(star, patches: 4).sums.map { $0.reduce(0, +) }, whole, 1e-4)
  }

  @Test func f5() throws {
    let responses = try EdgeFeatures(circle).responses
    #expect(responses.shape == [1, 8, 94, 94])
    #expect(MaxPool2D(kernel: 2)(responses).shape == [1, 8, 47, 47])
    // The same as layers, pooled to one maximum for each direction.
    var edges = Conv2D(in: 1, out: 8, kernel: 3, bias: false)
    edges.weight = EdgeFeatures.kernels
    let pipeline = Sequential(edges, Activation(.relu), MaxPool2D(kernel: 94))
    let x = Tensor(circle.pixels.map { Float($0) / 255 }, shape: [1, 1, 96, 96])
    expectNear(pipeline(x).scalars(), try EdgeFeatures(circle).pooled(to: 1).scalars())
  }

  /// A stack of pictures as one tensor gives what a loop over them gives.
  @Test func f6() {
    let layer = withSeed(4) { Conv2D(in: 1, out: 8, kernel: 3) }
    let stack = noise([5, 1, 12, 12])
    let looped = (0..<5).map { relu(layer(stack.sliced([$0..<$0 + 1]))) }
    expectNear(relu(layer(stack)).scalars(), concatenate(looped, along: 0).scalars())
  }

  /// Raw pixels are poor features, global edge sums do not suffice, and maxima of edge maps in patches do.
  @Test func f7() throws {
    let pictures = FigureClassification.circlesAndStars(count: 120, seed: 0)
    let rows = try FigureClassification(pictures, classNames: ["circle", "star"]).rows
    #expect(rows.map(\.featureCount) == [64 * 64, 8, 8 * 16, 8 * 16])
    let accuracy = rows.map(\.accuracy)
    #expect(accuracy[0] < 0.75 && accuracy[1] < 0.8, "\(accuracy)")
    #expect(accuracy[3] > 0.85 && accuracy[2] > accuracy[0] && accuracy[3] > accuracy[0] + 0.15, "\(accuracy)")
  }
}

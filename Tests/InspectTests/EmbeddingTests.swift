import Data
import Inspect
import Layers
import Testing

@Suite struct EmbeddingTests {
  /// Points on a line in three dimensions, with a little width: the axes are known.
  @Test func principalComponentsFindTheLongDirections() {
    var random = RandomStream(seed: 5)
    let count = 200
    let coordinates = (0..<count).map { _ in
      (random.uniform(-10..<10), random.uniform(-2..<2), random.uniform(-0.1..<0.1))
    }
    // A rotation by 45 degrees about the third axis.
    let half = Float(0.5).squareRoot()
    let rows = coordinates.flatMap { [half * ($0.0 - $0.1) + 3, half * ($0.0 + $0.1) - 7, $0.2] }
    let components = PrincipalComponents(rows, count: count)
    let means = (coordinates.reduce(0) { $0 + $1.0 } / 200, coordinates.reduce(0) { $0 + $1.1 } / 200)
    let sign: (Float, Float) = (
      components.points[0].x * (coordinates[0].0 - means.0) > 0 ? 1 : -1,
      components.points[0].y * (coordinates[0].1 - means.1) > 0 ? 1 : -1
    )
    for (point, coordinate) in zip(components.points, coordinates) {
      #expect(abs(point.x * sign.0 - (coordinate.0 - means.0)) < 0.3)
      #expect(abs(point.y * sign.1 - (coordinate.1 - means.1)) < 0.3)
    }
    #expect(components.explained.x > 0.9 && components.explained.x + components.explained.y > 0.999)
  }

  @Test func oddTablesMakeNoTrouble() {
    #expect(PrincipalComponents([1, 2, 3], count: 1).points == [.zero])
    let same = PrincipalComponents([Float](repeating: 4, count: 12), count: 4)
    #expect(same.points == [SIMD2<Float>](repeating: .zero, count: 4) && same.explained == .zero)
    #expect(PrincipalComponents([1, 2, 3], count: 3).points.map(\.x).map(abs) == [1, 0, 1])
  }

  @Test func nearestRowsAreThoseOfTheSmallestAngle() {
    let rows = NearestRows([1, 0, 0, 1, 3, 3.1, -1, 0, 0, 0], dimensions: 2)
    let found = rows.nearest(to: [2, 2], count: 5)
    #expect(found.map(\.row) == [2, 0, 1, 4, 3])
    #expect(abs(found[0].similarity - 0.99986) < 1e-4 && abs(found[1].similarity - 0.70711) < 1e-4)
    #expect(found[3].similarity == 0)
  }

  @Test func featuresAreWhatTheLastLayerReads() throws {
    let model = AnyLayer(
      Sequential(
        Conv2D(in: 1, out: 3, kernel: 3, padding: 1), Activation(.relu), GlobalAveragePool(), Linear(in: 3, out: 2)))
    let inputs = Tensor((0..<5 * 16).map { Float($0 * 37 % 19) }, shape: [5, 1, 4, 4])
    let data = InMemoryDataset(inputs: inputs, targets: Tensor([0, 1, 1, 0, 1] as [Int32]))
    let rows = try FeatureExtractor(model, input: [1, 4, 4]).rows(of: data, batchSize: 2)
    let sequential = try #require(model.base as? Sequential)
    let features = sequential.layers.prefix(3).reduce(inputs) { AnyLayer($1)($0) }
    #expect(rows.labels == [0, 1, 1, 0, 1] && rows.dimensions == 3)
    #expect(difference(rows.features, features.scalars()) < 1e-5)
    #expect(difference(rows.logits, model(inputs).scalars()) < 1e-5)
    #expect(Array(rows.logits(of: 1)) == Array(rows.logits[2..<4]))
  }
}

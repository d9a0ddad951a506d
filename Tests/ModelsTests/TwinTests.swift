import Data
import Foundation
import Layers
import Models
import Testing
import Training

/// Each family of classifiers trains: its twin learns 64 pictures by heart, and, where `CONVNET_TWINS` asks for it, the
/// embedded pictures well enough for 85 % of the test pictures. With `swift test -c release --filter TwinTests` the
/// latter takes about half an hour and prints a table; `CONVNET_TWINS=vgg11,lenet` is about some.
@Suite(.serialized) struct TwinTests {
  private static let pictures = Result { try EmbeddedFashionMNIST.load() }
  private static let chosen = ProcessInfo.processInfo.environment["CONVNET_TWINS"]

  /// A compiled step by the command's own rule.
  private func step(_ twin: Twin) throws -> (step: TrainingStep<AnyLayer>, rate: Double) {
    let rate = 0.003 * (try ModelRegistry.architecture(named: twin.name).learningRateFactor)
    let model = withSeed(1) { AnyLayer(twin.make()) }
    let optimizer = Optimizer(
      .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8), learningRate: rate, weightDecay: 0.05, isDecoupled: true,
      decaysVectors: false)
    let step = TrainingStep(model, optimizer: optimizer, seed: 1) { model, x, labels in
      model.trainingLoss(x, labels) { crossEntropy($0, $1) }
    }
    return (step, rate)
  }

  private func batch(_ twin: Twin, _ dataset: IDXDataset, _ indices: [Int]) -> Batch {
    Batch(
      input: twin.input(dataset, indices), target: Tensor(indices.map { Int32(dataset.label(at: $0)) }),
      indices: indices)
  }

  private func correct(_ model: AnyLayer, _ batch: Batch) throws -> Int {
    let logits: [Float] = try compile(model, input: batch.input.shape).run([batch.input])[0].scalars()
    let labels: [Int32] = batch.target.scalars()
    let classes = logits.count / labels.count
    return labels.indices.count { index in
      let row = logits[index * classes..<(index + 1) * classes]
      return row.firstIndex(of: row.max()!)! - index * classes == labels[index]
    }
  }

  @Test(arguments: Twin.all)
  func learns64PicturesByHeart(twin: Twin) throws {
    let batch = batch(twin, try Self.pictures.get().train, Array(0..<64))
    let (step, rate) = try step(twin)
    var found = 0
    var losses: [Float] = []
    for index in 1...200 where found < 63 {
      losses.append(try step.run(batch, step: index, learningRate: rate * min(1, Double(index) / 10)).loss)
      if index % 10 == 0 { found = try correct(step.model, batch) }
    }
    #expect(found >= 63, "\(twin.name): \(found) of 64 after \(losses.count) steps, loss \(losses.last ?? 0)")
  }

  @Test(.enabled(if: chosen != nil), arguments: Twin.all)
  func learnsTheEmbeddedPictures(twin: Twin) throws {
    if let names = Self.chosen?.split(separator: ","), !names.contains("all"), !names.contains("\(twin.name)") {
      return
    }
    let (train, test) = try Self.pictures.get()
    let (step, rate) = try step(twin)
    let start = ContinuousClock.now
    let (epochs, size) = (twin.epochs, 64)
    var order = Array(0..<train.count)
    let total = epochs * (order.count / size)
    for epoch in 0..<epochs {
      var random = RandomStream(seed: 1, stream: UInt64(epoch))
      order.shuffle(using: &random)
      for (number, first) in stride(from: 0, through: order.count - size, by: size).enumerated() {
        let index = epoch * (order.count / size) + number
        let now = LearningRateSchedule(.oneCycle).rate(atStep: index, of: total, base: rate)
        _ = try step.run(batch(twin, train, Array(order[first..<first + size])), step: index + 1, learningRate: now)
      }
    }
    let model = try step.model
    var right = 0
    for first in stride(from: 0, to: test.count, by: 100) {
      right += try correct(model, batch(twin, test, Array(first..<first + 100)))
    }
    let accuracy = Double(right) / Double(test.count)
    let seconds = (ContinuousClock.now - start).components.seconds
    print("| \(twin.name) | \(model.parameterCount) | \(epochs) | \(seconds) s | \(accuracy) |")
    #expect(accuracy > 0.85, "\(twin.name)")
  }

  @Test func everyFamilyOfClassifiersHasATwin() throws {
    func family(_ layer: any Layer) -> String { String(describing: Swift.type(of: layer)) }
    let classifiers = ModelRegistry.architectures.filter { $0.task == .classification }
    let families = try classifiers.map { family(try ModelRegistry.makeStructure($0.standard)) }
    #expect(Set(families) == Set(Twin.all.map { twin in family(withoutNumbers { twin.make() }) }))
    #expect(Set(Twin.all.map(\.name)).isSubset(of: classifiers.map(\.name)))
  }
}

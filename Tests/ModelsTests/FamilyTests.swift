import Formats
import Foundation
import Layers
import Models
import Testing
import Training

/// A small member of each family against PyTorch (`Fixtures/make_families.py`): outputs, and a training step.
@Suite(.serialized) struct FamilyTests {
  private static let expected = Result {
    try Safetensors.read(
      URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/families.safetensors").path
    ).tensors
  }

  private func expected(_ sample: FamilySample, _ what: String) throws -> Tensor {
    try #require(try Self.expected.get()["\(sample.name)/\(what)"])
  }

  private func input(of sample: FamilySample) throws -> Tensor {
    uniform(sample.input, stream: try Int(expected(sample, "stream").item(as: Float.self)))
  }

  @Test(arguments: FamilySample.all)
  func outputsArePyTorchs(sample: FamilySample) throws {
    let model = try sample.filledModel()
    let x = try input(of: sample)
    let output = try expected(sample, "output")
    #expect(difference(model(x), output) < 1e-4)
    func plan(fuses: Bool, allowsWinograd: Bool) throws -> Tensor {
      try compile(model, input: x.shape, options: .init(fuses: fuses, allowsWinograd: allowsWinograd)).run([x])[0]
    }
    #expect(difference(try plan(fuses: false, allowsWinograd: false), output) < 1e-4)
    #expect(difference(try plan(fuses: true, allowsWinograd: true), output) < 1e-4)
  }

  @Test(arguments: FamilySample.all.filter(\.isClassifier))
  func featuresArePyTorchs(sample: FamilySample) throws {
    let model = try sample.filledModel()
    let x = try input(of: sample)
    let features = try compileFeatures(model, input: x.shape).run([x])[0]
    #expect(difference(features.scalars(), try expected(sample, "features").scalars()) < 1e-4)
  }

  /// In double precision the plain reference leaves no room for rounding: to the last digits of the stored numbers.
  @Test(arguments: FamilySample.all)
  func doubleStepIsPyTorchs(sample: FamilySample) throws {
    let model = try sample.filledModel().mapParameters { _, _, tensor in tensor.cast(to: .float64) }
    let (x, labels) = (try input(of: sample).cast(to: .float64), sample.labels)
    func numbers(_ tensor: Tensor) -> [Float] { tensor.cast(to: .float32).scalars() }
    #expect(difference(numbers(model(x)), try expected(sample, "output").scalars()) < 1e-6)
    let found = try gradient(at: model) { sample.loss($0, x, labels) }
    #expect(difference(numbers(found.loss), try expected(sample, "loss").scalars()) < 1e-6)
    let norms = found.gradients.sorted { $0.key < $1.key }.map { _, tensor in
      Float(tensor.scalars(as: Double.self).reduce(0) { $0 + $1 * $1 }.squareRoot())
    }
    let expectedNorms: [Float] = try expected(sample, "gradient norms").scalars()
    let largest = expectedNorms.max() ?? 0
    #expect(norms.count == expectedNorms.count)
    for (name, (own, theirs)) in zip(found.gradients.keys.sorted(), zip(norms, expectedNorms)) {
      #expect(abs(own - theirs) <= 1e-6 * (theirs + 0.01 * largest), "\(name): \(own), PyTorch \(theirs)")
    }
    let prefix = "\(sample.name)/gradient/"
    for (key, tensor) in try Self.expected.get() where key.hasPrefix(prefix) {
      let own = try #require(found.gradients[String(key.dropFirst(prefix.count))])
      #expect(difference(numbers(own), tensor.scalars()) < 2e-6, "\(key)")
    }
  }

  /// Every parameter has a gradient, all have the right norms, some are compared whole; and the compiled step does what
  /// the eager one does.
  @Test(arguments: FamilySample.all)
  func trainingStepIsPyTorchs(sample: FamilySample) throws {
    let model = try sample.filledModel()
    let (x, labels) = (try input(of: sample), sample.labels)
    let gradients = try gradient(at: model) { sample.loss($0, x, labels) }
    #expect(difference([gradients.loss.item()], try expected(sample, "loss").scalars()) < 1e-4)

    let tolerance = try expected(sample, "tolerance").item(as: Float.self)
    let trained = model.parameters.filter(\.kind.isTrained).map(\.path).sorted()
    #expect(gradients.gradients.keys.sorted() == trained)
    func norm(_ tensor: Tensor?) -> Float {
      guard let tensor else { return .nan }
      return Float(tensor.scalars(as: Float.self).reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
    }
    func check(_ paths: [String], _ tensors: [String: Tensor], _ what: String) throws {
      let norms: [Float] = try expected(sample, what).scalars()
      try #require(norms.count == paths.count)
      let largest = norms.max() ?? 0
      for (path, expected) in zip(paths, norms) {
        let found = norm(tensors[path])
        #expect(
          abs(found - expected) <= tolerance * (expected + 0.1 * largest), "\(path): \(found), PyTorch \(expected)")
      }
    }
    try check(trained, gradients.gradients, "gradient norms")
    if !gradients.statistics.isEmpty {
      try check(gradients.statistics.keys.sorted(), gradients.statistics, "statistics")
    }
    let prefix = "\(sample.name)/gradient/"
    let whole = try Self.expected.get().filter { $0.key.hasPrefix(prefix) }
    #expect(!whole.isEmpty)
    for (key, tensor) in whole {
      let path = String(key.dropFirst(prefix.count))
      let found = try #require(gradients.gradients[path])
      // timm's head is a 1x1 convolution.
      #expect(difference(found.scalars(), tensor.scalars()) < 2 * tolerance, "\(path)")
    }

    let step = TrainingStep(model, optimizer: .sgd(learningRate: 0.1), allowsWinograd: false) { model, x, labels in
      sample.loss(model, x, labels)
    }
    let batch = Batch(input: x, target: labels, indices: Array(0..<x.shape[0]))
    let result = try step.run(batch, step: 1, learningRate: 0.1)
    #expect(difference([result.loss], [gradients.loss.item()]) < 1e-5)
    var optimizer = Optimizer.sgd(learningRate: 0.1)
    var eager = model
    try optimizer.update(&eager, along: gradients)
    for (found, expected) in zip(try step.model.parameters, eager.parameters) {
      #expect(found.path == expected.path)
      #expect(difference(found.tensor, expected.tensor) < tolerance, "\(found.path)")
    }
  }

  @Test func everyFamilyHasASample() {
    func family(_ name: String) -> String { String(describing: Swift.type(of: withoutNumbers { make(name) })) }
    func make(_ name: String) -> any Layer {
      guard let architecture = try? ModelRegistry.architecture(named: name),
        let model = try? ModelRegistry.makeStructure(architecture.standard)
      else { return Sequential() }
      return model
    }
    // Those of `EquivalenceTests`, and of no other form.
    let others: Set<String> = ["LeNet", "VGGSmall"]
    let covered = Set(FamilySample.all.map { String(describing: Swift.type(of: withoutNumbers($0.make))) })
    #expect(Set(modelNames.map(family)) == covered.union(others))
    #expect(Set(FamilySample.all.map(\.name)).isSubset(of: modelNames))
  }

  /// A digest of all names and shapes (`Fixtures/make_families.py`).
  @Test func namesAndShapesAreTorchvisions() throws {
    let rows = try fixture("torchvision_keys.txt")
    #expect(rows.count == 25)
    for row in rows {
      let standard = try ModelRegistry.architecture(named: String(row[0])).standard
      let lines = try ModelRegistry.makeStructure(standard).parameters.map { "\($0.path) \($0.tensor.shape)" }.sorted()
      #expect(lines.count == Int(row[1]), "\(row[0])")
      var digest: UInt64 = 0xCBF2_9CE4_8422_2325
      for byte in lines.joined(separator: "\n").utf8 { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
      #expect(digest == UInt64(row[2], radix: 16), "\(row[0])")
    }
  }
}

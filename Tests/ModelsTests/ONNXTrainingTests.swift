import Formats
import Foundation
import Layers
import Models
import Testing
import Training

/// What an imported network is for once it is imported: it compiles, learns as PyTorch says, is saved, comes back, and
/// takes another classifier.
@Suite struct ONNXTrainingTests {
  private func model(_ name: String) throws -> ONNXModel {
    try ONNXModel(contentsOf: ONNXTests.path("\(name).onnx"))
  }

  private func array(_ name: String) throws -> Tensor { try NPY.read(ONNXTests.path("\(name).npy")) }

  private func withScratch(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "convnet-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
  }

  // MARK: Operators

  /// Some thirty operators behind one convolution (`Fixtures/make_onnx.py`): PyTorch's value and its gradient of the
  /// convolution's weight, eagerly and compiled.
  @Test func gradientsPassEveryOperator() throws {
    let (model, x) = (try model("operators"), try array("operators_x"))
    let expected = try array("operators_y")
    #expect(difference(try model.run([x])[0], expected) < 1e-5)
    #expect(difference(try model.compile(inputs: [x.shape]).run([x])[0], expected) < 1e-5)
    let step = try gradient(at: model) { try $0.run([x])[0] }
    #expect(difference(try #require(step.gradients["weight"]), try array("operators_dweight")) < 1e-5)
  }

  /// Norms of windows and of maps that are all zeros, which have no derivative: PyTorch's gradients
  /// (`LayersTests/Fixtures/make_functions.py`).
  @Test(arguments: [
    (
      "lp pool 2 after relu",
      ONNXNodeProto("LpPool", ["r"], [.init("kernel_shape", [2, 2]), .init("strides", [2, 2])])
    ),
    (
      "lp pool 3 after relu",
      ONNXNodeProto("LpPool", ["r"], [.init("kernel_shape", [2, 2]), .init("strides", [2, 2]), .init("p", 3)])
    ),
    ("global l2 after relu", ONNXNodeProto("ReduceL2", ["r"], [.init("axes", [2, 3])])),
    ("global l2 after relu", ONNXNodeProto("GlobalLpPool", ["r"])),
    ("global lp 3", ONNXNodeProto("GlobalLpPool", ["r"], [.init("p", 3)])),
  ])
  func normsOfZerosHaveTheGradientZero(_ name: String, _ node: ONNXNodeProto) throws {
    let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "LayersTests/Fixtures/functions.safetensors").path
    let tensors = try Safetensors.read(fixtures).tensors
    func tensor(_ role: String) throws -> Tensor { try #require(tensors["\(name).\(role)"]) }
    let (x, upstream) = (try tensor("x0"), try tensor("dy"))
    let weight = ONNXTensorProto("w", x.shape.dimensions.map { Int64($0) }, x.scalars(as: Float.self))
    let model = try ONNXModel(
      ONNXModelProto(
        nodes: [
          ONNXNodeProto("Add", ["x", "w"], outputs: ["s"]), ONNXNodeProto("Relu", ["s"], outputs: ["r"]), node,
        ], initializers: [weight], version: 13))
    let step = try gradient(at: model) { ($0(.zeros(x.shape)).reshaped(to: upstream.shape) * upstream).sum() }
    #expect(difference(try #require(step.gradients["w"]), try tensor("dx0")) < 1e-5)
  }

  // MARK: Training

  /// Steps of the compiled training, with the batch's statistics in batch norm.
  private func trained(_ model: ONNXModel, steps: Int) throws -> (model: ONNXModel, losses: [Float]) {
    let image = try array("network_x")
    let training = TrainingStep(
      model, optimizer: .sgd(learningRate: 0.2, momentum: 0.9), loss: { crossEntropy($0($1), $2) })
    let batch = Batch(input: image, target: Tensor([Int32(0), 2]), indices: [0, 1])
    let losses = try (1...steps).map { try training.run(batch, step: $0, learningRate: 0.2).loss }
    return (try training.model, losses)
  }

  @Test func trainsByPlanAndComesBackFromAFile() throws {
    let original = try model("network").endingInLogits()
    let (trained, losses) = try trained(original, steps: 15)
    #expect(losses.last! < losses[0] / 2)
    let statistics = { (model: ONNXModel) in
      model.parameters.filter { $0.kind == .statistic }.map { $0.tensor.scalars(as: Float.self) }
    }
    #expect(statistics(trained) != statistics(original))

    let image = try array("network_x")
    try withScratch { folder in
      let path = "\(folder)/trained.safetensors"
      try trained.write(to: path)
      let loaded = try ONNXModel(contentsOf: path)
      #expect(loaded(image).bits == trained(image).bits)
      #expect(try ONNXSession(loaded).run([image])[0].bits == ONNXSession(trained).run([image])[0].bits)
      #expect(loaded.parameters.map(\.path) == trained.parameters.map(\.path))
      #expect(loaded.parameters.map(\.kind) == trained.parameters.map(\.kind))
      #expect(loaded.inputs.map(\.dimensions) == trained.inputs.map(\.dimensions))
      // What came back goes on as if it had never left.
      let (on, again) = (try self.trained(trained, steps: 2), try self.trained(loaded, steps: 2))
      #expect(on.losses == again.losses)
      #expect(on.model(image).bits == again.model(image).bits)
    }
  }

  @Test func filesThatCannotBeNetworksAreRefused() throws {
    let model = try model("operators")
    let tensors = Dictionary(model.parameters.map { ($0.path, $0.tensor) }) { first, _ in first }
    let text = try #require(try model.metadata().values.first)
    let key = try #require(try model.metadata().keys.first)
    try withScratch { folder in
      let path = "\(folder)/model.safetensors"
      func survives(_ tensors: [String: Tensor], _ metadata: [String: String]) throws -> Bool {
        try Safetensors.write(tensors, metadata: metadata, to: path)
        do {
          let loaded = try ONNXModel(contentsOf: path)
          _ = try loaded.run([try array("operators_x")])
          return true
        } catch is FormatError {
        } catch is ONNXError {}
        return false
      }
      #expect(try survives(tensors, [key: text]))
      #expect(try !survives(tensors, [:]))
      #expect(try !survives([:], [key: text]))
      #expect(try !survives(tensors, [key: "{}"]))
      #expect(try !survives(tensors, [key: text.replacing("\"Conv\"", with: "\"Convolve\"")]))
      #expect(try !survives(tensors, [key: text.replacing("\"shape\":[4]", with: "\"shape\":[4611686018427387904,4]")]))
      // Damage anywhere: an error or a network, nothing else.
      var random = RandomStream(seed: 5, stream: 2)
      let bytes = Array(text.utf8)
      for _ in 0..<300 {
        var damaged = bytes
        damaged[Int(random.uniform(0..<Float(bytes.count)))] = UInt8(random.uniform(32..<127))
        _ = try survives(tensors, [key: String(decoding: damaged, as: UTF8.self)])
      }
    }
  }

  // MARK: Real networks

  /// Trained networks of other people: the three of PyPI's `rapidocr-onnxruntime`, if the variable names their folder.
  static let realNetworks: [String] = {
    guard let folder = ProcessInfo.processInfo.environment["CONVNET_ONNX_MODELS"] else { return [] }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".onnx") }.sorted().map { "\(folder)/\($0)" }
  }()

  @Test(
    .enabled(if: !realNetworks.isEmpty, "CONVNET_ONNX_MODELS names no folder of ONNX models"), arguments: realNetworks)
  func realNetworksTrainAndComeBack(_ path: String) throws {
    let model = try ONNXModel(contentsOf: path).endingInLogits()
    // Lines of text have 48 rows; a detector halves and doubles its input.
    let x = try #require(
      [[48, 96], [64, 96]].map { uniform(Shape([2, 3] + $0), stream: 5) }.first {
        (try? model.run([$0])) != nil
      })
    let eager = model(x)
    #expect(difference(try ONNXSession(model).run([x])[0], eager) < 1e-4)
    let training = TrainingStep(
      model, optimizer: .sgd(learningRate: 1e-3), loss: { model, x, target in square(model(x) - target).mean() })
    let batch = Batch(input: x, target: .zeros(eager.shape), indices: [0, 1])
    let losses = try (1...3).map { try training.run(batch, step: $0, learningRate: 1e-3).loss }
    #expect(losses.allSatisfy { $0.isFinite })
    let trained = try training.model
    #expect(trained(x).bits != eager.bits)
    try withScratch { folder in
      try trained.write(to: "\(folder)/model.safetensors")
      let loaded = try ONNXModel(contentsOf: "\(folder)/model.safetensors")
      #expect(loaded(x).bits == trained(x).bits)
    }
  }

  // MARK: Another classifier

  @Test(arguments: [
    "network": ["fc.weight", "fc.bias"], "head_matmul": ["fc.weight", "fc.bias"],
    "head_conv": ["head.weight", "head.bias"],
  ])
  func classifiersAreReplaced(_ name: String, _ head: [String]) throws {
    let model = try model(name)
    #expect(try model.classifierParameters() == head)
    let x = uniform([2, 3, 8, 8], stream: 4)
    for classes in [1, 9] {
      let changed = try model.replacingClassifier(classes: classes, seed: 3)
      #expect(changed(x).shape == [2, classes])
      #expect(try changed.compile(inputs: [x.shape]).run([x])[0].shape == [2, classes])
      #expect(changed.outputs[0].dimensions == [nil, classes])
      for (old, new) in zip(model.parameters, changed.parameters) where !head.contains(old.path) {
        #expect(old.tensor.bits == new.tensor.bits)
      }
      #expect(try model.replacingClassifier(classes: classes, seed: 3)(x).bits == changed(x).bits)
      #expect(
        try model.replacingClassifier(classes: classes, seed: 4).parameters.map(\.tensor.bits)
          != changed.parameters.map(\.tensor.bits))
    }
    // One class and back: the new head is found again.
    let twice = try model.replacingClassifier(classes: 1).replacingClassifier(classes: 4)
    #expect(twice(x).shape == [2, 4])
    let logits = try model.replacingClassifier(classes: 5).endingInLogits()
    let step = try gradient(at: logits) { crossEntropy($0(x), Tensor([Int32(4), 1])) }
    for path in head { #expect(step.gradients[path] != nil) }
  }

  @Test func networksWithoutAClassifierSayWhatIsInTheWay() throws {
    let model = try model("operators")
    #expect(throws: ONNXError.self) { try model.replacingClassifier(classes: 3) }
    #expect(throws: ONNXError.self) { try self.model("network").replacingClassifier(classes: 0) }
  }

  // MARK: Sessions

  @Test func sessionsCompileOnceForEachShape() throws {
    let session = ONNXSession(try model("network"))
    for side in [8, 12, 8, 16, 12] {
      let x = uniform([1, 3, side, side], stream: side)
      #expect(difference(try session.run([x])[0], session.model(x)) < 1e-5)
    }
    #expect(throws: ONNXError.self) { try session.run([uniform([1, 4, 8, 8], stream: 1)]) }
  }
}

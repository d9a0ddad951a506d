import Formats
import Foundation
import Inspect
import Layers
import Models
import SwiftProtobuf
import Testing
import Training

/// The fixture network (`Fixtures/make_onnx.py`) against what ONNX Runtime computed, and what else a model must do.
@Suite struct ONNXTests {
  static func path(_ name: String) -> String {
    URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)").path
  }
  let model: ONNXModel
  let image: Tensor
  let expected: Tensor

  init() throws {
    model = try ONNXModel(contentsOf: Self.path("network.onnx"))
    image = try NPY.read(Self.path("network_x.npy"))
    expected = try NPY.read(Self.path("network_y.npy"))
  }

  @Test func runsLikeONNXRuntime() throws {
    #expect(difference(model(image), expected) < 1e-5)
    #expect(difference(try model.compile(inputs: [image.shape]).run([image])[0], expected) < 1e-5)
    let unfused = try model.compile(inputs: [image.shape], options: .init(fuses: false))
    #expect(difference(try unfused.run([image])[0], expected) < 1e-5)
  }

  /// The batch and the image's size are free: the reshape in the network follows them.
  @Test func followsTheInputsShape() throws {
    let one = image.sliced([0..<1])
    #expect(difference(model(one), expected.sliced([0..<1])) < 1e-5)
    let large = uniform([3, 3, 12, 10], stream: 1)
    let eager = model(large)
    #expect(eager.shape == [3, 3])
    #expect(difference(try model.compile(inputs: [large.shape]).run([large])[0], eager) < 1e-5)
  }

  @Test func parametersAreThoseThatLearn() throws {
    let kinds = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.kind) })
    let expected: [String: ParameterKind] = [
      "stem.weight": .weight, "stem.bias": .vector, "bn.weight": .vector, "bn.bias": .vector,
      "bn.running_mean": .statistic, "bn.running_var": .statistic, "depthwise.weight": .weight, "up.weight": .weight,
      "up.bias": .vector, "fc.weight": .weight, "fc.bias": .vector,
    ]
    #expect(kinds == expected)
    #expect(model.parameterCount == 108 + 4 + 4 + 4 + 36 + 180 + 5 + 15 + 3)
    let summary = try Summary(of: model, input: [1, 3, 8, 6], name: "network")
    #expect(summary.parameters == model.parameterCount)
    #expect(summary.rows.first?.path == "stem")
  }

  @Test func trains() throws {
    var model = model
    let labels = Tensor([Int32(0), 2])
    var optimizer = Optimizer.sgd(learningRate: 0.5)
    var losses: [Float] = []
    for step in 0..<20 {
      let gradient = try gradient(at: model, step: step) { crossEntropy(log($0(image)), labels) }
      losses.append(gradient.loss.item())
      if step == 0 {
        #expect(Set(gradient.gradients.keys) == Set(model.parameters.filter(\.kind.isTrained).map(\.path)))
        #expect(Set(gradient.statistics.keys) == ["bn.running_mean", "bn.running_var"])
      }
      try optimizer.update(&model, along: gradient)
    }
    #expect(losses.last! < losses[0] / 2)
  }

  @Test func namesWhatDoesNotFit() throws {
    #expect(throws: ONNXError.self) { try model.run([]) }
    do {
      _ = try model.run([uniform([1, 4, 8, 8], stream: 2)])
      Issue.record("four channels were taken")
    } catch {
      #expect("\(error)".hasSuffix("input \"x\" is ?x3x?x? float32, but got 1x4x8x8 float32"))
    }
  }

  /// Operator sets 7 and 8 (`Fixtures/make_opset7.py`): limits, axes and scales are attributes, weights are inputs.
  @Test(arguments: [7, 8]) func oldOperatorSetsRunLikeONNXRuntime(_ version: Int) throws {
    let model = try ONNXModel(contentsOf: Self.path("opset\(version).onnx"))
    let x = try NPY.read(Self.path("opset\(version)_x.npy"))
    let expected = try NPY.read(Self.path("opset\(version)_y.npy"))
    #expect(model.inputs.map(\.name) == ["x"])
    #expect(difference(model(x), expected) < 1e-5)
    #expect(difference(try model.compile(inputs: [x.shape]).run([x])[0], expected) < 1e-5)
    let step = try gradient(at: model) { square($0(x)).sum() }
    #expect(step.gradients["w1"]?.scalars(as: Float.self).contains { $0 != 0 } == true)
  }

  /// An image that is too small: eagerly, traced and in a session, with the sizes that would have been enough.
  @Test func tellsWhichSizesFit() throws {
    let small: Shape = [1, 3, 0, 6]
    for run in [
      { _ = try model.trace(inputs: [small]) }, { _ = try ONNXSession(model).run([.zeros(small)]) },
    ] {
      do {
        try run()
        Issue.record("an image without rows was taken")
      } catch {
        #expect("\(error)".contains("of sizes near 0x6, "), "\(error)")
      }
    }
  }

  // MARK: Files

  /// Loads bytes as a model, and runs it if that succeeds. Only an error may come of damage.
  private func survives(_ bytes: [UInt8], at path: String) throws -> Bool {
    try Data(bytes).write(to: URL(filePath: path))
    do {
      let model = try ONNXModel(contentsOf: path)
      _ = try model.run([image])
      return true
    } catch is FormatError {
    } catch is ONNXError {}
    return false
  }

  private func withScratch(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "convnet-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
  }

  @Test func truncatedFilesAreRefused() throws {
    let bytes = Array(try Data(contentsOf: URL(filePath: Self.path("network.onnx"))))
    try withScratch { folder in
      for length in 0..<bytes.count {
        // The last message is the list of operator sets: all before it is a model of operator set 1.
        let isWhole = length > bytes.count - 8
        let survived = try survives(Array(bytes[..<length]), at: "\(folder)/model.onnx")
        #expect(!survived || isWhole)
      }
    }
  }

  @Test func damagedFilesTrapNowhere() throws {
    let bytes = Array(try Data(contentsOf: URL(filePath: Self.path("network.onnx"))))
    try withScratch { folder in
      var random = RandomStream(seed: 3, stream: 1)
      for _ in 0..<3000 {
        var damaged = bytes
        for _ in 0..<(1 + Int(random.uniform(0..<3))) {
          damaged[Int(random.uniform(0..<Float(bytes.count)))] = UInt8(random.uniform(0..<256))
        }
        _ = try survives(damaged, at: "\(folder)/model.onnx")
      }
    }
  }

  /// The layout of the ONNX project's light networks: no file of inputs, which count up from 0 to 1.
  @Test func lightNetworksAreGivenARamp() throws {
    var model = ONNXModelProto(nodes: [ONNXNodeProto("Add", ["x", "w"])], initializers: [ONNXTensorProto("w", [4])])
    var (free, four) = (ONNXTensorShapeProto.Dimension(), ONNXTensorShapeProto.Dimension())
    (free.dimParam, four.dimValue) = ("batch", 4)
    model.graph.input[0].type.tensorType.shape.dim = [free, four]
    try withScratch { folder in
      let stem = "\(folder)/light_net"
      try model.write(to: "\(stem).onnx")
      #expect(ONNXTestCase.find(in: folder).isEmpty)
      for (numbers, status) in [([1, 1.25, 1.5, 1.75], .passed), ([1, 1.25, 1.5, 2], .failed)]
        as [([Float], ONNXTestCase.Status)]
      {
        let bytes: [UInt8] = try ONNXTensorProto("y", [1, 4], numbers).serializedBytes()
        try Data(bytes).write(to: URL(filePath: "\(stem)_output_0.pb"))
        for path in [folder, "\(stem).onnx"] {
          let cases = ONNXTestCase.find(in: path)
          #expect(cases.map(\.name) == ["light_net"] && cases.map { $0.verify().status } == [status])
        }
      }
    }
  }

  @Test func unknownOperatorsAreListedTogether() throws {
    let nodes = ["Relu", "Fancy", "Odd", "Fancy"].map { ONNXNodeProto($0, []) }
    try withScratch { folder in
      try ONNXModelProto(nodes: nodes, inputs: []).write(to: "\(folder)/model.onnx")
      do {
        _ = try ONNXModel(contentsOf: "\(folder)/model.onnx")
        Issue.record("unknown operators were taken")
      } catch {
        #expect("\(error)" == "\(folder)/model.onnx: operators that are not supported: Fancy (2), Odd (1)")
      }
    }
  }

  @Test func externalDataStaysInTheModelsFolder() throws {
    func model(_ location: String) -> ONNXModelProto {
      ONNXModelProto(
        nodes: [ONNXNodeProto("Add", ["x", "w"])], initializers: [ONNXTensorProto("w", [2], externalData: location)])
    }
    try withScratch { folder in
      let path = "\(folder)/model.onnx"
      let numbers: [Float] = [1, 2]
      try numbers.withUnsafeBytes { Data($0) }.write(to: URL(filePath: "\(folder)/weights.bin"))
      try model("weights.bin").write(to: path)
      let network = try ONNXModel(contentsOf: path)
      #expect(try network.run([Tensor([Float(10), 20])])[0].scalars(as: Float.self) == [11, 22])
      for location in ["../weights.bin", "/etc/passwd", "", "a/../../b", "missing.bin"] {
        try model(location).write(to: path)
        #expect(throws: FormatError.self) { try ONNXModel(contentsOf: path) }
      }
      try Data(count: 5).write(to: URL(filePath: "\(folder)/weights.bin"))
      try model("weights.bin").write(to: path)
      #expect(throws: FormatError.self) { try ONNXModel(contentsOf: path) }
    }
  }
}

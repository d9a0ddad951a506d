import ConvNet
import Formats
import Foundation
import Testing

/// `run`, `verify` and `summary` on the ONNX fixture of ModelsTests.
@Suite struct ONNXCommandTests {
  static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "ModelsTests/Fixtures").path

  @Test func runsAModelOnArrays() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "convnet-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let model = "\(Self.fixtures)/network.onnx"
    let result = try Convnet.run(
      "run", model, "--input", "x=\(Self.fixtures)/network_x.npy", "--output", folder.path)
    #expect(result.status == 0)
    #expect(result.output == "\(folder.path)/y.npy: 2x3 float32\n")
    // The same header and as many numbers as ONNX Runtime's output, which ModelsTests compares one by one.
    let written = try Data(contentsOf: folder.appending(path: "y.npy"))
    #expect(written.count == (try Data(contentsOf: URL(fileURLWithPath: "\(Self.fixtures)/network_y.npy"))).count)

    let again = try Convnet.run(
      "run", model, "--input", "x=\(Self.fixtures)/network_x.npy", "--output", folder.path + "/")
    #expect(again.output == result.output)

    let missing = try Convnet.run("run", model, "--output", folder.path)
    #expect(missing.status == 1)
    #expect(missing.errorLines == ["convnet: \(model): input x is missing; add --input x=FILE.npy"])
  }

  @Test func summarisesAModel() throws {
    let summary = try Convnet.run("summary", "\(Self.fixtures)/network.onnx", "--input", "3x8x6", "--json").object
    #expect(summary["parameters"] as? Int == 359)
  }

  /// A network in a `.safetensors` file, as `convert` and `train` leave it, does all that the ONNX file does.
  @Test func savedNetworksAreModelsLikeOthers() throws {
    let folder = try TemporaryFolder()
    let saved = "\(folder.path)/network.safetensors"
    let converted = try Convnet.run("convert", "\(Self.fixtures)/network.onnx", saved)
    #expect(converted.status == 0, "\(converted.errors)")
    #expect(converted.output == "\(saved): \(Self.fixtures)/network.onnx, 359 parameters\n")

    let input = "x=\(Self.fixtures)/network_x.npy"
    for (model, name) in [("\(Self.fixtures)/network.onnx", "a"), (saved, "b")] {
      let result = try Convnet.run("run", model, "--input", input, "--output", "\(folder.path)/\(name)")
      #expect(result.status == 0, "\(result.errors)")
    }
    let outputs = try ["a", "b"].map { try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\($0)/y.npy")) }
    #expect(outputs[0] == outputs[1])

    let summary = try Convnet.run("summary", saved, "--input", "3x8x6", "--json").object
    #expect(summary["parameters"] as? Int == 359)
    let filters = try Convnet.run("lab", "filters", saved, "--output", "\(folder.path)/filters.png")
    #expect(filters.status == 0, "\(filters.errors)")
    // Its outputs have no names.
    for model in ["\(Self.fixtures)/network.onnx", saved] {
      let prediction = try Convnet.run("predict", model, "\(folder.path)/filters.png")
      #expect(prediction.status == 1)
      #expect(
        prediction.errors.hasPrefix("convnet: \(model): a network from ONNX does not say how to prepare pictures"))
    }
  }

  /// A model file of this library on an array.
  @Test func runsModelFiles() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/model.safetensors"
    let configuration = ModelConfiguration(name: "lenet", channels: 1, classes: 3, imageSize: [28, 28])
    let model = AnyLayer(try ModelRegistry.make(configuration, seed: 2))
    let description = ImageClassifier.Description(
      architecture: configuration, classNames: ["a", "b", "c"],
      preprocessing: ImagePreprocessing(channels: 1, height: 28, width: 28),
      provenance: .init(library: "test", data: "none", trainingImages: 0, seed: 2))
    try ImageClassifier(model, description).write(to: path)
    let x = Tensor((0..<2 * 784).map { Float($0 % 37) / 37 }, shape: [2, 1, 28, 28])
    try NPY.write(x, to: "\(folder.path)/x.npy")

    let result = try Convnet.run("run", path, "--input", "input=\(folder.path)/x.npy", "--output", folder.path)
    #expect(result.output == "\(folder.path)/output.npy: 2x3 float32\n", "\(result.errors)")
    let output: [Float] = try NPY.read("\(folder.path)/output.npy").scalars()
    #expect(output == (try compile(model, input: x.shape).run([x])[0].scalars()))

    try NPY.write(.zeros([2, 1, 40, 28]), to: "\(folder.path)/large.npy")
    try NPY.write(Tensor([Int32(1), 2]), to: "\(folder.path)/whole.npy")
    for (arguments, text) in [
      (["--input", "x=\(folder.path)/x.npy"], "input input is missing; add --input input=FILE.npy"),
      (
        ["--input", "input=\(folder.path)/x.npy", "--input", "y=\(folder.path)/x.npy"],
        "has no input y; its inputs are: input"
      ),
      (["--input", "input=\(folder.path)/large.npy"], "of sizes near 40x28"),
      (["--input", "input=\(folder.path)/whole.npy"], "must be float32 numbers, but got 2 int32"),
    ] {
      let result = try Convnet.run(["run", path, "--output", folder.path] + arguments)
      #expect(result.status == 1 && result.errorLines.count == 1)
      #expect(result.errors.contains(text), "\(result.errors)")
    }
    let bare = try Convnet.run("run", "lenet", "--input", "input=\(folder.path)/x.npy", "--output", folder.path)
    #expect(bare.status == 1 && bare.errors.contains("no published weights for lenet"))
  }

  @Test func refusesAFolderWithoutCases() throws {
    let result = try Convnet.run("verify", Self.fixtures)
    #expect(result.status == 1)
    #expect(
      result.errorLines == [
        "convnet: \(Self.fixtures): no case found; a case is a folder with model.onnx, or NAME.onnx beside NAME_output_0.pb"
      ])
  }
}

import Formats
import Foundation
import Layers
import Models
import Testing

@Suite struct WeightLoadingTests {
  private let configuration = ModelConfiguration(name: "resnet20", channels: 3, classes: 5, imageSize: [32, 32])
  private let tensors: [String: Tensor]

  init() throws { tensors = try Self.tensors(ModelRegistry.make(configuration, seed: 3)) }

  private static func tensors(_ model: any Layer) -> [String: Tensor] {
    Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor) })
  }

  private func model(channels: Int = 3, classes: Int = 5) throws -> AnyLayer {
    var configuration = configuration
    (configuration.channels, configuration.classes) = (channels, classes)
    return AnyLayer(try ModelRegistry.make(configuration, seed: 9))
  }

  private func errorText(_ tensors: [String: Tensor], _ model: AnyLayer) -> String {
    do {
      _ = try model.loading(tensors, from: "w")
      return ""
    } catch { return "\(error)" }
  }

  @Test func whatFitsIsLoaded() throws {
    let (model, report) = try model().loading(tensors, from: "w")
    #expect(Self.tensors(model).mapValues(\.bits) == tensors.mapValues(\.bits))
    #expect(report.loaded.count == tensors.count)
    #expect(report.adapted.isEmpty && report.new.isEmpty && report.unused.isEmpty && report.naming == nil)
    #expect(report.description == "\(tensors.count) tensors loaded, 0 adapted, 0 new, 0 unused")
  }

  /// A renamed key, a missing tensor and a wrong shape at once.
  @Test func everyDifferenceIsListed() throws {
    var changed = tensors
    changed["conv1.wieght"] = changed.removeValue(forKey: "conv1.weight")
    changed["bn1.bias"] = nil
    changed["linear.bias"] = .zeros([7])
    #expect(
      errorText(changed, try model())
        == "w: the weights do not fit the model; missing: conv1.weight (the file has conv1.wieght), bn1.bias; "
        + "not in the model: conv1.wieght; of another shape: linear.bias is 7, the model needs 5; "
        + "if that is meant: --allow-missing --allow-unused --new-head")

    let own = try model()
    let (loaded, report) = try own.loading(changed, from: "w", allowing: [.missing, .unused, .newHead])
    #expect(report.new == ["conv1.weight", "bn1.bias", "linear.weight", "linear.bias"])
    #expect(report.unused == ["conv1.wieght", "linear.bias", "linear.weight"].filter { $0.hasPrefix("conv1") })
    let (found, initial) = (Self.tensors(loaded), Self.tensors(own))
    for name in report.new { #expect(found[name]?.bits == initial[name]?.bits, "\(name)") }
    for name in report.loaded { #expect(found[name]?.bits == tensors[name]?.bits, "\(name)") }
  }

  @Test func aNewHeadForOtherClasses() throws {
    let own = try model(classes: 12)
    #expect(errorText(tensors, own).hasSuffix("if that is meant: --new-head"))
    let (loaded, report) = try own.loading(tensors, from: "w", allowing: .newHead)
    #expect(report.new == ["linear.weight", "linear.bias"])
    #expect(Self.tensors(loaded)["linear.weight"]?.shape == [12, 64])
    #expect(report.description.hasSuffix("2 new (linear.weight, linear.bias), 0 unused"))
  }

  /// A grey picture through the adapted network gives what its RGB copy gives through the original.
  @Test func theFirstConvolutionAdaptsToChannels() throws {
    #expect(errorText(tensors, try model(channels: 1)).hasSuffix("if that is meant: --adapt-channels"))
    let (original, _) = try model().loading(tensors, from: "w")
    let grey = uniform([2, 1, 32, 32], stream: inputStream)
    let expected = original(concatenate([grey, grey, grey], along: 1))
    for channels in [1, 6] {
      let (adapted, report) = try model(channels: channels).loading(tensors, from: "w", allowing: .channels)
      #expect(report.adapted == ["conv1.weight"])
      let x = concatenate([Tensor](repeating: grey, count: channels), along: 1)
      #expect(difference(adapted(x), expected) < 1e-4, "\(channels)")
    }
    let four = try model(channels: 4).loading(tensors, from: "w", allowing: .channels).model
    let (wide, narrow) = (try #require(Self.tensors(four)["conv1.weight"]), try #require(tensors["conv1.weight"]))
    let (a, b): ([Float], [Float]) = (wide.scalars(), narrow.scalars())
    // The fourth channel repeats the first; both by 3/4.
    #expect(a[0] == b[0] * 0.75 && a[27] == b[0] * 0.75 && a[9] == b[9] * 0.75)
  }

  /// A parallel model, a compiled one, a module of Lightning, an averaged one; each within each other.
  @Test(arguments: [
    "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "net.module.", "model.", "encoder.",
    "model.backbone.net.",
  ])
  func prefixesOfEnclosingModulesAreTakenOff(prefix: String) throws {
    var wrapped = Dictionary(uniqueKeysWithValues: tensors.map { (prefix + $0.key, $0.value) })
    wrapped["n_averaged"] = .zeros([])
    let (model, report) = try model().loading(wrapped, from: "w")
    #expect(report.naming == "an enclosing module's (\(prefix)*)" && report.loaded.count == tensors.count)
    #expect(Self.tensors(model).mapValues(\.bits) == tensors.mapValues(\.bits))
    // What else it holds is listed as it is called there.
    wrapped["projection.weight"] = .zeros([3])
    #expect(errorText(wrapped, try self.model()).contains("not in the model: projection.weight;"))
  }

  @Test func prefixesStandBeforeForeignNamesToo() throws {
    let structure = try ModelRegistry.makeStructure(ModelRegistry.architecture(named: "mobilenet_v2").standard)
    let pairs = try fixture("timm_names.txt").filter { $0[0] == "mobilenet_v2" }
    let shapes = Dictionary(uniqueKeysWithValues: structure.parameters.map { ($0.path, $0.tensor.shape) })
    let file = Dictionary(
      uniqueKeysWithValues: pairs.map { ("module." + $0[1], Tensor.zeros(shapes[String($0[2])] ?? [])) })
    let report = try AnyLayer(structure).loading(file, from: "w").report
    #expect(report.naming == "an enclosing module's (module.*) and timm's" && report.loaded.count == pairs.count)
  }

  /// timm's names and the package's of EfficientNet-Lite: every tensor must find its place, and no other.
  @Test(arguments: ["vgg16", "mobilenet_v2", "convnext_small", "preact_resnet50", "efficientnet_lite0"])
  func foreignNamesFindTheirPlace(architecture: String) throws {
    let structure = try ModelRegistry.makeStructure(ModelRegistry.architecture(named: architecture).standard)
    let isPackages = architecture == "efficientnet_lite0"
    let own = structure.parameters
    // The package's names come in the order of the model's own.
    let pairs: [(foreign: String, own: String)] =
      isPackages
      ? zip(try fixture("efficientnet_lite0_names.txt"), own).map { (String($0[0]), $1.path) }
      : try fixture("timm_names.txt").filter { $0[0] == architecture }.map { (String($0[1]), String($0[2])) }
    #expect(pairs.map(\.own).sorted() == own.map(\.path).sorted())
    // One number is the tensor's own, so that a swap of equal shapes shows.
    let shapes = Dictionary(uniqueKeysWithValues: own.map { ($0.path, $0.tensor.shape) })
    var file: [String: Tensor] = [:]
    for (index, pair) in pairs.enumerated() {
      var shape = try #require(shapes[pair.own])
      // Its linear layers are convolutions there.
      if pair.foreign == "pre_logits.fc1.weight" { shape = [4096, 512, 7, 7] }
      file[pair.foreign] = Tensor(shape: shape, of: Float.self) { $0.initialize(repeating: Float(index)) }
    }
    let (model, report) = try AnyLayer(structure).loading(file, from: "w")
    #expect(report.naming == (isPackages ? "efficientnet_pytorch's" : "timm's"))
    #expect(report.new.isEmpty && report.unused.isEmpty)
    let numbers = Dictionary(uniqueKeysWithValues: pairs.enumerated().map { ($1.own, Float($0)) })
    for parameter in model.parameters {
      let number = parameter.tensor.withUnsafeBuffer(of: Float.self) { $0[0] }
      #expect(number == numbers[parameter.path], "\(parameter.path)")
    }
  }

  /// The heads of training are for classes too; of U-Net, the last convolution is.
  @Test func newHeadsOfOtherModels() throws {
    func load(_ name: String, _ classes: Int, from: Int) throws -> WeightReport {
      var configuration = try ModelRegistry.architecture(named: name).standard
      configuration.classes = from
      let file = Self.tensors(try ModelRegistry.makeStructure(configuration)).mapValues { Tensor.zeros($0.shape) }
      configuration.classes = classes
      let model = AnyLayer(try ModelRegistry.makeStructure(configuration))
      if classes != from { #expect(errorText(file, model).hasSuffix("if that is meant: --new-head")) }
      return try model.loading(file, from: "w", allowing: .newHead).report
    }
    let heads = ["aux1.fc2.weight", "aux1.fc2.bias", "aux2.fc2.weight", "aux2.fc2.bias", "fc.weight", "fc.bias"]
    #expect(try load("googlenet_aux", 5, from: 1000).new == heads)
    #expect(try load("googlenet_aux", 1000, from: 1000).new == ["fc.weight", "fc.bias"])
    #expect(try load("unet", 5, from: 2).new == ["head.weight", "head.bias"])
    #expect(try load("unet_same", 1, from: 21).new == ["head.weight", "head.bias"])
    #expect(try load("convnext_tiny", 5, from: 1000).new == ["classifier.2.weight", "classifier.2.bias"])
    #expect(try load("lenet_1998", 5, from: 10).new == ["output.codes"])
    #expect(try load("lenet_1998_linear", 5, from: 10).new == ["output.linear.weight", "output.linear.bias"])
  }

  /// A legacy stream, an npz and safetensors of one model load alike; text beside them is kept.
  @Test func filesOfAllFormatsLoad() throws {
    let folder = NSTemporaryDirectory() + "convnet-weights-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Safetensors.write(tensors, metadata: ["note": "x"], to: folder + "/a.safetensors")
    let first = try WeightsFile(contentsOf: folder + "/a.safetensors")
    try first.write(to: folder + "/b.npz")
    // The content decides, not the name.
    try FileManager.default.moveItem(atPath: folder + "/b.npz", toPath: folder + "/b.safetensors")
    let second = try WeightsFile(contentsOf: folder + "/b.safetensors")
    #expect(first.format == .safetensors && second.format == .npz && first.metadata == ["note": "x"])
    for file in [first, second] {
      let (model, _) = try model().loading(file.tensors, from: file.path)
      #expect(Self.tensors(model).mapValues(\.bits) == tensors.mapValues(\.bits))
    }
    let listing = try WeightsListing(of: folder + "/b.safetensors")
    #expect(listing.format == "npz" && listing.tensors.count == tensors.count)
    let error = #expect(throws: FormatError.self) { try first.write(to: folder + "/a.pth") }
    #expect(error?.description.contains("written as .safetensors or .npz") == true)
  }

  /// A header of 0x..08 bytes begins as an ONNX file does.
  @Test func safetensorsIsNotTakenForONNX() throws {
    let path = NSTemporaryDirectory() + "convnet-\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    var first: UInt8?
    for count in 0..<256 where first != 8 {
      try Safetensors.write([:], metadata: ["note": String(repeating: "x", count: count)], to: path)
      first = try Data(contentsOf: URL(filePath: path)).first
    }
    #expect(first == 8)
    #expect(try WeightsListing(of: path).format == "safetensors")
  }

  @Test func onnxModelsAreListed() throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/network.onnx").path
    let listing = try WeightsListing(of: path)
    #expect(listing.format == "ONNX" && !listing.tensors.isEmpty && listing.metadata["opset"] != nil)
  }
}

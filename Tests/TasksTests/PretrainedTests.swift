import Formats
import Foundation
import Models
import Tasks
import Testing
import Training

/// Published weights on photographs, from the bytes of JPEG and PNG files to the classes: PyTorch's five most probable
/// ones, within 1e-3. Nothing of this can lie in the repository, so the tests run where `CONVNET_WEIGHTS` is a folder of
/// the weights, and `CONVNET_PHOTOGRAPHS` one or several (with colons) of the photographs; see
/// `Fixtures/make_pretrained.py` for where both come from.
@Suite struct PretrainedTests {
  private struct Row {
    var model: String
    var photograph: String
    var top: [(index: Int, probability: Float)]
  }

  private static let folders: [String] = {
    let given = ProcessInfo.processInfo.environment["CONVNET_PHOTOGRAPHS"] ?? ""
    return given.split(separator: ":").map(String.init) + ["/usr/share/doc/opencv-doc/examples/data"]
  }()

  @Test(arguments: ["mobilenet_v2", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"])
  func photographsGetPyTorchsClasses(name: String) throws {
    guard ProcessInfo.processInfo.environment["CONVNET_WEIGHTS"] != nil else {
      print("skipped: \(name) on photographs, because CONVNET_WEIGHTS names no folder of weights")
      return
    }
    let classifier: ImageClassifier
    do {
      classifier = try ImageClassifier(pretrained: name)
    } catch let error as ModelError {
      print("skipped: \(error)")
      return
    }
    #expect(classifier.description.pretrained?.architecture == name)
    #expect(classifier.description.pretrained?.sha256.count == 64)
    for row in try Self.rows() where row.model == name {
      let paths = Self.folders.map { "\($0)/\(row.photograph)" }
      guard let path = paths.first(where: FileManager.default.fileExists) else {
        print("skipped: \(row.photograph), which is in none of: \(Self.folders.joined(separator: ", "))")
        continue
      }
      let found = try classifier.predict(contentsOf: path, top: 5)
      #expect(found.map(\.index) == row.top.map(\.index), "\(name) \(row.photograph)")
      for (found, expected) in zip(found, row.top) {
        #expect(abs(found.probability - expected.probability) < 1e-3, "\(name) \(row.photograph): \(found)")
      }
    }
  }

  private static func rows() throws -> [Row] {
    let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/pretrained.txt")
    return try String(contentsOf: path, encoding: .utf8).split(separator: "\n").map { line in
      let parts = line.split(separator: " ").map(String.init)
      let numbers = Array(parts[2...])
      return Row(
        model: parts[0], photograph: parts[1],
        top: try stride(from: 0, to: numbers.count, by: 2).map {
          (try #require(Int(numbers[$0])), try #require(Float(numbers[$0 + 1])))
        })
    }
  }

  @Test func recordsAreConsistent() throws {
    #expect(PretrainedRecord.imageNetClassNames.count == 1000)
    #expect(PretrainedRecord.imageNetClassNames[285] == "Egyptian cat")
    #expect(PretrainedRecord.imageNetClassNames[999] == "toilet tissue")
    for record in PretrainedRecord.published {
      // The file's own name carries the beginning of its hash.
      #expect(record.fileName.contains(record.sha256.prefix(8)), "\(record.fileName)")
      #expect(record.sha256.allSatisfy(\.isHexDigit) && [8, 64].contains(record.sha256.count))
      #expect(try record.preprocessing().shape == Shape([3] + record.imageSize))
      #expect(record.resize >= record.imageSize[0])
    }
    #expect(try PretrainedRecord.find(named: "mobilenet_v2").first?.preprocessing() == .imageNet)
    #expect(PretrainedRecord.find(named: "resnet50:IMAGENET1K_V2").map(\.resize) == [232])
    #expect(message { _ = try ImageClassifier(pretrained: "r3d_18") }.contains("are for clips of Kinetics-400"))
  }

  @Test func aMissingFileSaysWhatItIsCalled() throws {
    let scratch = try Scratch()
    let text = message { _ = try ImageClassifier(pretrained: "mobilenet_v2", in: WeightsFolder(scratch.path)) }
    #expect(
      text
        == "the weights of mobilenet_v2 (IMAGENET1K_V1) are not in \(scratch.path): the file is usually called "
        + "mobilenet_v2-b0353104.pth (14212972 bytes, SHA-256 "
        + "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889) and comes from torchvision's published "
        + "weights: its documentation of the model links to IMAGENET1K_V1; put it there or set CONVNET_WEIGHTS to its "
        + "folder")
    try scratch.write([1, 2, 3], to: "mobilenet_v2-b0353104.pth")
    let damaged = message { _ = try ImageClassifier(pretrained: "mobilenet_v2", in: WeightsFolder(scratch.path)) }
    #expect(
      damaged.hasSuffix(
        "damaged or another file than mobilenet_v2-b0353104.pth: it has 3 bytes, the published file 14212972 bytes; "
          + "fetch it again"), "\(damaged)")
    try scratch.write([UInt8](repeating: 0, count: 14_212_972), to: "mobilenet_v2-b0353104.pth")
    let changed = message { _ = try ImageClassifier(pretrained: "mobilenet_v2", in: WeightsFolder(scratch.path)) }
    #expect(changed.contains("its SHA-256 begins with "), "\(changed)")
    let other = message { _ = try ImageClassifier(pretrained: "resnet50", in: WeightsFolder(scratch.path)) }
    #expect(other.contains("resnet50-0676ba61.pth (about 102.5 MB, SHA-256 beginning with 0676ba61)"), "\(other)")
    let unknown = message { _ = try ImageClassifier(pretrained: "lenet", in: WeightsFolder(scratch.path)) }
    #expect(unknown.hasPrefix("there are no published weights for lenet"), "\(unknown)")
  }

  /// GoogLeNet's file has auxiliary heads: the network without them leaves them out, the one with them takes them.
  @Test func theRecordOfGoogLeNetFitsItsFile() throws {
    let scratch = try Scratch()
    let records = PretrainedRecord.published.filter { $0.fileName == "googlenet-1378be20.pth" }
    #expect(records.map(\.architecture) == ["googlenet", "googlenet_aux"])
    let whole = try ModelRegistry.make(ModelRegistry.architecture(named: "googlenet_aux").standard, seed: 2)
    let tensors = Dictionary(uniqueKeysWithValues: whole.parameters.map { ($0.path, $0.tensor) })
    let numbers = AnyLayer(whole).bits
    let path = scratch.path + "/googlenet.safetensors"
    try Safetensors.write(tensors, metadata: [:], to: path)
    for record in records {
      let classifier = try ImageClassifier(record, contentsOf: path)
      #expect(classifier.description.preprocessing.mean == [0.5, 0.5, 0.5])
      #expect(classifier.model.parameterCount == (record.architecture == "googlenet" ? 6_624_904 : 13_004_888))
      for (name, bits) in classifier.model.bits { #expect(bits == numbers[name], "\(name)") }
    }
  }

  /// A state dict that was trained elsewhere becomes a model file that says how to use it.
  @Test func weightsFromElsewhereBecomeModels() throws {
    let scratch = try Scratch()
    var configuration = try ModelRegistry.architecture(named: "lenet").standard
    (configuration.channels, configuration.classes) = (3, 7)
    let trained = AnyLayer(try ModelRegistry.make(configuration, seed: 5))
    let path = scratch.path + "/elsewhere.safetensors"
    let tensors = trained.parameters.map { ("module." + $0.path, $0.tensor) }
    try Safetensors.write(Dictionary(uniqueKeysWithValues: tensors), metadata: [:], to: path)
    let names = (0..<7).map { "class \($0)" }
    let (made, notes) = try ImageClassifier.ofWeights(path, classNames: names, mean: [0.1, 0.2, 0.3], std: [1, 2, 3])
    #expect(made.description.architecture == configuration && made.description.classNames == names)
    #expect(made.description.preprocessing.std == [1, 2, 3] && made.description.preprocessing.resize == .stretch)
    #expect(made.model.bits == trained.bits)
    #expect(
      notes.count == 2 && notes[0].hasSuffix("lenet, RGB, 7 classes") && notes[1].hasPrefix("10 tensors loaded")
        && notes[1].contains("(module.*)"), "\(notes)")
    #expect(try ImageClassifier.ofWeights(path).classifier.description.classNames == (0..<7).map(String.init))

    let model = scratch.path + "/model.safetensors"
    try made.write(to: model)
    #expect(try ImageClassifier(contentsOf: model).description == made.description)
    #expect(
      message { _ = try ImageClassifier(contentsOf: path) }.contains("`convnet convert \(path) model.safetensors"))
    #expect(
      message { _ = try ImageClassifier.ofWeights(path, classNames: ["a"]) }
        == "\(path): the network has 7 outputs, but there are 1 class names")
    #expect(message { _ = try ImageClassifier.ofWeights(path, allowing: .newHead) }.contains("give --class-names"))
    let head = try ImageClassifier.ofWeights(path, classNames: ["a", "b"], allowing: .newHead).classifier
    #expect(head.description.architecture.classes == 2 && head.model.bits["fc2.weight"] == trained.bits["fc2.weight"])
    #expect(message { _ = try ImageClassifier.ofWeights(path, mean: [1]) }.contains("takes 3 channels"))
    #expect(message { _ = try ImageClassifier.ofWeights(path, std: [1, 0, 1]) }.contains("must be positive"))
    #expect(message { _ = try ImageClassifier.ofWeights(path, modelName: "unet") }.contains("does not classify images"))
    #expect(
      message { _ = try ImageClassifier.ofWeights(path, modelName: "vgg_small") }.contains("do not fit the model"))
  }

  /// Rates as people write them, not as products come out; a tenth for networks without norms.
  @Test func standardRatesAreRound() throws {
    let adam = Optimizer.adamW(learningRate: 1).settings.rule
    let sgd = Optimizer.sgd(learningRate: 1).settings.rule
    for (name, expected) in [("lenet", [0.003, 0.05]), ("vgg11", [0.0003, 0.005]), ("alexnet", [0.0003, 0.005])] {
      let found = try [adam, sgd].map { try ClassifierJob.standardLearningRate(of: $0, for: name) }
      #expect(found == expected, "\(name)")
    }
  }

  /// A model that is written with its record reads back with it.
  @Test func theRecordTravelsWithTheModel() throws {
    let scratch = try Scratch()
    let record = try #require(PretrainedRecord.find(named: "resnet18").first)
    let configuration = ModelConfiguration(name: "resnet20", channels: 3, classes: 10, imageSize: [32, 32])
    let model = AnyLayer(try ModelRegistry.make(configuration))
    let description = ImageClassifier.Description(
      architecture: configuration, classNames: (0..<10).map { "\($0)" },
      preprocessing: ImagePreprocessing(height: 32, width: 32),
      provenance: .init(library: "test", data: record.dataset, trainingImages: 1, seed: 0), pretrained: record)
    let path = scratch.path + "/model.safetensors"
    try ImageClassifier(model, description).write(to: path)
    let read = try ImageClassifier(contentsOf: path)
    #expect(read.description == description)
    #expect(read.model.bits == model.bits)

    // Features stack, one row a picture, and the head's input is what the last layer reads.
    try scratch.writePictures(in: "pictures", count: 1)
    let pictures = ["cat", "dog"].map { "\(scratch.path)/pictures/\($0)/0.png" }
    #expect(try read.features(ofFilesAt: pictures).shape == [2, 64])
    let layer3 = try read.features(ofFilesAt: pictures, layer: "layer3")
    #expect(layer3.shape == [2, 64, 8, 8])
    #expect(
      try layer3.scalars(as: Float.self).suffix(4096)
        == read.features(ofFilesAt: [pictures[1]], layer: "layer3").scalars(as: Float.self)[...])
    let unknown = message { _ = try read.features(ofFilesAt: pictures, layer: "layer5") }
    #expect(unknown.contains("no layer named \"layer5\"") && unknown.contains("layer3"), "\(unknown)")
  }
}

import Formats
import Foundation
import Tasks
import Testing

@Suite struct ImageClassifierTests {
  /// Five steps on the embedded pictures, shared by the tests.
  private struct Trained: Sendable {
    let classifier: ImageClassifier
    /// Of its model file.
    let bytes: [UInt8]
    let images: IDXDataset

    init() throws {
      let scratch = try Scratch()
      let training = try ClassifierTraining(
        job(nil, epochs: 1) {
          $0.training.maximumSteps = 5
          $0.imageSize = nil
        })
      let run = RunFolder(scratch.path + "/run")
      let outcome = try training.run(in: run, writesReport: false)
      classifier = ImageClassifier(outcome.model, training.record.model)
      bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: run.modelPath)))
      images = try EmbeddedFashionMNIST.load().test
    }

    func picture(_ index: Int) -> Image {
      Image(width: 28, height: 28, channels: 1, pixels: Array(images.pixels(at: index)))
    }
  }

  private static let trained = Result { try Trained() }

  @Test func aModelFilePredictsLikeTheModel() throws {
    let trained = try Self.trained.get()
    let scratch = try Scratch()
    try scratch.write(trained.bytes, to: "model.safetensors")
    let loaded = try ImageClassifier(contentsOf: scratch.path + "/model.safetensors")
    #expect(loaded.description == trained.classifier.description)
    #expect(loaded.model.bits == trained.classifier.model.bits)
    for index in 0..<20 {
      let expected = try trained.classifier.predict(trained.picture(index), top: 10)
      #expect(try loaded.predict(trained.picture(index), top: 10) == expected)
      #expect(Set(expected.map(\.className)) == Set(EmbeddedFashionMNIST.classNames))
      #expect(zip(expected, expected.dropFirst()).allSatisfy { $0.probability >= $1.probability })
      #expect(abs(expected.reduce(0) { $0 + $1.probability } - 1) < 1e-5)
      #expect(expected.allSatisfy { EmbeddedFashionMNIST.classNames[$0.index] == $0.className })
    }
    #expect(try loaded.predict(trained.picture(0), top: 3).count == 3)
    #expect(try loaded.predict(trained.picture(0), top: 99).count == 10)
  }

  /// A predictor answers as the classifier does and lets the network's weights go.
  @Test func aPredictorHoldsPackedWeightsAlone() throws {
    let trained = try Self.trained.get()
    let scratch = try Scratch()
    try scratch.write(trained.bytes, to: "model.safetensors")
    let classifier = try ImageClassifier(contentsOf: scratch.path + "/model.safetensors")
    weak let weight = classifier.model.parameters.first { $0.tensor.rank == 4 }?.tensor.storage
    #expect(weight != nil)
    let predictor = try ImagePredictor(consume classifier)
    #expect(weight == nil)
    #expect(predictor.description == trained.classifier.description)
    for index in 0..<5 {
      let picture = trained.picture(index)
      #expect(try predictor.predict(picture, top: 10) == trained.classifier.predict(picture, top: 10))
    }
  }

  @Test func itPredictsFilesAndEvaluatesAsItPredicts() throws {
    let trained = try Self.trained.get()
    let scratch = try Scratch()
    try scratch.write(trained.bytes, to: "model.safetensors")
    let file = scratch.path + "/picture.png"
    try trained.picture(3).writePNG(to: file)
    #expect(try trained.classifier.predict(contentsOf: file) == trained.classifier.predict(trained.picture(3)))
    let gone = message { _ = try trained.classifier.predict(contentsOf: scratch.path + "/none.png") }
    #expect(gone.contains("none.png"))

    let pictures = try LabeledImages.openForEvaluation(nil, classNames: trained.classifier.description.classNames)
    let report = try trained.classifier.evaluate(pictures)
    #expect(report.images == 1000 && report.classes.map(\.support) == .init(repeating: 100, count: 10))
    let right = try (0..<1000).count { index in
      try trained.classifier.predict(trained.picture(index), top: 1)[0].index == trained.images.label(at: index)
    }
    #expect(report.accuracy == Double(right) / 1000)
    #expect(report.accuracy > 0.15)
  }

  /// A picture and its mirror image count alike, so that mirrored pictures are judged as the pictures are.
  @Test func withMirrorImagesThereIsNoLeftAndRight() throws {
    let trained = try Self.trained.get()
    let names = trained.classifier.description.classNames
    let folders = try [false, true].map { mirrored in
      let scratch = try Scratch()
      for index in 0..<60 {
        var pixels = Array(trained.images.pixels(at: index))
        if mirrored { pixels = stride(from: 0, to: 784, by: 28).flatMap { pixels[$0..<$0 + 28].reversed() } }
        let name = names[trained.images.label(at: index)].replacingOccurrences(of: "/", with: "-")
        try FileManager.default.createDirectory(atPath: scratch.path + "/" + name, withIntermediateDirectories: true)
        try Image(width: 28, height: 28, channels: 1, pixels: pixels).writePNG(
          to: "\(scratch.path)/\(name)/\(index).png")
      }
      return scratch
    }
    var description = trained.classifier.description
    description.classNames = names.map { $0.replacingOccurrences(of: "/", with: "-") }
    let classifier = ImageClassifier(trained.classifier.model, description)
    let pictures = try folders.map { try LabeledImages.openForEvaluation($0.path, classNames: description.classNames) }
    let (plain, both) = try withExtendedLifetime(folders) {
      try (
        pictures.map { try classifier.evaluate($0).loss },
        pictures.map { try classifier.evaluate($0, mirrors: true).loss }
      )
    }
    #expect(plain[0] != plain[1])
    #expect(abs(both[0] - both[1]) < 1e-6)
    // By convexity the mean probability of the right class is better than the worse of both.
    #expect(both[0] < max(plain[0], plain[1]))
  }

  @Test func anyChangedByteIsNoticed() throws {
    let trained = try Self.trained.get()
    let scratch = try Scratch()
    try scratch.write(trained.bytes, to: "model.safetensors")
    let whole = trained.bytes
    let damagedPath = scratch.path + "/damaged.safetensors"
    for position in stride(from: 2, to: whole.count, by: whole.count / 60) {
      var damaged = whole
      damaged[position] ^= 1
      try scratch.write(damaged, to: "damaged.safetensors")
      let text = message { _ = try ImageClassifier(contentsOf: damagedPath) }
      #expect(text.hasPrefix(damagedPath) && !text.contains("\n"), "byte \(position): \(text)")
    }
    for count in [0, 7, 100, whole.count - 1] {
      try scratch.write(Array(whole.prefix(count)), to: "damaged.safetensors")
      #expect(message { _ = try ImageClassifier(contentsOf: damagedPath) }.hasPrefix(damagedPath))
    }
  }

  @Test func weightsThatDoNotFitAreAllNamed() throws {
    let trained = try Self.trained.get()
    let scratch = try Scratch()
    try scratch.write(trained.bytes, to: "model.safetensors")
    var (tensors, metadata) = try Safetensors.read(scratch.path + "/model.safetensors")
    tensors["conv1.wieght"] = tensors.removeValue(forKey: "conv1.weight")
    tensors["fc3.bias"] = .zeros([11])
    tensors["fc4.weight"] = .zeros([1])
    let path = scratch.path + "/other.safetensors"
    try Safetensors.write(tensors, metadata: metadata, to: path)
    let text = message { _ = try ImageClassifier(contentsOf: path) }
    #expect(text.hasPrefix("\(path): the weights do not fit the model"))
    for part in [
      "missing: conv1.weight (the file has conv1.wieght)", "not in the model: conv1.wieght, fc4.weight",
      "fc3.bias is 11, the model needs 10",
    ] {
      #expect(text.contains(part), "\(text)")
    }
    // The same for initial weights of a training.
    let training = message { _ = try ClassifierTraining(job(nil) { $0.weightsPath = path }) }
    #expect(training.contains("conv1.wieght"), "\(training)")
  }

  @Test func aFileWithoutDescriptionSaysWhatToDo() throws {
    let trained = try Self.trained.get()
    let scratch = try Scratch()
    try scratch.write(trained.bytes, to: "model.safetensors")
    let tensors = try Safetensors.read(scratch.path + "/model.safetensors").tensors
    let path = scratch.path + "/bare.safetensors"
    try Safetensors.write(tensors, to: path)
    let text = message { _ = try ImageClassifier(contentsOf: path) }
    #expect(text.hasPrefix(path) && text.contains("no description") && text.contains("--model"), "\(text)")

    for description in ["{", "{}", "[]", "", #"{"format":1,"architecture":{"name":"lenet"}}"#] {
      try Safetensors.write(tensors, metadata: ["convnet.model": description], to: path)
      let text = message { _ = try ImageClassifier(contentsOf: path) }
      #expect(text.hasPrefix(path) && text.contains("description"), "\(text)")
    }
  }

  /// Descriptions that read well but make no sense must end in an error, not in a trap or a huge allocation.
  @Test func senselessDescriptionsAreRefused() throws {
    let trained = try Self.trained.get()
    let scratch = try Scratch()
    try scratch.write(trained.bytes, to: "model.safetensors")
    let (tensors, metadata) = try Safetensors.read(scratch.path + "/model.safetensors")
    let json = try #require(metadata["convnet.model"])
    let path = scratch.path + "/senseless.safetensors"
    for (from, to) in [
      (#""name":"lenet""#, #""name":"lenot""#), (#""channels":1"#, #""channels":0"#),
      (#""channels":1"#, #""channels":-1"#),
      (#""channels":1"#, #""channels":2"#), (#""channels":1"#, #""channels":4000000000000"#),
      (#""image_size":[32,32]"#, #""image_size":[32]"#), (#""image_size":[32,32]"#, #""image_size":[8,8]"#),
      (#""image_size":[32,32]"#, #""image_size":[3037000500,3037000500]"#),
      (#""image_size":[32,32]"#, #""image_size":[9223372036854775807,9223372036854775807]"#),
      (#""classes":10"#, #""classes":9"#), (#""classes":10"#, #""classes":1000000000000"#),
      (#""image_size":[32,32]"#, #""image_size":[16384,16384]"#), (#""size":[32,32]"#, #""size":[0,32]"#),
      (#""Coat","#, ""), (#""size":[32,32]"#, #""size":[48,48]"#),
    ] {
      let changed = json.replacingOccurrences(of: from, with: to)
      #expect(changed != json, "\(from)")
      try Safetensors.write(tensors, metadata: ["convnet.model": changed], to: path)
      let text = message { _ = try ImageClassifier(contentsOf: path) }
      #expect(!text.isEmpty && !text.contains("\n"), "\(to)")
    }
  }
}

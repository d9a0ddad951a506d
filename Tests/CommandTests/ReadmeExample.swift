// The README's example, compiled with the tests; ReadmeTests checks that the two are the same text.
import ConvNet

func readmeExample() throws {
  // 6,000 pictures of clothes that are embedded in the library, and 1,000 to validate on.
  let (train, test) = try EmbeddedFashionMNIST.load()
  let model = withSeed(1) { LeNet(imageSize: [28, 28]) }

  let trainer = Trainer(
    model, optimizer: .adamW(learningRate: 0.002),
    options: TrainingOptions(epochs: 3, batchSize: 64, schedule: .init(.oneCycle)))
  let outcome = try trainer.fit(train, validation: test) { event in
    if case .epoch(let metrics, _) = event {
      print("epoch \(metrics.epoch): accuracy \(metrics.validationAccuracy ?? 0)")
    }
  }

  let network = try compile(outcome.model, input: [1, 1, 28, 28])
  let image = test.example(at: 0, random: RandomStream(seed: 0)).input
  let probabilities = softmax(try network.run([image.reshaped(to: [1, 1, 28, 28])])[0])
  print(test.classNames[probabilities.argmax()[0]])
}

func readmeTaskExample() throws {
  let job = ClassifierJob(data: "photos", training: TrainingOptions(epochs: 20))
  let outcome = try ClassifierTraining(job).run(in: RunFolder("run")) { event in
    if case .epoch(let metrics, _) = event {
      print("epoch \(metrics.epoch): accuracy \(metrics.validationAccuracy ?? 0)")
    }
  }
  print("the best epoch was \(outcome.bestEpoch ?? 0)")
}

func readmeServerExample() throws {
  let classifier = try ImageClassifier(contentsOf: "run/model.safetensors")
  let predictions = try classifier.predict(contentsOf: "new.jpg", top: 3)
  print(predictions[0].className, predictions[0].probability)

  let explanation = try ImageExplainer(classifier).explain(Image(contentsOf: "new.jpg"))
  try explanation.overlay.writePNG(to: "why.png")
}

func readmeONNXExample() throws {
  let network = try ONNXModel(contentsOf: "network.onnx")
  let image = Tensor([Float](repeating: 0, count: 3 * 32 * 32), shape: [1, 3, 32, 32])
  let results = try ONNXSession(network).run([image])
  print(network.outputs[0].name, results[0].shape)
}

struct Residual: Layer {
  var conv: Conv2D
  var norm: BatchNorm
  static var fields: [Field<Self>] { [.init("conv", \.conv), .init("bn", \.norm)] }
  func callAsFunction(_ x: Tensor) -> Tensor { relu(norm(conv(x)) + x) }
}

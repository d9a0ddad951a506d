import ArgumentParser
import ConvNet

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a classifier on labelled images, from random weights.",
    discussion: """
      DATA is a folder with one subfolder of images for each class (with or without train/ and val/ or test/ above \
      them), or a folder of IDX files such as Fashion-MNIST. Without DATA, pictures that are embedded in the program \
      are used. With few images, `convnet finetune` does better.

      The run's folder gets model.safetensors (the best epoch), last.safetensors, checkpoint.safetensors, \
      metrics.jsonl, run.json, and report.html for people to read. An interrupted run goes on with --resume.
      """)

  @Argument(help: "The folder with the images.") var data: String?
  @Option(help: "The architecture; `convnet models` lists them.") var model = "lenet"
  @Option(help: "Passes over the training images. (default: 10; with --budget as many as fit, at most 100)")
  var epochs: Int?
  @Option(help: "Images in a step.") var batchSize = 64
  @Option(help: "The rule of learning.") var optimizer = TrainingArguments.OptimizerName.adamw
  @Option(
    help: """
      The highest learning rate. (default: 0.05 for sgd, 0.003 for adam and adamw; a tenth of that for networks \
      without normalisation, such as vgg11)
      """)
  var learningRate: Double?
  @Option(help: "Momentum of sgd.") var momentum = 0.9
  @Option(help: "Start from the weights in this file, which must be of the same network but for what is allowed.")
  var weights: String?
  @OptionGroup var weightOptions: WeightOptions
  @OptionGroup var arguments: TrainingArguments

  func validate() throws {
    try require(arguments.resume == nil || data == nil, "--resume goes on with the run's own data; leave DATA out")
    try require((epochs ?? 1) > 0, "--epochs must be at least 1, not \(epochs ?? 1)")
    try require((1...65536).contains(batchSize), "--batch-size must be from 1 to 65536, not \(batchSize)")
    try require((learningRate ?? 1) > 0, "--learning-rate must be positive")
    try require((0..<1).contains(momentum), "--momentum must be at least 0 and below 1")
  }

  func run() throws {
    try arguments.train(name: model, command: "train", keepsEpochs: epochs != nil) {
      let rule = optimizer.rule(momentum: momentum)
      var job = try arguments.job(
        data: data, rule: rule,
        learningRate: learningRate ?? ClassifierJob.standardLearningRate(of: rule, for: model),
        standardDecay: optimizer.standardDecay, isDecoupled: optimizer == .adamw,
        epochs: epochs ?? (arguments.budget == nil ? 10 : 100), batchSize: batchSize)
      job.modelName = model
      job.weightsPath = weights.map(TrainingArguments.absolute)
      job.allowances = weightOptions.allowances
      return job
    }
  }
}

import ArgumentParser
import ConvNet
import Foundation

struct FinetuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finetune", abstract: "Teach a network that somebody trained to know your classes.",
    discussion: """
      DATA is a folder with one subfolder of images for each class, as for `train`; a few dozen images in each are \
      enough. The weights come from a model file, an ONNX network, or tensors by name of an architecture that \
      `convnet models` lists.

      The last layer is replaced by a new one. With --strategy head only that one learns, on features that are \
      computed once for each image; with full all layers learn at once, early ones more slowly; staged, the default, \
      does the first and then the second. The run's folder is like that of `train`.
      """)

  @Argument(help: "The folder with the images.") var data: String?
  @Option(help: "The weights to start from.") var weights: String?
  @Option(help: "The architecture of the weights. (default: the one that they fit)")
  var model: String?
  @Option(help: "head, full or staged. (default: staged)") var strategy: FineTuning.Strategy?
  @Option(help: "Passes over the training images while all layers learn; with --strategy head, while it learns.")
  var epochs: Int?
  @Option(help: "Passes while only the new layer learns, before all do.") var headEpochs = 30
  @Option(
    help:
      "The highest learning rate of the last layer, while all learn. (default: 0.00003, 0.001 with --optimizer sgd; 0.003 with --strategy head)"
  )
  var learningRate: Double?
  @Option(help: "The highest learning rate while only the new layer learns, before all do.")
  var headLearningRate = 0.003
  @Option(help: "sgd, adam or adamw, while all learn; the new layer alone always learns by AdamW.")
  var optimizer = TrainingArguments.OptimizerName.adamw
  @Option(help: "By how much the rate falls from each group of layers to the one before it.") var rateDecay = 2.6
  @Flag(help: "Let batch norms learn too, and follow the images' statistics: for thousands of images.")
  var trainNorms = false
  @Option(help: "Augmented versions of each image while only the new layer learns.") var versions = 4
  @Option(help: "Images in a step. (default: 32)") var batchSize: Int?
  @OptionGroup var weightOptions: WeightOptions
  @OptionGroup var arguments: TrainingArguments

  func validate() throws {
    try require(arguments.resume == nil || data == nil, "--resume goes on with the run's own data; leave DATA out")
    if arguments.resume == nil { try require(weights != nil, "give the weights to start from: --weights FILE") }
    try require((epochs ?? 1) > 0, "--epochs must be at least 1")
    try require(headEpochs > 0, "--head-epochs must be at least 1")
    try require((learningRate ?? 1) > 0, "--learning-rate must be positive")
    try require(headLearningRate > 0, "--head-learning-rate must be positive")
    try require((1...1000).contains(rateDecay), "--rate-decay must be from 1 to 1000")
    try require((1...1000).contains(versions), "--versions must be from 1 to 1000")
    try require((1...65536).contains(batchSize ?? 1), "--batch-size must be from 1 to 65536")
  }

  func run() throws {
    try arguments.train(
      name: "finetune", command: "finetune", keepsEpochs: epochs != nil, keepsStrategy: strategy != nil
    ) {
      let strategy = strategy ?? .staged
      var job = try arguments.job(
        data: data, rule: optimizer.rule(momentum: 0.9),
        learningRate: learningRate ?? (optimizer == .sgd ? 0.001 : 0.00003),
        standardDecay: optimizer.standardDecay, isDecoupled: optimizer == .adamw, epochs: epochs ?? 8,
        batchSize: batchSize ?? 32)
      job.modelName = model ?? ClassifierJob.modelOfWeights
      job.weightsPath = weights.map(TrainingArguments.absolute)
      job.allowances = weightOptions.allowances
      job.fineTuning = FineTuning(
        strategy, headEpochs: strategy == .head ? epochs ?? headEpochs : headEpochs,
        headLearningRate: strategy == .head ? learningRate ?? headLearningRate : headLearningRate, versions: versions,
        rateDecay: rateDecay, trainsNorms: trainNorms)
      return job
    }
  }
}

extension FineTuning.Strategy: ExpressibleByArgument {}

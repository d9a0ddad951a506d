import ArgumentParser
import ConvNet
import Foundation

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a classifier on labelled images.",
    discussion: """
      DATA is a folder with one subfolder of images for each class (with or without train/ and val/ or test/ above \
      them), or a folder of IDX files such as Fashion-MNIST. Without DATA, pictures that are embedded in the program \
      are used.

      The run's folder gets model.safetensors (the best epoch), last.safetensors, checkpoint.safetensors, \
      metrics.jsonl and run.json. An interrupted run goes on with --resume.
      """)

  @Argument(help: "The folder with the images.") var data: String?
  @Option(help: "The architecture; `convnet models` lists them.") var model = "lenet"
  @Option(help: "Passes over the training images.") var epochs = 10
  @Option(help: "End after this many steps, if that is earlier.") var steps: Int?
  @Option(help: "Images in a step.") var batchSize = 64
  @Option(help: "sgd, adam or adamw.") var optimizer = OptimizerName.adamw
  @Option(help: "The highest learning rate. (default: 0.05 for sgd, 0.003 for adam and adamw)") var learningRate:
    Double?
  @Option(help: "Momentum of sgd.") var momentum = 0.9
  @Option(help: "Weight decay; biases and norms are exempt. (default: 0.0005 for sgd, 0 for adam, 0.05 for adamw)")
  var weightDecay: Double?
  @Option(help: "constant, step, cosine or one-cycle.") var schedule = LearningRateSchedule.Shape.oneCycle
  @Option(help: "Steps over which the rate rises first (not for one-cycle).") var warmUp = 0
  @Option(help: "Scale gradients down to this norm.") var clipNorm: Double?
  @Option(help: "Share of the target that goes to all classes alike.") var labelSmoothing = 0.0
  @Option(help: "End after this many epochs without improvement.") var patience: Int?
  @Option(help: "Side of the square that images are brought to. (default: the architecture's)") var imageSize: Int?
  @Option(
    help: """
      none, light, standard, strong, or a JSON file of steps. (default: none for IDX files, light for small images, \
      else standard)
      """)
  var augment: String?
  @Option(help: "Blend images and classes of a batch by MixUp with this parameter, usually 0.2.") var mixUp: Double?
  @Option(help: "Exchange rectangles within a batch by CutMix with this parameter, usually 1.") var cutMix: Double?
  @Option(help: "Order of the images in each epoch: seeded or none.") var shuffle = ShuffleName.seeded
  @Option(help: "What to validate on: a share such as 0.2, or a folder. (default: the data's own part, else 0.2)")
  var validation: String?
  @Option(help: "Start from the weights in this .safetensors file.") var weights: String?
  @Option(help: "Of initial weights, order, augmentation and dropout.") var seed: UInt64 = 0
  @Option(help: "The run's folder. (default: runs/MODEL-1, -2, ...)") var output: String?
  @Option(help: "Go on with the run in this folder; its own options hold.") var resume: String?
  @Option(help: "Also write a metrics line after every so many steps.") var logEvery: Int?
  @Option(help: "Write event files for TensorBoard into this folder.") var tensorboard: String?
  @Flag(help: "Do not use Winograd's algorithm, which is faster and a little less exact.") var noWinograd = false
  @Flag(help: "Leave out images that cannot be read.") var skipBadImages = false
  @Flag(help: "Print the result as JSON.") var json = false
  @OptionGroup var threads: ThreadOptions

  enum OptimizerName: String, CaseIterable, ExpressibleByArgument { case sgd, adam, adamw }
  enum ShuffleName: String, CaseIterable, ExpressibleByArgument { case seeded, none }

  func validate() throws {
    func require(_ condition: Bool, _ message: String) throws {
      if !condition { throw ValidationError(message) }
    }
    try require(epochs > 0, "--epochs must be at least 1, not \(epochs)")
    try require((steps ?? 1) > 0, "--steps must be at least 1")
    try require((1...65536).contains(batchSize), "--batch-size must be from 1 to 65536, not \(batchSize)")
    try require((learningRate ?? 1) > 0, "--learning-rate must be positive")
    try require((0..<1).contains(momentum), "--momentum must be at least 0 and below 1")
    try require((weightDecay ?? 0) >= 0, "--weight-decay must not be negative")
    try require((0..<1).contains(labelSmoothing), "--label-smoothing must be at least 0 and below 1")
    try require((clipNorm ?? 1) > 0, "--clip-norm must be positive")
    try require(warmUp >= 0, "--warm-up must not be negative")
    try require((patience ?? 1) > 0, "--patience must be at least 1")
    try require((logEvery ?? 1) > 0, "--log-every must be at least 1")
  }

  func run() throws {
    threads.apply()
    do {
      try train()
    } catch let error as UnreadableImages {
      // Each file on a line of its own; the last line says what to do.
      for file in error.files { writeToStandardError("convnet: \(file)\n") }
      throw CommandError(error.advice)
    }
  }

  private func train() throws {
    let interruption = Interruption()
    let display = TrainingDisplay()
    let training: ClassifierTraining
    let folder: RunFolder
    if let resume {
      folder = RunFolder(resume)
      training = try ClassifierTraining(resuming: folder, progress: display.opening)
    } else {
      folder = RunFolder(try output ?? Self.freeFolder(for: model))
      if FileManager.default.fileExists(atPath: folder.recordPath) {
        throw TaskError(
          "\(folder.path): there is a run already; go on with --resume \(folder.path), or give another --output")
      }
      training = try ClassifierTraining(try job(), progress: display.opening)
    }
    display.begin(training, in: folder)
    let outcome = try training.run(in: folder) {
      display.show($0)
    } shouldStop: {
      interruption.isRequested
    }
    display.end()
    if outcome.wasInterrupted {
      throw TaskError("interrupted after step \(outcome.steps); go on with: convnet train --resume \(folder.path)")
    }
    try display.result(outcome, training, in: folder, json: json)
  }

  private func job() throws -> ClassifierJob {
    let rule: Optimizer.Rule =
      optimizer == .sgd
      ? .sgd(momentum: momentum, isNesterov: false) : .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8)
    let standardDecay = optimizer == .sgd ? 5e-4 : optimizer == .adam ? 0 : 0.05
    var job = ClassifierJob(
      // Absolute, so that the run can go on from another folder.
      data: data.map { URL(fileURLWithPath: $0).standardizedFileURL.path },
      optimizer: Optimizer.Settings(
        rule: rule, learningRate: learningRate ?? (optimizer == .sgd ? 0.05 : 0.003),
        weightDecay: weightDecay ?? standardDecay, isDecoupled: optimizer == .adamw, decaysVectors: false,
        maximumGradientNorm: clipNorm),
      training: TrainingOptions(
        epochs: epochs, maximumSteps: steps, batchSize: batchSize, shuffles: shuffle == .seeded,
        schedule: LearningRateSchedule(schedule, warmUpSteps: warmUp), seed: seed, earlyStoppingPatience: patience,
        logEvery: logEvery, allowsWinograd: !noWinograd))
    job.modelName = model
    job.imageSize = imageSize
    job.augmentation = try augment.map { try Augmentation(named: $0) }
    job.mixUp = mixUp
    job.cutMix = cutMix
    job.tensorBoardFolder = tensorboard.map { URL(fileURLWithPath: $0).standardizedFileURL.path }
    job.weightsPath = weights
    job.skipsBadImages = skipBadImages
    job.labelSmoothing = labelSmoothing
    job.validation = try validation.map { text in
      guard let share = Double(text) else { return .folder(text) }
      guard share > 0 && share < 1 else { throw TaskError("--validation \(text): a share must be between 0 and 1") }
      return .fraction(share)
    }
    return job
  }

  /// `runs/lenet-1`, or the next number that is free.
  private static func freeFolder(for model: String) throws -> String {
    for number in 1... {
      let path = "runs/\(model)-\(number)"
      if !FileManager.default.fileExists(atPath: path) { return path }
    }
    throw TaskError("no free folder below runs/; give --output")
  }
}

extension LearningRateSchedule.Shape: ExpressibleByArgument {}

import ArgumentParser
import ConvNet
import Foundation

/// What every training can be told, whatever it starts from.
struct TrainingArguments: ParsableArguments {
  @Option(
    help: """
      The time there is, such as 20m or 1h30m: image size, layers that learn and epochs are chosen to keep within it, \
      where they are not given.
      """)
  var budget: String?
  @Option(help: "End after this many steps, if that is earlier.") var steps: Int?
  @Option(
    help: """
      Batches that make one step, along the mean of their gradients: as one batch of so many times the size, in the \
      memory of one.
      """)
  var accumulate = 1
  @Option(help: "Weight decay; biases and norms are exempt. (default: 0.0005 for sgd, 0 for adam, 0.05 for adamw)")
  var weightDecay: Double?
  @Option(help: "How the learning rate changes from step to step.") var schedule = LearningRateSchedule.Shape.oneCycle
  @Option(help: "Steps over which the rate rises first (not for one-cycle).") var warmUp = 0
  @Option(help: "Scale gradients down to this norm.") var clipNorm: Double?
  @Option(help: "Share of the target that goes to all classes alike.") var labelSmoothing = 0.0
  @Option(help: "For classes of unequal size: weights (of the loss) or sampling (small classes come more often).")
  var balance: ClassBalance.Remedy?
  @Option(help: "Keep the exponential average of the weights with this decay, for example 0.99.") var average: Double?
  @Option(help: "End a stage after this many epochs without improvement.") var patience: Int?
  @Option(help: "Side of the square that images are brought to. (default: the network's)") var imageSize: Int?
  @Option(
    help: """
      none, light, standard, strong, or a JSON file of steps. (default: none for IDX files, light for small images, \
      else standard)
      """)
  var augment: String?
  @Option(help: "Blend images and classes of a batch by MixUp with this parameter, usually 0.2.") var mixUp: Double?
  @Option(help: "Exchange rectangles within a batch by CutMix with this parameter, usually 1.") var cutMix: Double?
  @Option(help: "Order of the images in each epoch.") var shuffle = ShuffleName.seeded
  @Option(help: "What to validate on: a share such as 0.2, or a folder. (default: the data's own part, else 0.2)")
  var validation: String?
  @Option(help: "Of initial weights, order, augmentation and dropout.") var seed: UInt64 = 0
  @Option(help: "The run's folder. (default: runs/NAME-1, -2, ...)") var output: String?
  @Option(help: "Go on with the run in this folder; its own options hold.") var resume: String?
  @Option(help: "Also write a metrics line after every so many steps.") var logEvery: Int?
  @Option(help: "Write event files for TensorBoard into this folder.") var tensorboard: String?
  @Flag(
    help: "First try rates from tiny to huge, take the best for the highest, and draw the curve into the run's folder.")
  var findLearningRate = false
  @Flag(help: "Do not use Winograd's algorithm, which is faster and a little less exact.") var noWinograd = false
  @Flag(help: "Leave out images that cannot be read.") var skipBadImages = false
  @Flag(help: "Print the result as JSON.") var json = false
  @OptionGroup var threads: ThreadOptions

  enum OptimizerName: String, CaseIterable, ExpressibleByArgument {
    case sgd, adam, adamw

    func rule(momentum: Double) -> Optimizer.Rule {
      self == .sgd ? .sgd(momentum: momentum, isNesterov: false) : .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8)
    }

    var standardDecay: Double {
      switch self {
      case .sgd: 5e-4
      case .adam: 0
      case .adamw: 0.05
      }
    }
  }

  enum ShuffleName: String, CaseIterable, ExpressibleByArgument { case seeded, none }

  func validate() throws {
    if resume != nil { try Self.refuseOthers(besideResume: CommandLine.arguments) }
    try require((steps ?? 1) > 0, "--steps must be at least 1")
    try require((1...65536).contains(accumulate), "--accumulate must be from 1 to 65536")
    try require((weightDecay ?? 0) >= 0, "--weight-decay must not be negative")
    try require((0..<1).contains(labelSmoothing), "--label-smoothing must be at least 0 and below 1")
    try require((0..<1).contains(average ?? 0), "--average must be at least 0 and below 1")
    try require((clipNorm ?? 1) > 0, "--clip-norm must be positive")
    try require(warmUp >= 0, "--warm-up must not be negative")
    try require((patience ?? 1) > 0, "--patience must be at least 1")
    try require((logEvery ?? 1) > 0, "--log-every must be at least 1")
  }

  /// A job of these arguments.
  func job(
    data: String?, rule: Optimizer.Rule, learningRate: Double, standardDecay: Double, isDecoupled: Bool, epochs: Int,
    batchSize: Int
  ) throws -> ClassifierJob {
    var job = ClassifierJob(
      // Absolute, so that the run can go on from another folder.
      data: data.map(Self.absolute),
      optimizer: Optimizer.Settings(
        rule: rule, learningRate: learningRate, weightDecay: weightDecay ?? standardDecay, isDecoupled: isDecoupled,
        decaysVectors: false, maximumGradientNorm: clipNorm),
      training: TrainingOptions(
        epochs: epochs, maximumSteps: steps, batchSize: batchSize, shuffles: shuffle == .seeded,
        schedule: LearningRateSchedule(schedule, warmUpSteps: warmUp), seed: seed, earlyStoppingPatience: patience,
        logEvery: logEvery, allowsWinograd: !noWinograd, averagingDecay: average,
        accumulation: accumulate))
    job.imageSize = imageSize
    job.augmentation = try augment.map { try Augmentation(named: $0) }
    job.mixUp = mixUp
    job.cutMix = cutMix
    job.tensorBoardFolder = tensorboard.map(Self.absolute)
    job.skipsBadImages = skipBadImages
    job.labelSmoothing = labelSmoothing
    job.balance = balance
    job.validation = try validation.map { text in
      guard let share = Double(text) else { return .folder(Self.absolute(text)) }
      guard share > 0 && share < 1 else { throw TaskError("--validation \(text): a share must be between 0 and 1") }
      return .fraction(share)
    }
    return job
  }

  /// A run goes on with its own options; others would be passed over without a word.
  private static func refuseOthers(besideResume arguments: [String]) throws {
    let allowed = ["--resume", "--json", "--threads"]
    let others = arguments.filter { $0.hasPrefix("--") }.map { String($0.prefix { $0 != "=" }) }
    if let other = others.first(where: { !allowed.contains($0) }) {
      throw ValidationError("--resume goes on with the run's own options; leave \(other) out")
    }
  }

  static func absolute(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }

  /// Trains, or goes on with a run, and shows it.
  ///
  /// - Parameters:
  ///   - name: of the run's folder, unless one is given.
  ///   - keepsEpochs: whether a budget leaves the epochs as they are; the same for the strategy.
  ///   - job: asked for unless a run goes on.
  func train(
    name: String, command: String, keepsEpochs: Bool, keepsStrategy: Bool = true, _ job: () throws -> ClassifierJob
  ) throws {
    threads.apply()
    let display = TrainingDisplay()
    var training: ClassifierTraining
    var choice: TimeBudget.Choice?
    let folder: RunFolder
    if let resume {
      folder = RunFolder(resume)
      training = try ClassifierTraining(resuming: folder, progress: ProgressBar.opening)
    } else {
      folder = RunFolder(try output ?? Self.freeFolder(for: name))
      if FileManager.default.fileExists(atPath: folder.recordPath) {
        throw TaskError(
          "\(folder.path): there is a run already; go on with --resume \(folder.path.shellQuoted), or give another --output"
        )
      }
      if let budget {
        var budget = try TimeBudget(budget)
        (budget.keepsEpochs, budget.keepsStrategy) = (keepsEpochs, keepsStrategy)
        budget.keepsImageSize = imageSize != nil
        let chosen = try budget.choose(try job(), in: folder, progress: ProgressBar.opening)
        (training, choice) = (chosen.training, chosen)
        display.chose(chosen)
      } else {
        training = try ClassifierTraining(try job(), progress: ProgressBar.opening)
      }
      // Found now if it cannot be written.
      try folder.create()
      if findLearningRate { display.found(try training.findLearningRate(in: folder), in: folder) }
    }
    try train(training, in: folder, choice, display, command)
  }

  private func train(
    _ training: ClassifierTraining, in folder: RunFolder, _ choice: TimeBudget.Choice?,
    _ display: TrainingDisplay, _ command: String
  ) throws {
    if training.isResumed && FileManager.default.fileExists(atPath: folder.predictionsPath) {
      writeToStandardError(
        "note: this run is finished; to train on, start another with --weights \(folder.lastModelPath.shellQuoted)\n")
    }
    let interruption = Interruption()
    try display.begin(training, in: folder, forecast: choice?.forecast)
    let outcome = try training.run(
      in: folder, deadline: choice?.deadline, onEvent: display.show, shouldStop: { interruption.isRequested },
      onReport: display.reporting)
    display.end()
    if outcome.wasInterrupted {
      writeToStandardError(
        "convnet: interrupted after step \(outcome.steps); "
          + "go on with: convnet \(command) --resume \(folder.path.shellQuoted)\n")
      throw Interruption.exitCode
    }
    try display.result(outcome, training, in: folder, json: json)
  }

  /// `runs/lenet-1`, or the next number that is free.
  private static func freeFolder(for name: String) throws -> String {
    for number in 1... {
      let path = "runs/\(name)-\(number)"
      if !FileManager.default.fileExists(atPath: path) { return path }
    }
    throw TaskError("no free folder below runs/; give --output")
  }
}

/// - Throws: what the parser shows with the usage.
func require(_ condition: Bool, _ message: String) throws {
  if !condition { throw ValidationError(message) }
}

extension LearningRateSchedule.Shape: ExpressibleByArgument {}
extension ClassBalance.Remedy: ExpressibleByArgument {}

import Formats
import Foundation
import Models

/// What a training starts with: a network with its first weights, and the rule that makes its inputs of pictures.
struct StartingModel {
  var model: AnyLayer
  var configuration: ModelConfiguration
  var preprocessing: ImagePreprocessing
  /// The paths of the last layer, if the graph's last parameters are not all of it.
  var classifierPaths: [String]?
  /// The published weights that it begins with, where they are known.
  var record: PretrainedRecord?
  var notes: [String] = []

  init(_ job: ClassifierJob, _ images: any ImageDataset) throws {
    let (classes, seed) = (images.classNames, job.training.seed)
    if job.fineTuning != nil {
      guard let path = job.weightsPath else {
        throw TaskError("fine-tuning starts from weights that somebody trained; give --weights FILE")
      }
      let known = try PretrainedModel(
        path, modelName: job.modelName, imageSize: job.imageSize, classNames: classes, allowances: job.allowances,
        seed: seed)
      (model, configuration, preprocessing) = (known.model, known.configuration, known.preprocessing)
      (classifierPaths, record, notes) = (known.classifierPaths, known.record, known.notes)
      return
    }
    let architecture = try ModelRegistry.architecture(named: job.modelName)
    guard architecture.classifiesImages else {
      throw TaskError("\(job.modelName) does not classify images; `convnet models` says what each model is for")
    }
    preprocessing = try ClassifierTraining.preprocessing(for: job, architecture, images)
    configuration = ModelConfiguration(
      name: job.modelName, channels: preprocessing.channels, classes: classes.count,
      imageSize: [preprocessing.height, preprocessing.width])
    model = AnyLayer(try ModelRegistry.make(configuration, seed: seed))
    if let weights = job.weightsPath {
      guard !ONNXModel.isHeld(by: weights) else {
        throw TaskError(
          "\(weights): holds a network of its own, not weights of \(job.modelName); to train that network, "
            + "fine-tune it: convnet finetune --weights \(weights)")
      }
      let loaded = try model.loading(
        WeightsFile(contentsOf: weights).tensors, from: weights, allowing: job.allowances)
      model = loaded.model
      notes.append("\(weights): \(loaded.report)")
    }
  }

  /// The network of a run that goes on. Its weights come from the checkpoint.
  init(resuming record: RunRecord, in folder: RunFolder) throws {
    (configuration, preprocessing) = (record.model.architecture, record.model.preprocessing)
    let name = configuration.name
    if ModelRegistry.architectures.contains(where: { $0.name == name }) {
      model = AnyLayer(try ModelRegistry.make(configuration, seed: record.job.training.seed))
      return
    }
    // A network that came from a file: from the run's own model once it has one.
    if FileManager.default.fileExists(atPath: folder.modelPath) {
      model = try ImageClassifier(contentsOf: folder.modelPath).model
    } else {
      guard let path = record.job.weightsPath else {
        throw TaskError("\(folder.recordPath): the run's network is not known; it may come from another version")
      }
      model = try PretrainedModel(
        path, modelName: configuration.name, imageSize: configuration.imageSize.first,
        classNames: record.model.classNames, allowances: record.job.allowances, seed: record.job.training.seed
      ).model
    }
    classifierPaths = try (model.base as? ONNXModel)?.classifierParameters()
  }
}

extension ClassifierTraining {
  /// The rule for a data set and an architecture: the architecture's size, grey if all pictures are, statistics of
  /// the training pictures. IDX pictures keep their size and get a black border, as LeCun et al. did for LeNet.
  static func preprocessing(for job: ClassifierJob, _ architecture: Architecture, _ images: any ImageDataset)
    throws -> ImagePreprocessing
  {
    let side = job.imageSize ?? architecture.standard.imageSize[0]
    guard (1...16384).contains(side) else {
      throw TaskError("--image-size \(side): images must have at least 1 and at most 16384 pixels a side")
    }
    let channels = try images.looksGrey() ? 1 : 3
    var resize = ImagePreprocessing.Resize.stretch
    var background = RGBColor.white
    if let idx = images as? IDXImages {
      background = .black
      let own = min(idx.base.imageHeight, idx.base.imageWidth)
      if own <= side && side <= own + 8 { resize = .shortestSide(own) }
    } else if side >= 64 {
      resize = .shortestSide(side * 8 / 7)
    }
    let rule = ImagePreprocessing(
      channels: channels, height: side, width: side, resize: resize, background: background)
    let statistics = try images.channelStatistics(rule)
    return ImagePreprocessing(
      channels: channels, height: side, width: side, resize: resize, background: background, mean: statistics.mean,
      std: statistics.deviation)
  }

  /// IDX files hold centred pictures that are best left alone; other small pictures get small changes, photographs
  /// larger ones.
  static func augmentation(for images: any ImageDataset, _ rule: ImagePreprocessing) -> Augmentation {
    images is IDXImages ? .none : min(rule.height, rule.width) <= 40 ? .light : .standard
  }
}

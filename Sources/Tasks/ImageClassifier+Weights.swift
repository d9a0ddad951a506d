import Formats
public import Models

extension ImageClassifier {
  /// Makes a classifier of tensors by name that were trained elsewhere, such as a state dict from PyTorch. Numbers of
  /// channels and classes follow from the file.
  ///
  /// - Parameters:
  ///   - path: a file that ``WeightsFile`` reads.
  ///   - modelName: the architecture; ``ClassifierJob/modelOfWeights`` looks for the one that they fit.
  ///   - classNames: one for each output. Unless given, those of ImageNet for 1000 outputs, else numbers.
  ///   - imageSize: side of the square input; the architecture's own unless given.
  ///   - mean: by which each channel was standardised, on the scale where white is 1; that of ImageNet unless given, and
  ///     0 for grey pictures.
  ///   - std: the deviation that goes with it; 1 for grey pictures.
  ///   - allowances: differences between the file and the architecture that are meant; a new last layer is one for
  ///     `classNames`, with random numbers.
  /// - Returns: the model, and what was assumed and loaded, in words.
  /// - Throws: `FormatError`, `WeightsError`, `ModelError` or ``TaskError``.
  public static func ofWeights(
    _ path: String, modelName: String = ClassifierJob.modelOfWeights, classNames: [String]? = nil,
    imageSize: Int? = nil, mean: [Float]? = nil, std: [Float]? = nil, allowing allowances: WeightAllowances = []
  ) throws -> (classifier: ImageClassifier, notes: [String]) {
    let file = try WeightsFile(contentsOf: path)
    let architecture =
      modelName == ClassifierJob.modelOfWeights
      ? try PretrainedModel.architecture(of: file.tensors, path) : try ModelRegistry.architecture(named: modelName)
    guard architecture.classifiesImages else {
      throw TaskError("\(path): \(architecture.name) does not classify images; `convnet models` says what it is for")
    }
    var configuration = architecture.standard
    let own = try ModelRegistry.makeStructure(configuration).parameters
    let shapes = WeightNaming.shapes(of: file.tensors, as: own.map(\.path))
    // What the last matrix gives, and what the first convolution takes.
    if let head = own.last(where: { $0.kind != .vector && $0.tensor.rank > 1 }), let shape = shapes[head.path],
      shape.rank > 1
    {
      configuration.classes = shape[0]
    }
    if let stem = own.first(where: { $0.kind == .weight && $0.tensor.rank > 2 }), let shape = shapes[stem.path],
      shape.rank == stem.tensor.rank
    {
      configuration.channels = shape[1]
    }
    if allowances.contains(.newHead) {
      guard let classNames else {
        throw TaskError("\(path): a new last layer is for new classes; give --class-names FILE")
      }
      configuration.classes = classNames.count
    }
    let (channels, classes) = (configuration.channels, configuration.classes)
    guard channels == 1 || channels == 3 else {
      throw TaskError("\(path): the network takes \(channels) channels, but pictures have 1 or 3")
    }
    var notes = ["\(path): \(architecture.name), \(channels == 1 ? "grey" : "RGB"), \(classes) classes"]
    if let classNames, classNames.count != classes {
      throw TaskError("\(path): the network has \(classes) outputs, but there are \(classNames.count) class names")
    }
    let isImageNets = classNames == nil && classes == PretrainedRecord.imageNetClassNames.count
    if isImageNets { notes.append("the names of ImageNet's classes are taken") }
    let side = imageSize ?? configuration.imageSize[0]
    configuration.imageSize = [side, side]
    let rule = try preprocessing(channels: channels, side: side, mean: mean, std: std, path)
    if mean == nil, std == nil {
      notes.append(
        "the weights say nothing about how to prepare images; "
          + (channels == 1 ? "0 stands for black and 1 for white" : "ImageNet's mean and deviation are taken"))
    }
    let loaded = try AnyLayer(ModelRegistry.make(configuration)).loading(
      file.tensors, from: path, allowing: allowances)
    notes.append("\(loaded.report)")
    let description = Description(
      architecture: configuration,
      classNames: classNames ?? (isImageNets ? PretrainedRecord.imageNetClassNames : (0..<classes).map { "\($0)" }),
      preprocessing: rule,
      provenance: .init(
        library: "convnet \(libraryVersion)", data: "unknown", trainingImages: 0, seed: 0,
        weights: try Description.WeightsOrigin(path: path)))
    return (ImageClassifier(loaded.model, description), notes)
  }

  /// As for ImageNet, the middle of a slightly larger picture; small pictures as they are.
  private static func preprocessing(
    channels: Int, side: Int, mean: [Float]?, std: [Float]?, _ path: String
  ) throws -> ImagePreprocessing {
    for numbers in [mean, std] {
      guard let numbers, numbers.count != channels || !numbers.allSatisfy(\.isFinite) else { continue }
      throw TaskError("\(path): the network takes \(channels) channels; give the mean and deviation of each")
    }
    if let std, !std.allSatisfy({ $0 > 0 }) { throw TaskError("\(path): deviations must be positive, not \(std)") }
    let usual = try ImagePreprocessing.imageNet.resized(to: side, for: path)
    return ImagePreprocessing(
      channels: channels, height: side, width: side, resize: side < 64 ? .stretch : usual.resize,
      interpolation: usual.interpolation, mean: mean ?? (channels == 3 ? usual.mean : nil),
      std: std ?? (channels == 3 ? usual.std : nil))
  }
}

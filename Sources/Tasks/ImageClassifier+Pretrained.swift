import Formats
public import Models

extension ImageClassifier {
  /// Opens published weights: the file is found in a folder, and everything else is in their record.
  ///
  /// - Parameter name: an architecture, or one set of weights for it: `resnet50:IMAGENET1K_V2`.
  /// - Throws: `ModelError` that says which file is missing and where it comes from, or that it is damaged.
  public convenience init(pretrained name: String, in folder: WeightsFolder = .standard) throws {
    guard let record = PretrainedRecord.find(named: name).first else {
      _ = try ModelRegistry.architecture(named: name.split(separator: ":").first.map(String.init) ?? name)
      throw TaskError("there are no published weights for \(name); give the file of a model that `convnet train` wrote")
    }
    try Self.requirePictures(record)
    try self.init(record, contentsOf: folder.file(of: record))
  }

  /// Opens the file that a record is about. Its SHA-256 has been checked.
  package convenience init(_ record: PretrainedRecord, contentsOf path: String) throws {
    let classNames = try Self.requirePictures(record)
    let configuration = ModelConfiguration(
      name: record.architecture, channels: 3, classes: classNames.count, imageSize: record.imageSize)
    let prefixes = record.unusedPrefixes ?? []
    let tensors = try WeightsFile(contentsOf: path).tensors.filter { name, _ in
      !prefixes.contains { name.hasPrefix($0) }
    }
    let structure = AnyLayer(try ModelRegistry.makeStructure(configuration))
    self.init(
      try structure.loading(tensors, from: path).model,
      Description(
        architecture: configuration, classNames: classNames,
        preprocessing: try record.preprocessing(),
        provenance: .init(
          library: "convnet \(libraryVersion)", data: record.dataset, trainingImages: 1_281_167, seed: 0),
        pretrained: record))
  }

  /// The class names of weights for pictures.
  @discardableResult private static func requirePictures(_ record: PretrainedRecord) throws -> [String] {
    guard let names = record.classNames else {
      throw TaskError(
        "\(record.fileName): the weights of \(record.architecture) are for clips of \(record.dataset), not for pictures; "
          + "in Swift, ModelRegistry.make and loading(_:from:) take them")
    }
    return names
  }
}

extension PretrainedRecord {
  /// The rule by which pictures become inputs of the network.
  public func preprocessing() throws -> ImagePreprocessing {
    guard let interpolation = Interpolation(rawValue: interpolation), imageSize.count == 2 else {
      throw TaskError("\(fileName): no way is known to prepare pictures by \(self.interpolation) for \(imageSize)")
    }
    return ImagePreprocessing(
      height: imageSize[0], width: imageSize[1], resize: .shortestSide(resize), interpolation: interpolation,
      mean: mean, std: std)
  }
}

import Foundation
@_exported public import Training
@_exported public import Vision

/// A data set as a person names it: a folder of class folders, a folder of IDX files, or the embedded pictures.
public struct LabeledImages: Sendable {
  public var training: any ImageDataset
  /// The part to validate on, if the data set brings one.
  public var validation: (any ImageDataset)?
  /// What a person should know about how the data was read.
  public var notes: [String] = []

  /// Stands for the Fashion-MNIST subset inside the library.
  public static let embeddedName = "fashion-mnist-mini"

  /// Until the job knows the model, pictures keep a provisional rule.
  private static let provisional = ImagePreprocessing(channels: 1, height: 28, width: 28)

  /// Opens a data set; reads no picture of a folder.
  ///
  /// - Parameter path: a folder; `nil` for the embedded pictures.
  public static func open(_ path: String?) throws -> LabeledImages {
    guard let path, path != embeddedName else {
      let (train, test) = try EmbeddedFashionMNIST.load()
      return idx(train, test)
    }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw TaskError("\(path): there is no such folder; give a folder with one subfolder of images for each class")
    }
    guard isFolder.boolValue else {
      throw TaskError("\(path): this is a file; give a folder with one subfolder of images for each class")
    }
    let files = try FileManager.default.contentsOfDirectory(atPath: path)
    if files.contains(where: { $0.contains("-idx3-ubyte") || $0.contains("-idx1-ubyte") }) {
      let (train, test) = try IDXFolder.open(path)
      return idx(train, test)
    }
    let folders = try ImageFolders.open(path, preprocessing: provisional)
    var notes = folders.notes
    for (reason, count) in folders.train.skipped.sorted(by: { $0.key < $1.key }) {
      notes.append("\(count) file\(count == 1 ? "" : "s") passed over: \(reason)")
    }
    return LabeledImages(training: folders.train, validation: folders.validation ?? folders.test, notes: notes)
  }

  private static func idx(_ train: IDXDataset, _ test: IDXDataset) -> LabeledImages {
    LabeledImages(
      training: IDXImages(train, preprocessing: provisional), validation: IDXImages(test, preprocessing: provisional))
  }

  /// The pictures that a model is judged on: the validation part, or everything if there is none.
  public static func openForEvaluation(_ path: String?, classNames: [String]) throws -> any ImageDataset {
    let images: LabeledImages
    do {
      images = try open(path)
    } catch ImageFolderError.oneClass(let root, _) {
      // Nothing to learn from, but enough to judge a model on.
      return try ImageFolder(root, preprocessing: provisional, classNames: classNames)
    }
    var dataset = images.validation ?? images.training
    if let folder = dataset as? ImageFolder {
      dataset = try ImageFolder(folder.root, preprocessing: folder.preprocessing, classNames: classNames)
    } else if dataset.classNames != classNames {
      throw TaskError(
        "\(path ?? embeddedName): the classes are \(dataset.classNames.joined(separator: ", ")), but the model knows "
          + classNames.joined(separator: ", "))
    }
    return dataset
  }

  /// The same, with every file opened first.
  ///
  /// - Parameters:
  ///   - skipsBadImages: leave out the files that cannot be read, instead of throwing.
  ///   - progress: called now and then, from any thread, with the number of files opened.
  /// - Returns: the pictures, and the paths of those left out.
  /// - Throws: ``UnreadableImages`` that lists every file that cannot be read.
  public static func openForEvaluation(
    _ path: String?, classNames: [String], skipsBadImages: Bool,
    progress: (@Sendable (_ done: Int, _ total: Int) -> Void)? = nil
  ) throws -> (images: any ImageDataset, badImages: [String]) {
    var images = LabeledImages(training: try openForEvaluation(path, classNames: classNames))
    let bad = try images.removeUnreadable(skips: skipsBadImages, progress: progress)
    return (images.training, bad)
  }
}

extension ImageDataset {
  /// A view of some of the pictures under a rule.
  func view(_ indices: [Int]?, _ preprocessing: ImagePreprocessing, _ augmentation: Augmentation) -> any LabeledDataset
  {
    var copy = self
    copy.preprocessing = preprocessing
    copy.augmentation = augmentation
    return indices.map { Subset(copy, indices: $0) } ?? copy
  }

  /// Whether all of a sample of the pictures are grey.
  func looksGrey() throws -> Bool {
    try sampleIndices(64).allSatisfy { index in
      let image = try image(at: index)
      return image.channels == 1
    }
  }

  /// Mean and standard deviation of each channel over a sample of the pictures, on the scale where white is 1.
  func channelStatistics(_ preprocessing: ImagePreprocessing) throws -> (mean: [Float], deviation: [Float]) {
    let plain = ImagePreprocessing(
      channels: preprocessing.channels, height: preprocessing.height, width: preprocessing.width,
      resize: preprocessing.resize, interpolation: preprocessing.interpolation, background: preprocessing.background)
    var sums = [Double](repeating: 0, count: plain.channels)
    var squares = sums
    var count = 0
    for index in sampleIndices(500) {
      let pixels = plain.tensor(from: try image(at: index)).scalars(as: Float.self)
      count += pixels.count / plain.channels
      for (position, pixel) in pixels.enumerated() {
        let channel = position / (pixels.count / plain.channels)
        sums[channel] += Double(pixel)
        squares[channel] += Double(pixel) * Double(pixel)
      }
    }
    let means = sums.map { $0 / Double(count) }
    let deviations = zip(squares, means).map { max(1e-3, ($0 / Double(count) - $1 * $1).squareRoot()) }
    // Three digits are plenty and read well in the model's file.
    func rounded(_ value: Double) -> Float { Float((value * 1000).rounded() / 1000) }
    return (means.map(rounded), deviations.map { max(0.001, rounded($0)) })
  }

  /// Up to `limit` indices, evenly spaced.
  func sampleIndices(_ limit: Int) -> [Int] {
    count <= limit ? Array(0..<count) : (0..<limit).map { $0 * count / limit }
  }
}

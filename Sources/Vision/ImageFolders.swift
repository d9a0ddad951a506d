import Foundation

/// A data set of pictures as people keep it: one folder of class folders, or `train` with `val` and `test` beside it.
public struct ImageFolders: Sendable {
  public var train: ImageFolder
  /// From `val`, `valid` or `validation`.
  public var validation: ImageFolder?
  public var test: ImageFolder?
  /// What a person should know about how the folder was read, one line each.
  public var notes: [String]

  private static let names: [(part: Part, names: [String])] = [
    (.train, ["train", "training"]), (.validation, ["val", "valid", "validation"]), (.test, ["test", "testing"]),
  ]
  private enum Part { case train, validation, test }

  /// Lists a data set; reads no picture.
  ///
  /// A folder with `train` and one of `val`, `valid`, `validation`, `test` (in any case), or with nothing but `train`,
  /// is a data set in parts, whose classes must agree. Any other is one folder of classes, all of it in ``train``: a
  /// class may well be called "train". A `test` without class folders (unlabelled) is left out, with a note.
  ///
  /// - Parameter augmentation: for ``train`` alone; the other parts have none.
  public static func open(
    _ path: String, preprocessing: ImagePreprocessing, augmentation: Augmentation = .none,
    limits: ImageLimits = ImageLimits()
  ) throws(ImageFolderError) -> ImageFolders {
    let path = ImageFolder.trimmed(path)
    let listing = try FolderListing(path)
    var folders: [Part: [String]] = [:]
    for folder in listing.folders {
      for (part, names) in names where names.contains(folder.lowercased()) { folders[part, default: []].append(folder) }
    }
    let isSplit = folders[.train] != nil && (folders.count > 1 || listing.folders.count == 1)
    guard isSplit, let trainName = folders[.train]?.first else {
      let whole = try ImageFolder(path, preprocessing: preprocessing, augmentation: augmentation, limits: limits)
      return ImageFolders(train: whole, validation: nil, test: nil, notes: [])
    }

    var notes: [String] = []
    let used = folders.values.map { $0[0] }
    let ignored = listing.folders.filter { !used.contains($0) }
    if !ignored.isEmpty { notes.append("folders beside \(trainName) are not used: \(ImageFolderError.list(ignored))") }
    let train = try ImageFolder(
      "\(path)/\(trainName)", preprocessing: preprocessing, augmentation: augmentation, limits: limits)

    func part(_ part: Part) throws(ImageFolderError) -> ImageFolder? {
      guard let name = folders[part]?.first else { return nil }
      let folder = "\(path)/\(name)"
      let classes = try FolderListing(folder).folders
      if part == .test && classes.isEmpty {
        notes.append("\(folder) has no class folders, so it cannot be used to evaluate")
        return nil
      }
      let missing = train.classNames.filter { !classes.contains($0) }
      let unexpected = classes.filter { !train.classNames.contains($0) }
      if !classes.isEmpty, !missing.isEmpty || !unexpected.isEmpty {
        throw .classesDiffer(path: folder, reference: train.root, missing: missing, unexpected: unexpected)
      }
      return try ImageFolder(folder, preprocessing: preprocessing, classNames: train.classNames, limits: limits)
    }
    let validation = try part(.validation)
    let test = try part(.test)
    return ImageFolders(train: train, validation: validation, test: test, notes: notes)
  }
}

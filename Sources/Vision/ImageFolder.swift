import Data
import Runtime

/// Pictures in one subfolder a class: `root/cat/1.jpg`, `root/dog/old/2.png`.
///
/// - Classes are the subfolders in byte order of their names; pictures may lie in folders inside them.
/// - Hidden entries are ignored. Endings do not matter, except that files like `.txt` or `.json` are skipped, and
///   counted in ``skipped``. What is no picture in spite of its name shows when it is read: see ``verify(progress:)``.
/// - Each example is decoded, augmented and preprocessed when asked for; nothing is kept in memory.
public struct ImageFolder: ImageDataset {
  /// One picture: its file and the index of its class.
  public struct Item: Hashable, Sendable {
    public var path: String
    public var label: Int
  }

  public let root: String
  public let classNames: [String]
  public let items: [Item]
  /// Files that were passed over, and why: `[".txt file": 3, "outside any class folder": 1]`.
  public let skipped: [String: Int]
  public var preprocessing: ImagePreprocessing
  /// For training; set to `.none` (the default) to evaluate.
  public var augmentation: Augmentation
  public var limits: ImageLimits

  /// Lists a folder; reads no picture.
  ///
  /// - Parameters:
  ///   - root: the folder of the class folders.
  ///   - classNames: a model's classes, to evaluate it: folders are matched by name, in any number and order, and a
  ///     folder that the model does not know is an error. By default the folders' names, of which there must be two.
  public init(
    _ root: String, preprocessing: ImagePreprocessing, augmentation: Augmentation = .none,
    classNames: [String]? = nil, limits: ImageLimits = ImageLimits()
  ) throws(ImageFolderError) {
    let root = Self.trimmed(root)
    let listing = try FolderListing(root)
    if listing.folders.isEmpty {
      let count = listing.files.count
      let found = count == 0 ? "nothing" : "\(count) file\(count == 1 ? "" : "s") and no folder"
      throw .noClasses(path: root, found: found)
    }
    var skipped: [String: Int] = [:]
    if !listing.files.isEmpty { skipped["outside any class folder"] = listing.files.count }

    let names = classNames ?? listing.folders
    let labels = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    let unknown = listing.folders.filter { labels[$0] == nil }
    if !unknown.isEmpty { throw .unknownClasses(path: root, names: unknown, known: names) }

    var items: [Item] = []
    var empty: [String] = []
    for name in listing.folders {
      let before = items.count
      let tree = try FolderListing.tree(below: "\(root)/\(name)", in: root)
      if !tree.linksToAncestors.isEmpty {
        skipped["link to a folder that it lies in", default: 0] += tree.linksToAncestors.count
      }
      for file in tree.files {
        if let ending = FolderListing.otherEnding(of: file) {
          skipped[".\(ending) file", default: 0] += 1
        } else {
          items.append(Item(path: "\(root)/\(name)/\(file)", label: labels[name]!))
        }
      }
      if items.count == before { empty.append(name) }
    }
    if !empty.isEmpty { throw .emptyClasses(path: root, names: empty) }
    if names.count == 1, classNames == nil { throw .oneClass(path: root, name: names[0]) }

    self.init(
      root: root, classNames: names, items: items, skipped: skipped, preprocessing: preprocessing,
      augmentation: augmentation, limits: limits)
  }

  private init(
    root: String, classNames: [String], items: [Item], skipped: [String: Int], preprocessing: ImagePreprocessing,
    augmentation: Augmentation, limits: ImageLimits
  ) {
    self.root = root
    self.classNames = classNames
    self.items = items
    self.skipped = skipped
    self.preprocessing = preprocessing
    self.augmentation = augmentation
    self.limits = limits
  }

  /// Without slashes at the end, for paths that read well.
  static func trimmed(_ path: String) -> String {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }

  public var count: Int { items.count }

  public func label(at index: Int) -> Int { items[index].label }

  public func exampleName(at index: Int) -> String { items[index].path }

  /// The picture as it is in its file, upright and opaque. Errors name the file.
  public func image(at index: Int) throws(ImageError) -> Image {
    try Image(contentsOf: items[index].path, background: preprocessing.background, limits: limits)
  }

  public func image(at index: Int, reduction: (_ width: Int, _ height: Int) -> Int) throws -> Image {
    try Image(
      contentsOf: items[index].path, background: preprocessing.background, limits: limits, reduction: reduction)
  }

  /// A hash of the file's bytes, the same on every machine: equal for copies of one file.
  public func contentHash(at index: Int) throws -> UInt64 {
    Self.hash(try readFile(items[index].path, byteLimit: limits.byteCount))
  }

  /// Eight bytes at a time through the finaliser of MurmurHash3, which lets every bit reach every other.
  static func hash(_ bytes: [UInt8]) -> UInt64 {
    func mixed(_ value: UInt64) -> UInt64 {
      var z = (value ^ (value >> 33)) &* 0xFF51_AFD7_ED55_8CCD
      z = (z ^ (z >> 33)) &* 0xC4CE_B9FE_1A85_EC53
      return z ^ (z >> 33)
    }
    return bytes.withUnsafeBytes { bytes in
      var hash = mixed(UInt64(bytes.count) ^ 0x9E37_79B9_7F4A_7C15)
      let whole = bytes.count & ~7
      for offset in stride(from: 0, to: whole, by: 8) {
        hash = mixed(hash ^ UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))) &+ 1
      }
      var tail: UInt64 = 0
      for offset in whole..<bytes.count { tail = tail << 8 | UInt64(bytes[offset]) }
      return mixed(hash ^ tail)
    }
  }

  /// The same data set without some files, for example those that ``verify(progress:)`` found.
  /// Classes keep their numbers; one that is left without pictures is an error.
  public func removing(_ files: [UnreadableImage]) throws(ImageFolderError) -> ImageFolder {
    let bad = Set(files.map(\.path))
    let kept = items.filter { !bad.contains($0.path) }
    let before = Set(items.map(\.label))
    let empty = before.subtracting(kept.map(\.label)).sorted().map { classNames[$0] }
    if !empty.isEmpty { throw .emptyClasses(path: root, names: empty) }
    var skipped = skipped
    if kept.count < items.count { skipped["unreadable", default: 0] += items.count - kept.count }
    return ImageFolder(
      root: root, classNames: classNames, items: kept, skipped: skipped, preprocessing: preprocessing,
      augmentation: augmentation, limits: limits)
  }
}

import Foundation

/// What lies in a folder, without hidden entries, in byte order of names, so that every machine sees one order.
public struct FolderListing {
  var folders: [String] = []
  var files: [String] = []

  init(_ path: String) throws(ImageFolderError) {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      let exists = FileManager.default.fileExists(atPath: path)
      let reason = exists ? "it is not a folder that may be read" : "there is no such folder"
      throw .unreadable(path: path, reason: reason)
    }
    for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) where !Self.isHidden(name) {
      var isFolder: ObjCBool = false
      // Follows links. A broken link counts as a file: reading it will tell.
      _ = FileManager.default.fileExists(atPath: "\(path)/\(name)", isDirectory: &isFolder)
      if isFolder.boolValue { folders.append(name) } else { files.append(name) }
    }
  }

  /// Bookkeeping of systems and tools, which must never become a class or a picture.
  private static func isHidden(_ name: String) -> Bool {
    name.hasPrefix(".") || ["__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"].contains(name)
  }

  /// What lies below a folder, however deep.
  struct Tree {
    /// Paths relative to the folder.
    var files: [String] = []
    /// Links that lead to a folder they lie in, relative too; they are not followed.
    var linksToAncestors: [String] = []
  }

  /// All files below a folder. A folder reached twice, through links, is read once, so that links in circles end; one
  /// that the folder itself lies in is not read, for it holds what was not asked for, such as other classes.
  ///
  /// - Parameter root: a folder that holds this one, perhaps by a link; the folders that it lies in are not read either.
  static func tree(below path: String, in root: String? = nil) throws(ImageFolderError) -> Tree {
    var ancestors = FolderIdentity.ancestors(of: path)
    if let root {
      ancestors.formUnion(FolderIdentity.ancestors(of: root))
      if let root = FolderIdentity(root) { ancestors.insert(root) }
    }
    var (tree, visited) = (Tree(), Set<FolderIdentity>())
    try read(path, name: "", ancestors: ancestors, visited: &visited, into: &tree)
    return tree
  }

  /// The pictures that a person means by some paths: a file itself, and of a folder what lies below it in byte order,
  /// without hidden files and such as are never pictures.
  public static func pictures(at paths: [String]) throws(ImageFolderError) -> [String] {
    var pictures: [String] = []
    for path in paths {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
        pictures.append(path)
        continue
      }
      let root = ImageFolder.trimmed(path)
      let found = try tree(below: root).files.filter { otherEnding(of: $0) == nil }
      if found.isEmpty { throw .unreadable(path: path, reason: "there are no images in it") }
      pictures += found.map { "\(root)/\($0)" }
    }
    return pictures
  }

  /// - Parameter name: of the folder, relative to where reading began, with a slash at its end.
  private static func read(
    _ path: String, name: String, ancestors: Set<FolderIdentity>, visited: inout Set<FolderIdentity>,
    into tree: inout Tree
  ) throws(ImageFolderError) {
    // What has no identity can't be listed either, which throws.
    if let identity = FolderIdentity(path), !visited.insert(identity).inserted { return }
    let listing = try FolderListing(path)
    tree.files += listing.files.map { name + $0 }
    for folder in listing.folders {
      let below = "\(path)/\(folder)"
      if let identity = FolderIdentity(below), ancestors.contains(identity) {
        tree.linksToAncestors.append(name + folder)
      } else {
        try read(below, name: "\(name)\(folder)/", ancestors: ancestors, visited: &visited, into: &tree)
      }
    }
  }

  /// Device and number of a folder: the same however it was reached.
  private struct FolderIdentity: Hashable {
    var device: UInt64
    var number: UInt64

    init?(_ path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      device = UInt64(truncatingIfNeeded: status.st_dev)
      number = UInt64(truncatingIfNeeded: status.st_ino)
    }

    /// Of the folders that a folder lies in, up to the topmost, which lies in itself.
    static func ancestors(of path: String) -> Set<FolderIdentity> {
      var (ancestors, path) = (Set<FolderIdentity>(), path + "/..")
      while let identity = FolderIdentity(path), ancestors.insert(identity).inserted { path += "/.." }
      return ancestors
    }
  }

  /// Endings of files that people keep beside pictures and that are never pictures. Any other file is taken for one:
  /// its content decides, and a file that can't be read is reported, not passed over.
  private static let otherEndings: Set<String> = [
    "txt", "md", "rst", "pdf", "doc", "docx", "html", "htm", "css", "js", "json", "jsonl", "xml", "yaml", "yml",
    "toml", "csv", "tsv", "xls", "xlsx", "log", "py", "ipynb", "m", "mat", "sh", "db", "ini", "cfg", "zip", "tar",
    "gz", "tgz", "bz2", "xz", "7z", "rar", "npy", "npz", "h5", "hdf5", "pkl", "pt", "pth", "onnx", "safetensors",
    "mp4", "avi", "mov", "mkv", "mp3", "wav", "cache", "lnk", "url", "md5", "sha256",
  ]

  /// The ending, in lower case, if it tells that the file is no picture.
  static func otherEnding(of file: String) -> String? {
    guard let dot = file.lastIndex(of: "."), !file[dot...].contains("/") else { return nil }
    let ending = file[file.index(after: dot)...].lowercased()
    return otherEndings.contains(ending) ? ending : nil
  }
}

/// Why a folder is no data set of pictures. `description` says what was expected and what was found.
public enum ImageFolderError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There is no such folder, or it can't be listed.
  case unreadable(path: String, reason: String)
  /// The folder has no subfolders; `found` says what it has.
  case noClasses(path: String, found: String)
  /// Only one subfolder was found: nothing to tell apart.
  case oneClass(path: String, name: String)
  /// Class folders without any file that may be a picture.
  case emptyClasses(path: String, names: [String])
  /// Class folders whose names the model does not know.
  case unknownClasses(path: String, names: [String], known: [String])
  /// The classes of two parts of one data set differ.
  case classesDiffer(path: String, reference: String, missing: [String], unexpected: [String])

  public var description: String {
    switch self {
    case .unreadable(let path, let reason):
      return "\(path): cannot be opened: \(reason)"
    case .noClasses(let path, let found):
      return "\(path) has no class folders: expected one subfolder for each class with its images inside "
        + "(\(path)/cat/1.jpg, \(path)/dog/2.jpg), but found \(found)"
    case .oneClass(let path, let name):
      return "\(path) has one class folder only, \"\(name)\"; a classifier needs at least two "
        + "(if the classes are inside it, open \(path)/\(name))"
    case .emptyClasses(let path, let names):
      return "\(path) has class folders without images: \(Self.list(names)); add images or remove the folders"
    case .unknownClasses(let path, let names, let known):
      return "\(path) has classes that the model does not know: \(Self.list(names)); it knows \(Self.list(known))"
    case .classesDiffer(let path, let reference, let missing, let unexpected):
      let parts = [
        missing.isEmpty ? nil : "lacks \(Self.list(missing))",
        unexpected.isEmpty ? nil : "has \(Self.list(unexpected)) besides",
      ].compactMap(\.self)
      return "the classes of \(path) differ from those of \(reference): it \(parts.joined(separator: " and ")); "
        + "rename or move the folders so that both have the same classes"
    }
  }

  /// Names for one line: the first ones, and how many more there are.
  static func list(_ names: [String], limit: Int = 8) -> String {
    let shown = names.prefix(limit).map { "\"\($0)\"" }.joined(separator: ", ")
    return names.count > limit ? "\(shown) and \(names.count - limit) more" : shown
  }
}

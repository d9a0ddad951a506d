import Graph
public import Runtime

/// NumPy's `.npz`: a zip archive of `.npy` arrays, stored or compressed.
public enum NPZ {
  /// The arrays by name.
  public static func read(_ path: String) throws(FormatError) -> [String: Tensor] {
    try NPZFile(InputFile(path)).tensors()
  }

  /// Writes the arrays in the order of their names, all or nothing (``AtomicFile``).
  public static func write(_ tensors: [String: Tensor], to path: String) throws(FormatError) {
    let sorted = tensors.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    try AtomicFile.write(to: path) { writer throws(FormatError) in
      var zip = ZipWriter(path: path)
      for (name, tensor) in sorted {
        guard let storage = tensor.storage else { fail("tensor \(name) is symbolic; only numbers can be written") }
        let body = UnsafeRawBufferPointer(start: storage.pointer, count: storage.byteCount)
        try zip.append(name + ".npy", header: NPY.header(for: tensor), body, to: writer)
      }
      try zip.finish(writer)
    }
    withExtendedLifetime(tensors) {}
  }
}

/// An open `.npz` file.
struct NPZFile: TensorArchive {
  let format = TensorFormat.npz
  let contents: [TensorEntry]
  let metadata: [String: String] = [:]
  private let archive: ZipArchive
  private let arrays: [ZipArchive.Member]

  /// More than any header of plain numbers.
  private static let headerLimit = 1 << 17

  init(_ file: InputFile) throws(FormatError) { try self.init(ZipArchive(file)) }

  init(_ archive: ZipArchive) throws(FormatError) {
    self.archive = archive
    arrays = archive.members.filter { $0.name.hasSuffix(".npy") }
    if let other = archive.members.first(where: { !$0.name.hasSuffix(".npy") }) {
      throw .unsupported(
        path: archive.file.path, reason: "the archive holds \(quoted(other.name)), which is no array of NumPy")
    }
    var entries: [TensorEntry] = []
    for member in arrays {
      let path = Self.path(of: member, archive)
      let prefix = try archive.prefix(of: member, count: Self.headerLimit)
      let header = try NPY.header(of: ByteSource(prefix: prefix, of: member.byteCount, path: path)).header
      entries.append(
        TensorEntry(
          name: Self.name(of: member), elementType: header.element.typeName, shape: header.shape,
          byteCount: header.shape.elementCount * header.element.byteCount))
    }
    contents = entries
  }

  func tensors() throws(FormatError) -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for member in arrays {
      let bytes = try archive.bytes(of: member)
      tensors[Self.name(of: member)] = try NPY.read(ByteSource(bytes, path: Self.path(of: member, archive)))
    }
    return tensors
  }

  private static func name(of member: ZipArchive.Member) -> String { String(member.name.dropLast(4)) }

  private static func path(of member: ZipArchive.Member, _ archive: ZipArchive) -> String {
    "\(archive.file.path), array \(quoted(name(of: member)))"
  }
}

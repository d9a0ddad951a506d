#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A folder with the four IDX files of MNIST, Fashion-MNIST, KMNIST or one set of EMNIST, each plain or `.gz`.
///
/// The form: Yann LeCun, "The MNIST database of handwritten digits". EMNIST (Cohen et al. 2017) stores each image
/// transposed; it is turned upright here.
public enum IDXFolder {
  /// Largest size that a header may claim for a file, in bytes.
  static let sizeLimit = 1 << 31

  /// Reads the whole data set into memory (Fashion-MNIST: 55 MB).
  ///
  /// Files are recognised by name: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, the same with `t10k`, with an
  /// `emnist-*-` in front and `test`, with `.gz` behind, and with a dot before `idx`.
  public static func open(_ path: String) throws(DataError) -> (train: IDXDataset, test: IDXDataset) {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    } catch {
      throw .cannotRead(path: path, reason: "not a folder, or no permission to list it")
    }
    func file(_ role: String) throws(DataError) -> (path: String, isTransposed: Bool) {
      let matches = names.filter { canonical($0) == role || isEMNIST($0) && canonical($0).hasSuffix("-" + role) }
      // The same file plain and compressed is no conflict: the plain one sorts first and reads faster.
      let distinct = Set(matches.map(canonical))
      guard let name = matches.first, distinct.count == 1 else {
        throw .missingFiles(
          path: path, expected: "one file \(role)-ubyte or \(role)-ubyte.gz",
          found: distinct.isEmpty ? listing(names) : "\(distinct.count): \(listing(matches)); keep each set in a folder"
        )
      }
      return ("\(path)/\(name)", isEMNIST(name))
    }
    let train = try (images: Images(file("train-images-idx3")), labels: labels(file("train-labels-idx1").path))
    let test = try (images: Images(file("t10k-images-idx3")), labels: labels(file("t10k-labels-idx1").path))
    let classCount = Int(max(train.labels.max() ?? 0, test.labels.max() ?? 0)) + 1
    let classNames = classNames(count: classCount, path: path)
    return try (
      dataset(train.images, train.labels, classNames), dataset(test.images, test.labels, classNames)
    )
  }

  /// What a file name comes to without its variations: `emnist-digits-test-images-idx3-ubyte.gz` is
  /// `emnist-digits-t10k-images-idx3`.
  private static func canonical(_ name: String) -> String {
    var name = name.lowercased()
    if name.hasSuffix(".gz") { name.removeLast(3) }
    guard name.hasSuffix("-ubyte") else { return "" }
    name.removeLast(6)
    return name.replacing(".idx", with: "-idx").replacing("test-", with: "t10k-")
  }

  private static func isEMNIST(_ name: String) -> Bool { name.lowercased().hasPrefix("emnist-") }

  private static func listing(_ names: [String]) -> String {
    names.isEmpty
      ? "an empty folder"
      : names.prefix(6).map(\.debugDescription).joined(separator: ", ") + (names.count > 6 ? ", ..." : "")
  }

  private static func classNames(count: Int, path: String) -> [String] {
    // The files do not say. Others keep them in `FashionMNIST/raw` or `fashion-mnist`.
    let folders = URL(fileURLWithPath: path).standardizedFileURL.pathComponents.suffix(2)
    let isFashion = folders.contains { $0.lowercased().contains("fashion") }
    if count <= EmbeddedFashionMNIST.classNames.count && isFashion {
      return EmbeddedFashionMNIST.classNames
    }
    return (0..<max(count, 10)).map(String.init)
  }

  private static func dataset(
    _ images: Images, _ labels: [UInt8], _ classNames: [String]
  ) throws(DataError) -> IDXDataset {
    if images.count != labels.count {
      throw .malformed(
        path: images.path, reason: "\(images.count) images, but its label file has \(labels.count) labels")
    }
    return IDXDataset(
      pixels: images.pixels, labels: labels, imageHeight: images.height, imageWidth: images.width,
      classNames: classNames)
  }

  private static func labels(_ path: String) throws(DataError) -> [UInt8] { try read(path, rank: 1).bytes }

  /// The images of one file, upright.
  private struct Images {
    let path: String
    let count: Int
    let height: Int
    let width: Int
    let pixels: [UInt8]

    init(_ file: (path: String, isTransposed: Bool)) throws(DataError) {
      let (extents, bytes) = try read(file.path, rank: 3)
      path = file.path
      count = extents[0]
      (height, width) = file.isTransposed ? (extents[2], extents[1]) : (extents[1], extents[2])
      pixels = file.isTransposed ? transposed(bytes, count: extents[0], rows: extents[1], columns: extents[2]) : bytes
    }
  }

  private static func transposed(_ bytes: [UInt8], count: Int, rows: Int, columns: Int) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: bytes.count)
    for start in stride(from: 0, to: bytes.count, by: max(rows * columns, 1)) {
      for row in 0..<rows {
        for column in 0..<columns { result[start + column * rows + row] = bytes[start + row * columns + column] }
      }
    }
    return result
  }

  /// The extents and bytes of an IDX file of unsigned bytes.
  static func read(_ path: String, rank: Int) throws(DataError) -> (extents: [Int], bytes: [UInt8]) {
    let file = try GzipReader(path)
    let header = try file.read(upTo: 4 + 4 * rank)
    guard header.count == 4 + 4 * rank, header.starts(with: [0, 0, 8, UInt8(rank)]) else {
      throw .malformed(
        path: path, reason: "not an IDX file of unsigned bytes with \(rank) axes (it should start 00 00 08 0\(rank))")
    }
    let extents = (0..<rank).map { axis in
      header[4 + 4 * axis..<8 + 4 * axis].reduce(0) { $0 << 8 | Int($1) }
    }
    // Three 32-bit extents overflow 64 bits.
    var size = 1
    for extent in extents {
      let (product, overflows) = size.multipliedReportingOverflow(by: extent)
      size = overflows ? .max : product
    }
    let shape = extents.map(String.init).joined(separator: "x")
    if extents.dropFirst().contains(0) || size > sizeLimit {
      throw .malformed(
        path: path, reason: "its header claims \(shape) bytes; expected images of some size and at most 2 GiB")
    }
    // One more than the header claims, to notice a file that goes on.
    let bytes = try file.read(upTo: size + 1)
    if bytes.count != size {
      let found = bytes.count > size ? "more" : "\(bytes.count)"
      throw .malformed(path: path, reason: "its header claims \(shape) bytes, but it has \(found); fetch it again")
    }
    return (extents, bytes)
  }
}

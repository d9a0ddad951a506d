import Data
import Foundation
import Runtime
import Testing

@Suite struct IDXTests {
  static func header(_ extents: [Int]) -> [UInt8] {
    [0, 0, 8, UInt8(extents.count)] + extents.flatMap { extent in (0..<4).map { UInt8(extent >> (24 - 8 * $0) & 255) } }
  }

  static func images(_ count: Int, _ rows: Int = 2, _ columns: Int = 3) -> [UInt8] {
    header([count, rows, columns]) + (0..<count * rows * columns).map { UInt8(truncatingIfNeeded: $0) }
  }

  static func labels(_ labels: [UInt8]) -> [UInt8] { header([labels.count]) + labels }

  /// A folder with three training images and two test images.
  static func folder(_ name: String = "mnist", prefix: String = "", test: String = "t10k") throws -> Scratch {
    let scratch = try Scratch(name)
    try scratch.write(images(3), to: "\(prefix)train-images-idx3-ubyte")
    try scratch.writeGzip(labels([0, 2, 1]), to: "\(prefix)train-labels-idx1-ubyte.gz")
    try scratch.writeGzip(images(2), to: "\(prefix)\(test)-images-idx3-ubyte.gz")
    try scratch.write(labels([2, 2]), to: "\(prefix)\(test)-labels-idx1-ubyte")
    return scratch
  }

  @Test func readsPlainAndCompressedFiles() throws {
    let scratch = try Self.folder()
    let (train, test) = try IDXFolder.open(scratch.path)
    #expect(train.count == 3 && test.count == 2)
    #expect(train.imageHeight == 2 && train.imageWidth == 3)
    #expect(Array(train.pixels(at: 1)) == [6, 7, 8, 9, 10, 11])
    #expect((0..<3).map(train.label(at:)) == [0, 2, 1])
    #expect(train.classNames == (0..<10).map(String.init))
    let example = train.example(at: 1, random: RandomStream(seed: 0))
    #expect(example.input.shape == [1, 2, 3])
    #expect(example.input.scalars() == (6...11).map { Float($0) / 255 })
    #expect(example.target.shape == .scalar && example.target.item() == Int32(2))
    #expect(train.contentHash(at: 1) == XXHash64.hash([6, 7, 8, 9, 10, 11]))
    #expect(train.contentHash(at: 1) == test.contentHash(at: 1))
  }

  @Test func emnistIsTurnedUpright() throws {
    let scratch = try Self.folder(prefix: "emnist-letters-", test: "test")
    let train = try IDXFolder.open(scratch.path).train
    #expect(train.imageHeight == 3 && train.imageWidth == 2)
    // Stored as rows 6 7 8 / 9 10 11.
    #expect(Array(train.pixels(at: 1)) == [6, 9, 7, 10, 8, 11])
  }

  @Test func dottedNamesAndFashion() throws {
    let scratch = try Scratch("Fashion-MNIST")
    for role in ["train", "t10k"] {
      try scratch.write(Self.images(2), to: "\(role)-images.idx3-ubyte")
      try scratch.write(Self.labels([9, 0]), to: "\(role)-labels.idx1-ubyte")
    }
    #expect(try IDXFolder.open(scratch.path).test.classNames[9] == "Ankle boot")
  }

  @Test func saysWhatIsMissing() throws {
    let empty = try Scratch()
    #expect(
      message { _ = try IDXFolder.open(empty.path) }
        == "\(empty.path): expected one file train-images-idx3-ubyte or train-images-idx3-ubyte.gz, "
        + "but found an empty folder"
    )
    #expect(
      message { _ = try IDXFolder.open("/nowhere") }
        == "/nowhere: cannot be read: not a folder, or no permission to list it")
    let two = try Self.folder(prefix: "emnist-a-")
    try two.write(Self.images(1), to: "emnist-b-train-images-idx3-ubyte")
    #expect(message { _ = try IDXFolder.open(two.path) }.contains("keep each set in a folder"))
    let unequal = try Self.folder()
    try unequal.write(Self.images(4), to: "train-images-idx3-ubyte")
    #expect(message { _ = try IDXFolder.open(unequal.path) }.contains("4 images, but its label file has 3 labels"))
    let strange = try Self.folder()
    try FileManager.default.removeItem(atPath: "\(strange.path)/train-images-idx3-ubyte")
    try FileManager.default.createDirectory(
      atPath: "\(strange.path)/train-images-idx3-ubyte", withIntermediateDirectories: false)
    #expect(message { _ = try IDXFolder.open(strange.path) }.contains("not a file"))
  }

  @Test(arguments: [
    ([UInt8](), "not an IDX file"), ([0, 0, 13, 3, 0, 0, 0, 1], "not an IDX file"),
    (header([1 << 31, 1 << 31, 1 << 31]), "at most 2 GiB"), (header([0xFFFF_FFFF, 28, 28]), "at most 2 GiB"),
    (header([1, 0, 28]), "of some size"), (header([70_000, 28, 28]) + [1, 2], "it has 2; fetch"),
    (images(3) + [0], "it has more"),
  ])
  func hostileHeaders(bytes: [UInt8], expected: String) throws {
    for isCompressed in [false, true] {
      let scratch = try Self.folder()
      try FileManager.default.removeItem(atPath: "\(scratch.path)/train-images-idx3-ubyte")
      if isCompressed {
        try scratch.writeGzip(bytes, to: "train-images-idx3-ubyte.gz")
      } else {
        try scratch.write(bytes, to: "train-images-idx3-ubyte")
      }
      #expect(message { _ = try IDXFolder.open(scratch.path) }.contains(expected))
    }
  }

  @Test func damagedFilesNeverTrap() throws {
    let scratch = try Self.folder()
    var random = RandomStream(seed: 9)
    for name in ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"] {
      let original = Array(try Data(contentsOf: URL(fileURLWithPath: "\(scratch.path)/\(name)")))
      for count in original.indices {
        try scratch.write(Array(original[..<count]), to: name)
        #expect(throws: DataError.self, "\(name) cut to \(count)") { _ = try IDXFolder.open(scratch.path) }
      }
      for _ in 0..<1500 {
        var changed = original
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          changed[Int.random(in: 0..<changed.count, using: &random)] = UInt8.random(in: 0 ... .max, using: &random)
        }
        try scratch.write(changed, to: name)
        _ = try? IDXFolder.open(scratch.path)
      }
      try scratch.write(original, to: name)
    }
  }
}

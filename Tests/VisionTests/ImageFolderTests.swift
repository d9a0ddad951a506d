import Data
import Foundation
import Runtime
import Synchronization
import Testing
import Vision

@Suite struct ImageFolderTests {
  let rule = ImagePreprocessing(height: 12, width: 10)
  let cat: [UInt8]
  let dog: [UInt8]

  init() throws {
    cat = try Fixtures.bytes("rgb444.jpg")
    dog = try Fixtures.bytes("grey.png")
  }

  @Test func classesAreSubfoldersInByteOrder() throws {
    let folder = try TemporaryFolder([
      "dog/1.png": dog, "cat/b.JPG": cat, "cat/a.jpg": cat, "cat/deep/er/c": cat, "Zebra/1.bin.png": dog,
      "cat/.hidden.jpg": cat, ".git/x.png": dog, ".ipynb_checkpoints/1.png": dog, "cat/.DS_Store": [1],
      "cat/notes.txt": [65], "dog/labels.CSV": [65], "dog/more.txt": [66], "readme.md": [67], "cat/Thumbs.db": [1],
      "__MACOSX/a.png": dog,
    ])
    let data = try ImageFolder(folder.path + "/", preprocessing: rule)
    #expect(data.classNames == ["Zebra", "cat", "dog"])
    #expect(
      data.items.map { $0.path.dropFirst(folder.path.count + 1) }
        == ["Zebra/1.bin.png", "cat/a.jpg", "cat/b.JPG", "cat/deep/er/c", "dog/1.png"])
    #expect(data.items.map(\.label) == [0, 1, 1, 1, 2])
    #expect(data.count == 5 && data.label(at: 4) == 2)
    #expect(data.skipped == [".txt file": 2, ".csv file": 1, "outside any class folder": 1])
    #expect(data.verify() == [])

    let example = try data.example(at: 1, random: RandomStream(seed: 0))
    #expect(example.input.shape == [3, 12, 10] && example.input.dtype == .float32)
    #expect(example.target.shape == .scalar && example.target.item(as: Int32.self) == 1)
    #expect(example.input.scalars(as: Float.self) == rule.tensor(from: try Image.decode(cat)).scalars(as: Float.self))
    // A grey picture for a network that sees colours: three equal channels.
    let grey = try data.example(at: 4, random: RandomStream(seed: 0)).input.scalars(as: Float.self)
    #expect(grey[..<120] == grey[120..<240] && grey[..<120] == grey[240...])
  }

  @Test func examplesDependOnTheStreamAlone() throws {
    let folder = try TemporaryFolder(["a/1.jpg": cat, "b/1.png": dog])
    var data = try ImageFolder(folder.path, preprocessing: rule, augmentation: .standard)
    func bits(_ stream: UInt64) throws -> [UInt32] {
      try data.example(at: 0, random: RandomStream(seed: 5, stream: stream)).input.scalars(as: Float.self).map(
        \.bitPattern)
    }
    #expect(try bits(1) == bits(1))
    #expect(try bits(1) != bits(2))
    data.augmentation = .none
    #expect(try bits(1) == bits(2))
  }

  @Test func examplesAreTheSameFromAnyThread() throws {
    let names = [
      "rgb420.jpg", "palette-transparent.png", "lossy-alpha.webp", "rgb16.png", "cmyk-adobe.jpg", "grey.jpg",
    ]
    let folder = try TemporaryFolder()
    for name in names {
      try folder.write("a/\(name)", Fixtures.bytes(name))
      try folder.write("b/\(name)", Fixtures.bytes(name))
    }
    let data = try ImageFolder(folder.path, preprocessing: rule, augmentation: .standard)
    @Sendable func bits(_ task: Int) -> [UInt32]? {
      let random = RandomStream(seed: 9, stream: UInt64(task))
      return try? data.example(at: task % data.count, random: random).input.scalars(as: Float.self).map(\.bitPattern)
    }
    let expected = (0..<96).map(bits)
    #expect(!expected.contains(nil))
    let results = Mutex([[UInt32]?](repeating: nil, count: 96))
    DispatchQueue.concurrentPerform(iterations: 96) { task in
      let result = bits(task)
      results.withLock { $0[task] = result }
    }
    #expect(results.withLock { $0 } == expected)
  }

  @Test func foldersStandForTheirPictures() throws {
    let folder = try TemporaryFolder(["b/2.jpg": cat, "b/1.jpg": cat, "b/more/3.jpg": cat, "a.jpg": cat])
    try folder.write("b/list.txt", [65])
    try folder.write("b/.hidden.jpg", [65])
    try folder.makeFolder("empty")
    let path = folder.path
    #expect(
      try FolderListing.pictures(at: ["\(path)/b/", "\(path)/a.jpg", "\(path)/none.jpg"])
        == ["\(path)/b/1.jpg", "\(path)/b/2.jpg", "\(path)/b/more/3.jpg", "\(path)/a.jpg", "\(path)/none.jpg"])
    let text = message { _ = try FolderListing.pictures(at: ["\(path)/empty"]) }
    #expect(text == "\(path)/empty: cannot be opened: there are no images in it")
  }

  @Test func wrongLayoutsAreExplained() throws {
    let folder = try TemporaryFolder(["flat/1.jpg": cat, "flat/2.jpg": cat, "one/cat/1.jpg": cat, "gap/cat/1.jpg": cat])
    try folder.makeFolder("empty")
    try folder.makeFolder("gap/dog/old")
    try folder.write("gap/owl/list.txt", [65])
    let path = folder.path
    func text(_ name: String) -> String { message { _ = try ImageFolder("\(path)/\(name)", preprocessing: rule) } }
    #expect(text("none") == "\(path)/none: cannot be opened: there is no such folder")
    #expect(text("flat/1.jpg") == "\(path)/flat/1.jpg: cannot be opened: it is not a folder that may be read")
    let expected = "expected one subfolder for each class with its images inside"
    #expect(
      text("flat")
        == "\(path)/flat has no class folders: \(expected) (\(path)/flat/cat/1.jpg, \(path)/flat/dog/2.jpg), "
        + "but found 2 files and no folder")
    #expect(text("empty").hasSuffix("but found nothing"))
    #expect(
      text("one")
        == "\(path)/one has one class folder only, \"cat\"; a classifier needs at least two "
        + "(if the classes are inside it, open \(path)/one/cat)")
    #expect(
      text("gap")
        == "\(path)/gap has class folders without images: \"dog\", \"owl\"; add images or remove the folders")
  }

  @Test func evaluationMatchesClassesByName() throws {
    let folder = try TemporaryFolder(["dog/1.png": dog, "ant/1.jpg": cat])
    let data = try ImageFolder(folder.path, preprocessing: rule, classNames: ["cat", "dog", "bee", "ant"])
    #expect(data.classNames == ["cat", "dog", "bee", "ant"])
    #expect(data.items.map(\.label) == [3, 1])
    let one = try TemporaryFolder(["dog/1.png": dog])
    #expect(try ImageFolder(one.path, preprocessing: rule, classNames: ["cat", "dog"]).items.map(\.label) == [1])
    #expect(
      message { _ = try ImageFolder(folder.path, preprocessing: rule, classNames: ["cat", "dog"]) }
        == "\(folder.path) has classes that the model does not know: \"ant\"; it knows \"cat\", \"dog\"")
  }

  @Test func splitsAreDetected() throws {
    let both = ["ant/1.jpg", "bee/1.png"]
    for (names, validation, test) in [
      (["train", "val"], true, false), (["train", "valid", "test"], true, true), (["Train", "Test"], false, true),
      (["training", "validation", "testing"], true, true), (["train"], false, false),
    ] {
      let folder = try TemporaryFolder()
      for name in names { for file in both { try folder.write("\(name)/\(file)", dog) } }
      let parts = try ImageFolders.open(folder.path, preprocessing: rule, augmentation: .light)
      #expect(parts.train.root == "\(folder.path)/\(names[0])")
      #expect((parts.validation != nil) == validation && (parts.test != nil) == test, "\(names)")
      #expect(
        parts.train.augmentation == .light && parts.validation?.augmentation ?? Augmentation.none == Augmentation.none)
      #expect(parts.notes == [])
      for part in [parts.train, parts.validation, parts.test].compactMap(\.self) {
        #expect(part.classNames == ["ant", "bee"] && part.count == 2)
      }
    }
    // Vehicles: "train" is a class here.
    let vehicles = try TemporaryFolder(["train/1.jpg": cat, "bus/1.png": dog, "plane/2.png": dog])
    let whole = try ImageFolders.open(vehicles.path, preprocessing: rule)
    #expect(whole.train.classNames == ["bus", "plane", "train"] && whole.validation == nil && whole.test == nil)
    // A contest's test pictures have no labels.
    let contest = try TemporaryFolder([
      "train/a/1.jpg": cat, "train/b/1.jpg": cat, "test/1.jpg": cat, "extra/1.jpg": cat,
    ])
    let parts = try ImageFolders.open(contest.path, preprocessing: rule)
    #expect(parts.test == nil)
    #expect(
      parts.notes == [
        "folders beside train are not used: \"extra\"",
        "\(contest.path)/test has no class folders, so it cannot be used to evaluate",
      ])
  }

  @Test func partsMustHaveTheSameClasses() throws {
    let folder = try TemporaryFolder([
      "train/ant/1.jpg": cat, "train/bee/1.jpg": cat, "val/ant/1.jpg": cat, "val/Bee/1.jpg": cat,
    ])
    #expect(
      message { _ = try ImageFolders.open(folder.path, preprocessing: rule) }
        == "the classes of \(folder.path)/val differ from those of \(folder.path)/train: "
        + "it lacks \"bee\" and has \"Bee\" besides; rename or move the folders so that both have the same classes")
  }

  @Test func verificationFindsEveryBadFile() throws {
    let folder = try TemporaryFolder([
      "b/page.jpg": Array("<html>".utf8), "b/empty.png": [], "a/cut.jpg": Array(cat.dropLast(9)),
    ])
    for index in 0..<40 { try folder.write("a/\(index).jpg", cat) }
    try folder.write("b/ok.png", dog)
    try folder.write("b/old.tif", try Fixtures.bytes("unsupported.tiff"))
    try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/b/gone.jpg", withDestinationPath: "/nowhere")
    // A link in a circle must not be followed for ever.
    try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/b/loop", withDestinationPath: folder.path + "/b")

    let data = try ImageFolder(folder.path, preprocessing: rule)
    #expect(data.count == 46)
    let calls = Mutex<[Int]>([])
    let bad = data.verify { done, total in calls.withLock { $0.append(done * 1000 + total) } }
    #expect(
      bad.map(\.path)
        == ["a/cut.jpg", "b/empty.png", "b/gone.jpg", "b/old.tif", "b/page.jpg"].map { "\(folder.path)/\($0)" })
    #expect(bad[0].description.hasPrefix("\(folder.path)/a/cut.jpg is a damaged JPEG file ("))
    #expect(bad[3].description.hasSuffix("/b/old.tif is a TIFF, which is not supported; convert it to PNG or JPEG"))
    #expect(calls.withLock { $0.max() } == 46046)
    #expect(message { _ = try data.example(at: 40, random: RandomStream(seed: 0)) } == bad[0].description)

    let good = try data.removing(bad)
    #expect(good.count == 41 && good.classNames == ["a", "b"] && good.skipped == ["unreadable": 5])
    #expect(good.verify() == [])
    let none = try TemporaryFolder(["a/1.jpg": cat, "b/1.jpg": [0]])
    let mostly = try ImageFolder(none.path, preprocessing: rule)
    #expect(
      message { _ = try mostly.removing(mostly.verify()) }
        == "\(none.path) has class folders without images: \"b\"; add images or remove the folders")
  }

  @Test func linksToFoldersAroundAClassAreNotFollowed() throws {
    let folder = try TemporaryFolder([
      "set/a/1.jpg": cat, "set/a/old/2.jpg": cat, "set/b/1.png": dog, "elsewhere/c/1.jpg": cat, "elsewhere/3.jpg": dog,
      "more/4.jpg": cat,
    ])
    let root = folder.path + "/set"
    for (link, target) in [
      // The classes, what is around them, and a folder of the class's own tree.
      ("set/a/up", root), ("set/a/old/top", folder.path), ("set/b/all", "../.."), ("set/a/old/self", root + "/a"),
      // A class that lies elsewhere, from where links may lead to either place; and pictures that really are added.
      ("set/c", folder.path + "/elsewhere/c"), ("elsewhere/c/back", root), ("elsewhere/c/around", ".."),
      ("set/c/more", folder.path + "/more"),
    ] {
      try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/\(link)", withDestinationPath: target)
    }
    let data = try ImageFolder(root, preprocessing: rule)
    #expect(
      data.items.map(\.path)
        == ["a/1.jpg", "a/old/2.jpg", "b/1.png", "c/1.jpg", "c/more/4.jpg"].map { "\(root)/\($0)" })
    #expect(data.items.map(\.label) == [0, 0, 1, 2, 2])
    #expect(data.skipped == ["link to a folder that it lies in": 5])
    #expect(try FolderListing.pictures(at: [root + "/a"]) == ["1.jpg", "old/2.jpg"].map { "\(root)/a/\($0)" })
  }

  @Test func namesThatAreNoTextDoNotTrap() throws {
    let folder = try TemporaryFolder(["a/1.jpg": cat, "b/1.png": dog, "ü/ö 1.jpg": cat])
    // A file whose name is not UTF-8, as old archives leave behind.
    var name = Array("\(folder.path)/a/".utf8CString.dropLast()) + [CChar(bitPattern: 0xFF), 0x61, 0]
    let descriptor = open(&name, O_CREAT | O_WRONLY, 0o600)
    #expect(descriptor >= 0)
    close(descriptor)
    let data = try ImageFolder(folder.path, preprocessing: rule)
    #expect(data.classNames == ["a", "b", "ü"])
    #expect(data.verify().count == data.count - 3)
  }

  @Test func contentHashTellsFilesApart() throws {
    var files = ["a/1.jpg": cat, "b/copy.jpg": cat, "b/empty": [], "b/zero": [0], "b/zeros": [0, 0]]
    for bit in 0..<64 {
      var changed = cat
      changed[100 + bit / 8] ^= 1 << (bit % 8)
      files["c/\(bit)"] = changed
      // The highest bit of two words: a weak hash loses both.
      changed[100] ^= 0x80
      changed[108 + bit] ^= 0x80
      files["d/\(bit)"] = changed
    }
    let folder = try TemporaryFolder(files)
    let data = try ImageFolder(folder.path, preprocessing: rule)
    let hashes = try (0..<data.count).map { try data.contentHash(at: $0) }
    #expect(hashes[0] == hashes[1])
    let contents = Set(files.values)
    #expect(Set(hashes).count == contents.count)
    // The same on every machine and for ever: it is stored.
    let words = try TemporaryFolder(["a/1": Array("convolution".utf8), "b/1": [1]])
    let known = try ImageFolder(words.path, preprocessing: rule)
    #expect(try known.contentHash(at: 0) == 0xb1078f40358c5de0)
  }
}

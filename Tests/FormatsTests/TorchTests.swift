import Formats
import Foundation
import Runtime
import Testing

@Suite struct TorchTests {
  /// What the fixture's files hold, from PyTorch by way of safetensors.
  private let expected: [String: Tensor]

  init() throws { expected = try Safetensors.read(fixture("torch.safetensors")).tensors }

  /// Zip, stream and a state dict within a checkpoint; views with strides and offsets, 16-bit floats, every type.
  @Test(arguments: [
    ("state.pth", TensorFormat.torchZip), ("legacy.pth", .torchStream), ("checkpoint.pt", .torchZip),
    ("training.pt", .torchZip), ("stored.npz", .npz), ("deflated.npz", .npz), ("torch.safetensors", .safetensors),
  ])
  func everyFormatHoldsTheSameTensors(name: String, format: TensorFormat) throws {
    let archive = try openTensors(fixture(name))
    #expect(archive.format == format)
    let found = try archive.tensors()
    #expect(found.keys.sorted() == expected.keys.sorted())
    for (name, tensor) in expected { #expect(isSame(found[name], tensor), "\(name)") }
    // The list says the same without the numbers.
    #expect(archive.contents.map(\.name).sorted() == expected.keys.sorted())
    for entry in archive.contents { #expect(entry.shape == expected[entry.name]?.shape, "\(entry.name)") }
  }

  @Test func typesAreThoseOfTheFile() throws {
    let types = Dictionary(
      uniqueKeysWithValues: try openTensors(fixture("legacy.pth")).contents.map { ($0.name, $0.elementType) })
    #expect(types["half"] == "float16")
    #expect(types["bfloat16"] == "bfloat16")
    #expect(types["double"] == "float64")
    #expect(try openTensors(fixture("checkpoint.pt")).metadata == ["epoch": "3", "arch": "net"])
    #expect(
      try openTensors(fixture("training.pt")).metadata
        == ["epoch": "3", "arch": "net", "taken_from": "\"state_dict\", not \"state_dict_ema\""])
  }

  /// What PyTorch knows and weights cannot be, in a word that helps; nothing of it is hostile.
  @Test func otherTensorsAreNamed() throws {
    let scratch = try Scratch()
    for (module, name, words) in [
      ("torch._utils", "_rebuild_sparse_tensor", "a sparse tensor; save tensor.to_dense() in its place"),
      ("torch._utils", "_rebuild_qtensor", "a quantised tensor; save tensor.dequantize() in its place"),
      ("torch", "ComplexFloatStorage", "complex numbers; save torch.view_as_real(tensor) in their place"),
    ] {
      let pickle = [0x80, 2] + Array("c\(module)\n\(name)\n.".utf8)
      let path = try scratch.write(pickle, to: "\(name).pth")
      #expect(message { _ = try openTensors(path) } == "\(path): not supported: \(words)")
    }
    #expect(
      message { _ = try openTensors(fixture("negative.pt")) }
        .hasSuffix("a tensor that is another one's negative or conjugate; save tensor.clone() in its place"))
    #expect(
      message { _ = try openTensors(fixture("sets.pt")) }
        .hasSuffix(
          "it holds several sets of tensors, \"generator\", \"discriminator\"; save one of them by itself: "
            + "torch.save(checkpoint[\"generator\"], ...)"))
  }

  /// Dictionaries that hold each other by reference, a thousand times each on three levels: a thousand million ways.
  @Test func sharedDictionariesCostNothing() throws {
    let scratch = try Scratch()
    func text(_ text: String) -> [UInt8] { [0x8c, UInt8(text.utf8.count)] + Array(text.utf8) }
    var pickle: [UInt8] = [0x80, 4] + Array("}".utf8) + [0x94]
    for level in 0..<4 {
      pickle += Array("}(".utf8)
      for index in 0..<1000 { pickle += text("\(index)") + Array("h".utf8) + [UInt8(level)] }
      pickle += Array("u".utf8) + [0x94]
    }
    let stream = Array(try bytes(of: fixture("legacy.pth")).prefix(21))
    // The version and the system, then this in place of tensors, and no storages.
    let head = try bytes(of: fixture("legacy.pth"))
    let end = try #require(head.indices.first { head[$0...].starts(with: Array("type_sizes".utf8)) })
    let third = try #require(head[end...].indices.first { head[$0...].starts(with: [0x2e, 0x80, 2]) })
    let path = try scratch.write(
      stream + head[stream.count...third] + pickle + Array(".".utf8) + [0x80, 4] + Array("].".utf8), to: "deep.pth")
    #expect(message { _ = try openTensors(path) }.contains("it holds no tensors by name"))
  }

  @Test func npzIsWrittenAndReadBack() throws {
    let scratch = try Scratch()
    try NPZ.write(expected, to: scratch.file("a.npz"))
    let found = try NPZ.read(scratch.file("a.npz"))
    #expect(found.keys.sorted() == expected.keys.sorted())
    for (name, tensor) in expected { #expect(isSame(found[name], tensor), "\(name)") }
    try NPZ.write(found, to: scratch.file("b.npz"))
    #expect(try bytes(of: scratch.file("a.npz")) == bytes(of: scratch.file("b.npz")))
  }

  /// `os.system` in the protocols 0, 2 and 4, alone, in the stream and in a zip archive.
  @Test func hostilePicklesAreRefusedByName() throws {
    let scratch = try Scratch()
    let system = Array("\u{80}\u{2}".unicodeScalars.map { UInt8($0.value) }) + Array("cos\nsystem\nX".utf8)
    let call = system + [2, 0, 0, 0] + Array("ls\u{85}".unicodeScalars.map { UInt8($0.value) }) + Array("R.".utf8)
    let alone = try scratch.write(call, to: "alone.pth")
    let refusal =
      ": refused: opening it in Python would call os.system, and weights need no code; ask for the weights alone, as "
      + "torch.save(model.state_dict(), ...) or safetensors write them"
    #expect(message { _ = try openTensors(alone) } == alone + refusal)

    let short = [UInt8](arrayLiteral: 0x80, 4, 0x8c, 2) + Array("os".utf8) + [0x8c, 6] + Array("system".utf8)
    let named = try scratch.write(short + [0x93, 0x29, 0x52, 0x2e], to: "named.pth")
    #expect(message { _ = try openTensors(named) } == named + refusal)

    // Behind the stream's magic number, in place of its tensors.
    let stream = Array(try bytes(of: fixture("legacy.pth")).prefix(21))
    let behind = try scratch.write(stream + call, to: "behind.pth")
    #expect(message { _ = try openTensors(behind) } == behind + refusal)
  }

  @Test(arguments: ["state.pth", "legacy.pth", "deflated.npz", "stored.npz"])
  func truncatedFilesAreRefused(name: String) throws {
    let scratch = try Scratch()
    let whole = try bytes(of: fixture(name))
    for count in stride(from: 0, to: whole.count, by: 61) + [whole.count - 1] {
      let path = try scratch.write(Array(whole[..<count]))
      #expect(throws: FormatError.self, "\(count)") { try openTensors(path).tensors() }
    }
  }

  /// Whatever byte is wrong, nothing worse than an error happens; in a zip archive no wrong number passes.
  @Test(arguments: ["state.pth", "training.pt", "legacy.pth", "deflated.npz", "stored.npz"])
  func damagedFilesDoNoHarm(name: String) throws {
    let scratch = try Scratch()
    let whole = try bytes(of: fixture(name))
    let isChecked = !name.hasPrefix("legacy")
    var random = RandomStream(seed: 5)
    for _ in 0..<300 {
      var damaged = whole
      let position = Int(random.next() % UInt64(whole.count))
      damaged[position] ^= 1 << UInt8(random.next() % 8)
      let path = try scratch.write(damaged)
      guard let found = try? openTensors(path).tensors(), isChecked else { continue }
      for (name, tensor) in found where expected[name] != nil {
        #expect(isSame(tensor, expected[name]), "\(name), byte \(position)")
      }
    }
  }

  @Test func flippedBitsInAnArchiveAreNamed() throws {
    let scratch = try Scratch()
    var damaged = try bytes(of: fixture("stored.npz"))
    // The last byte of an array: its name is next in the following header.
    let numbers = try #require(expected["double"]).scalars(as: Double.self).flatMap {
      withUnsafeBytes(of: $0, Array.init)
    }
    let place = try #require(damaged.indices.first { damaged[$0...].starts(with: numbers) })
    damaged[place] ^= 1
    let path = try scratch.write(damaged)
    #expect(
      message { _ = try openTensors(path).tensors() }
        == "\(path): damaged: the checksum of the member \"double.npy\" does not match; restore the file from a copy")
  }

  /// Five gigabytes of zeros that take no room on the disk.
  @Test func sparseFilesCostNothing() throws {
    let scratch = try Scratch()
    let path = try scratch.write([])
    #expect(truncate(path, 5 << 30) == 0)
    #expect(
      message { _ = try openTensors(path) }
        == "\(path): not supported: not a file of weights: neither safetensors nor PyTorch's .pth nor NumPy's .npz or .npy"
    )
    // The same behind the beginnings of real files.
    for (name, count) in [("legacy.pth", 1000), ("state.pth", 3000), ("stored.npz", 2000), ("f4.npy", 224)] {
      let start = try scratch.write(Array(try bytes(of: fixture(name)).prefix(count)), to: name)
      #expect(truncate(start, 5 << 30) == 0)
      #expect(throws: FormatError.self) { try openTensors(start).tensors() }
    }
  }

  /// A tensor whose stride of 0 claims more elements than any storage has, and a storage of 2^40 elements.
  @Test func claimsWithoutNumbersAreRefused() throws {
    let scratch = try Scratch()
    let whole = try bytes(of: fixture("legacy.pth"))
    // `expanded`: offset, size (3, 4), strides (1, 0).
    let claim: [UInt8] = [0x4b, 3, 0x4b, 4, 0x86]
    let place = try #require(whole.indices.first { whole[$0...].starts(with: claim) })
    var wide = whole
    wide.replaceSubrange(place..<place + 4, with: [0x4b, 3, 0x4a, 0xff, 0xff, 0xff, 0x7f])
    let path = try scratch.write(wide)
    #expect(message { _ = try openTensors(path) }.contains("elements in a storage of"))
  }

  private func isSame(_ found: Tensor?, _ expected: Tensor?) -> Bool {
    guard let found, let expected, found.shape == expected.shape, found.dtype == expected.dtype else { return false }
    return switch expected.dtype {
    case .float32: found.scalars(as: Float.self).map(\.bitPattern) == expected.scalars(as: Float.self).map(\.bitPattern)
    case .float64: found.scalars(as: Double.self) == expected.scalars(as: Double.self)
    case .int64: found.scalars(as: Int64.self) == expected.scalars(as: Int64.self)
    case .int32: found.scalars(as: Int32.self) == expected.scalars(as: Int32.self)
    case .uint8: found.scalars(as: UInt8.self) == expected.scalars(as: UInt8.self)
    case .bool: found.scalars(as: Bool.self) == expected.scalars(as: Bool.self)
    }
  }
}

@Suite struct SHA256Tests {
  /// The examples of NIST's FIPS 180-4 and its million letters.
  @Test func vectors() {
    func digest(_ text: String) -> String {
      var hash = SHA256()
      hash.update(Array(text.utf8))
      return hash.finish()
    }
    #expect(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(
      digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    var hash = SHA256()
    // In pieces that straddle blocks.
    for count in [1, 63, 64, 65, 7, 999_800] { hash.update([UInt8](repeating: UInt8(ascii: "a"), count: count)) }
    #expect(hash.finish() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }
}

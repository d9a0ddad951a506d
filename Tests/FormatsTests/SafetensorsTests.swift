import Formats
import Runtime
import Testing

@Suite struct SafetensorsTests {
  static let metadata = ["note": "quotes \" and \\ and\nlines and ü", "epoch": "3"]

  static func sample() -> [String: Tensor] {
    [
      "conv1.weight": Tensor((0..<24).map { Float($0) / 7 }, shape: [2, 3, 2, 2]),
      "conv1.bias": Tensor([Float(1), -1]),
      "steps": Tensor(Int64(1) << 40),
      "mask": Tensor([true, false, true]),
      "labels": Tensor([Int32(4), -5]),
      "pixels": Tensor([UInt8(0), 255, 3]),
      "precise": Tensor([1.0 / 3]),
      "empty": Tensor([Float](), shape: [0, 3]),
    ]
  }

  @Test func readsTheReferenceImplementationsFile() throws {
    let file = try SafetensorsFile(fixture("reference.safetensors"))
    #expect(file.metadata == ["note": "quotes \" and \\ and\nlines and ü"])
    #expect(!file.hasChecksum)
    #expect(
      file.entries.map(\.name) == [
        "bfloat16", "bool", "empty", "float16", "float32", "float64", "int16", "int32", "int64", "scalar", "uint8",
      ])
    let ramp = 0..<6
    #expect(try file.tensor("float32").scalars() == ramp.map { Float($0) / 4 })
    #expect(try file.tensor("float32").shape == [2, 3])
    #expect(try file.tensor("float64").scalars() == ramp.map { Double($0) / 7 })
    #expect(try file.tensor("int32").scalars() == ramp.map { Int32($0) - 3 })
    #expect(try file.tensor("int64").scalars() == ramp.map { Int64($0) * 1_000_000_000_000 })
    #expect(try file.tensor("uint8").scalars() == ramp.map { UInt8($0) * 51 })
    #expect(try file.tensor("bool").scalars() == ramp.map { $0 % 2 == 0 })
    let halves: [Float] = [0, -0.0, 1, -2.5, 65504, 0x1p-24, 0x3EFp-24, .infinity, -.infinity, 0.333251953125]
    #expect(try file.tensor("float16").scalars(as: Float.self).map(\.bitPattern) == halves.map(\.bitPattern))
    let brain = try file.tensor("bfloat16").scalars(as: Float.self)
    #expect(brain.prefix(4) == [0, 1, -2.5, 3.140625])
    #expect(abs(brain[4] / 1e38 - 1) < 0.004)
    #expect(try file.tensor("scalar").item() == Float(42))
    #expect(try file.tensor("scalar").shape == .scalar)
    #expect(try file.tensor("empty").shape == [0, 3])
    #expect(file.entries[6].dtype == nil)
    #expect(message { _ = try file.tensor("int16") }.contains("tensor \"int16\" is of I16"))
    #expect(message { _ = try file.tensor("flaot32") }.contains("has no tensor \"flaot32\"; nearest: \"float32\""))
  }

  @Test func everythingReturns() throws {
    let scratch = try Scratch()
    let path = scratch.file("model.safetensors")
    let tensors = Self.sample()
    try Safetensors.write(tensors, metadata: Self.metadata, to: path)
    let (read, metadata) = try Safetensors.read(path)
    #expect(metadata == Self.metadata)
    #expect(Set(read.keys) == Set(tensors.keys))
    for (name, tensor) in tensors {
      let other = try #require(read[name])
      #expect(other.shape == tensor.shape && other.dtype == tensor.dtype)
      switch tensor.dtype {
      case .float32: #expect(other.scalars(as: Float.self) == tensor.scalars())
      case .float64: #expect(other.scalars(as: Double.self) == tensor.scalars())
      case .int32: #expect(other.scalars(as: Int32.self) == tensor.scalars())
      case .int64: #expect(other.scalars(as: Int64.self) == tensor.scalars())
      case .uint8: #expect(other.scalars(as: UInt8.self) == tensor.scalars())
      case .bool: #expect(other.scalars(as: Bool.self) == tensor.scalars())
      }
    }
    // What was read writes the same bytes again.
    try Safetensors.write(read, metadata: metadata, to: scratch.file("again"))
    #expect(try bytes(of: path) == bytes(of: scratch.file("again")))
    // Each tensor begins at a multiple of its element's size.
    for entry in try SafetensorsFile(path).entries {
      #expect(entry.range.lowerBound % (entry.dtype?.byteCount ?? 0) == 0)
    }
    #expect(try bytes(of: path)[0] % 8 == 0)
  }

  @Test func noTensorsAtAll() throws {
    let scratch = try Scratch()
    try Safetensors.write([:], to: scratch.file("none"))
    #expect(try Safetensors.read(scratch.file("none")).tensors.isEmpty)
  }

  @Test func refusesEverySingleChangedByte() throws {
    let scratch = try Scratch()
    let path = scratch.file("model.safetensors")
    try Safetensors.write(Self.sample(), metadata: Self.metadata, to: path)
    let original = try bytes(of: path)
    var random = RandomStream(seed: 1)
    for position in original.indices {
      let flips: [UInt8] = [1, 0x20, 0x80, UInt8.random(in: 1 ... .max, using: &random)]
      for flip in flips {
        var changed = original
        changed[position] ^= flip
        let other = try scratch.write(changed)
        #expect(throws: FormatError.self, "byte \(position) xor \(flip)") { _ = try Safetensors.read(other) }
      }
    }
  }

  @Test func namesTheDamagedTensor() throws {
    let scratch = try Scratch()
    let path = scratch.file("model.safetensors")
    try Safetensors.write(Self.sample(), to: path)
    let entry = try #require(try SafetensorsFile(path).entries.first { $0.name == "conv1.weight" })
    var changed = try bytes(of: path)
    let dataStart = 8 + changed[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    changed[dataStart + entry.range.lowerBound + 5] ^= 4
    let other = try scratch.write(changed)
    let file = try SafetensorsFile(other)
    #expect(
      message { _ = try file.tensor("conv1.weight") }
        == "\(other): damaged: the checksum of tensor \"conv1.weight\" does not match; restore the file from a copy")
    #expect(message { try file.verify() }.contains("conv1.weight"))
    #expect(try file.tensor("conv1.bias").scalars() == [Float(1), -1])
  }

  @Test func truncatedFilesAreRefused() throws {
    let scratch = try Scratch()
    for source in [fixture("reference.safetensors")] {
      let original = try bytes(of: source)
      for count in original.indices {
        let path = try scratch.write(Array(original[..<count]))
        #expect(throws: FormatError.self, "\(count) bytes") { _ = try Safetensors.read(path) }
      }
    }
  }

  /// Foreign files have no checksum, so a change may go unnoticed, but must never trap.
  @Test func mutatedForeignFilesNeverTrap() throws {
    let scratch = try Scratch()
    let original = try bytes(of: fixture("reference.safetensors"))
    var random = RandomStream(seed: 2)
    let spice = Array("0123456789-+.eE[]{},:\"\\u \u{0}".utf8)
    for _ in 0..<4000 {
      var changed = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let position = Int.random(in: 0..<changed.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: changed[position] = UInt8.random(in: 0 ... .max, using: &random)
        case 1: changed[position] = spice[Int.random(in: 0..<spice.count, using: &random)]
        case 2: changed.remove(at: position)
        default: changed.insert(spice[Int.random(in: 0..<spice.count, using: &random)], at: position)
        }
      }
      let path = try scratch.write(changed)
      guard let file = try? SafetensorsFile(path) else { continue }
      for entry in file.entries { _ = try? file.tensor(entry.name) }
    }
  }

  @Test(arguments: [
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}"#,
      "there twice"
    ),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "describes 4 bytes of data, but the file has 8"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "begins at byte 4"),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      "begins at byte 4"
    ),
    (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, "does not take 8 bytes"),
    (#"{"a":{"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]}}"#, "no shape"),
    (#"{"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807,0],"data_offsets":[0,0]}}"#, "no shape"),
    (#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, "no shape"),
    (#"{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#, "no shape"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "no data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}"#, "no data_offsets"),
    (#"{"a":{"dtype":"Q7","shape":[2],"data_offsets":[0,8]}}"#, "no dtype"),
    (#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,8]}}"#, "does not take"),
    (#"{"a":7}"#, "no dtype"),
    (#"{"__metadata__":{"a":1}}"#, "is not text"),
    (#"{"__metadata__":[]}"#, "not an object"),
    (#"[]"#, "not a JSON object"),
    (#"{"a":}"#, "expected a value at byte 13"),
    (#"{"a":"\ud800"}"#, "surrogate"),
    ("{\"a\":\"\u{1}\"}", "control character"),
    (#"{"a":"# + String(repeating: "[", count: 100_000) + "}", "nested deeper"),
    (#"{"\#n":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} x"#, "not a JSON object"),
  ])
  func hostileHeaders(header: String, expected: String) throws {
    let scratch = try Scratch()
    let path = try scratch.write(safetensors(header, data: Array(repeating: 0, count: 8)))
    let message = message { _ = try Safetensors.read(path) }
    #expect(message.contains(expected))
    #expect(message.hasPrefix(path) && !message.contains("\n"))
  }

  @Test func hostileSizesAndPlaces() throws {
    let scratch = try Scratch()
    for length: [UInt8] in [
      [255, 255, 255, 255, 255, 255, 255, 255], [0, 0, 0, 0, 0, 0, 0, 128], [9, 0, 0, 0, 0, 0, 0, 0],
    ] {
      let path = try scratch.write(length + Array("{}".utf8))
      #expect(message { _ = try Safetensors.read(path) }.contains("no header of"))
    }
    #expect(
      message { _ = try Safetensors.read(scratch.file("nowhere")) }.contains("nowhere: cannot be read: No such file"))
    #expect(message { _ = try Safetensors.read(scratch.path) }.contains("not a file"))
    let truth = try scratch.write(
      safetensors(#"{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}"#, data: [1, 2]))
    #expect(message { _ = try Safetensors.read(truth) }.contains("BOOL but has a byte 2"))
    #expect(
      message { try Safetensors.write(["__metadata__": Tensor(Float(1))], to: truth) }.contains("cannot be named"))
  }
}

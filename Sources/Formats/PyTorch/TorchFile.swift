import Graph
import Runtime

/// An open file of `torch.save`, in either form: a zip archive, or the stream of PyTorch before 1.6. Only names, shapes
/// and strides have been read; nothing in the file has been or will be run.
///
/// A state dict inside a checkpoint is found under the names that training programs give it.
struct TorchFile: TensorArchive {
  let format: TensorFormat
  let contents: [TensorEntry]
  let metadata: [String: String]
  private let path: String
  private let tensorsByName: [(name: String, tensor: TorchTensor)]
  private let storages: [TorchStorage]
  private let numbers: Numbers

  /// Where the numbers of storages lie.
  private enum Numbers: Sendable {
    case members(ZipArchive, folder: String)
    /// Offsets of the first element by key.
    case stream(InputFile, offsets: [String: Int])
  }

  /// Reads the zip form.
  init(_ archive: ZipArchive) throws(FormatError) {
    let path = archive.file.path
    // The shallowest, should there be several.
    let pickles = archive.members.filter { $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl") }
    guard let pickle = pickles.min(by: { $0.name.utf8.count < $1.name.utf8.count }) else {
      throw .malformed(path: path, reason: "the archive has no data.pkl")
    }
    let folder = String(pickle.name.dropLast("data.pkl".count))
    if archive.member(named: folder + "constants.pkl") != nil {
      throw .unsupported(
        path: path, reason: "a TorchScript program; save its weights with torch.save(m.state_dict(), ..)")
    }
    if let order = archive.member(named: folder + "byteorder") {
      guard try archive.bytes(of: order).elementsEqual("little".utf8) else {
        throw .unsupported(path: path, reason: "numbers with the highest byte first; save it on another machine")
      }
    }
    var machine = PickleMachine(ByteSource(try archive.bytes(of: pickle), path: path))
    let root = try machine.load()
    try self.init(
      path: path, format: .torchZip, TorchStateDict(root, machine, path: path), machine.heap,
      .members(archive, folder: folder + "data/"))
  }

  /// Reads the stream: pickles of a magic number, a version, the machine it was saved on, the object and the keys of
  /// its storages; then the storages.
  init(stream file: InputFile) throws(FormatError) {
    let path = file.path
    var machine = PickleMachine(ByteSource(file))
    guard try machine.load() == .wideInteger(Self.magic) else {
      throw .malformed(path: path, reason: "a pickle, but not one of torch.save")
    }
    guard try machine.load() == .integer(1001) else {
      throw .unsupported(path: path, reason: "a version of PyTorch's stream other than 1001")
    }
    let system = try machine.load()
    if case .dictionary(let index) = system,
      machine.heap.dictionaries[index].contains(where: { $0 == (.text("little_endian"), .bool(false)) })
    {
      throw .unsupported(path: path, reason: "numbers with the highest byte first; save it on another machine")
    }
    let root = try machine.load()
    let list = try machine.load()
    let keys = machine.heap.elements(list)?.compactMap(\.text) ?? []
    var storages: [String: TorchStorage] = [:]
    for storage in machine.heap.storages { storages[storage.key] = storage }
    var offsets: [String: Int] = [:]
    var offset = machine.position
    for key in keys {
      guard let storage = storages[key], offsets[key] == nil else {
        throw .malformed(path: path, reason: "a storage \(quoted(key)) that stands twice or belongs to no tensor")
      }
      guard offset <= file.byteCount - 8 else { throw Self.cutShort(path) }
      let count = try file.bytes(at: offset, count: 8).integer(at: 0, 8)
      guard count == storage.elementCount else {
        throw .malformed(
          path: path, reason: "storage \(quoted(key)) of \(count) elements where \(storage.elementCount) are declared")
      }
      offsets[key] = offset + 8
      let (byteCount, overflows) = count.multipliedReportingOverflow(by: storage.element.byteCount)
      guard !overflows, byteCount <= file.byteCount - offset - 8 else { throw Self.cutShort(path) }
      offset += 8 + byteCount
    }
    try self.init(
      path: path, format: .torchStream, TorchStateDict(root, machine, path: path), machine.heap,
      .stream(file, offsets: offsets))
  }

  private init(
    path: String, format: TensorFormat, _ state: TorchStateDict, _ heap: PickleHeap, _ numbers: Numbers
  ) throws(FormatError) {
    self.path = path
    self.format = format
    self.numbers = numbers
    metadata = state.metadata
    tensorsByName = state.tensors
    storages = heap.storages
    contents = state.tensors.map { name, tensor in
      let element = heap.storages[tensor.storage].element
      return TensorEntry(
        name: name, elementType: element.rawValue, shape: tensor.shape,
        byteCount: tensor.shape.elementCount * element.byteCount)
    }
  }

  private static let magic: [UInt8] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]

  private static func cutShort(_ path: String) -> FormatError {
    .malformed(path: path, reason: "it ends before its last numbers; it was cut short")
  }

  func tensors() throws(FormatError) -> [String: Tensor] {
    try InputFile.requireMemory(for: contents.reduce(0) { $0 &+ max(0, $1.byteCount) }, of: path)
    var result: [String: Tensor] = [:]
    // Tensors that share a storage read it once.
    var known: (key: String, bytes: [UInt8])?
    for (name, tensor) in tensorsByName.sorted(by: { storages[$0.tensor.storage].key < storages[$1.tensor.storage].key }
    ) {
      let storage = storages[tensor.storage]
      let bytes: [UInt8]
      if let known, known.key == storage.key {
        bytes = known.bytes
      } else {
        bytes = try self.bytes(of: storage)
      }
      known = (storage.key, bytes)
      guard bytes.count / storage.element.byteCount >= storage.elementCount else {
        throw .malformed(path: path, reason: "tensor \(quoted(name)) has two types of elements")
      }
      result[name] = StridedNumbers(bytes: bytes, tensor: tensor, element: storage.element).gathered()
    }
    return result
  }

  private func bytes(of storage: TorchStorage) throws(FormatError) -> [UInt8] {
    let count = storage.elementCount * storage.element.byteCount
    switch numbers {
    case .members(let archive, let folder):
      guard let member = archive.member(named: folder + storage.key) else {
        throw .malformed(path: path, reason: "the storage \(quoted(storage.key)) is missing; is the file complete?")
      }
      guard member.byteCount == count else {
        throw .malformed(
          path: path, reason: "storage \(quoted(storage.key)) has \(member.byteCount) bytes, but should have \(count)")
      }
      return try archive.bytes(of: member)
    case .stream(let file, let offsets):
      guard let offset = offsets[storage.key], count <= file.byteCount - offset else { throw Self.cutShort(path) }
      return try file.bytes(at: offset, count: count)
    }
  }
}

/// The numbers of one tensor in the bytes of its storage.
private struct StridedNumbers {
  let bytes: [UInt8]
  let tensor: TorchTensor
  let element: TorchElement

  func gathered() -> Tensor {
    switch element {
    case .float32: gather { Float(bitPattern: $0 as UInt32) }
    case .float64: gather { Double(bitPattern: $0 as UInt64) }
    case .float16: gather(HalfPrecision.float(fromHalf:))
    case .bfloat16: gather(HalfPrecision.float(fromBFloat:))
    case .int64: gather { $0 as Int64 }
    case .int32: gather { $0 as Int32 }
    case .int16: gather { Int32($0 as Int16) }
    case .int8: gather { Int32($0 as Int8) }
    case .uint8: gather { $0 as UInt8 }
    case .bool: gather { ($0 as UInt8) != 0 }
    }
  }

  private func gather<Bits: FixedWidthInteger, Scalar: TensorScalar>(_ convert: (Bits) -> Scalar) -> Tensor {
    Tensor(shape: tensor.shape, of: Scalar.self) { buffer in
      bytes.withUnsafeBytes { source in
        let width = MemoryLayout<Bits>.size
        func element(_ index: Int) -> Scalar {
          convert(Bits(littleEndian: source.loadUnaligned(fromByteOffset: index * width, as: Bits.self)))
        }
        if isContiguous {
          for index in 0..<buffer.count { buffer[index] = element(tensor.offset + index) }
        } else {
          for (index, offset) in StridedOrder(tensor.shape, strides: tensor.strides).enumerated() {
            buffer[index] = element(tensor.offset + offset)
          }
        }
      }
    }
  }

  private var isContiguous: Bool {
    var expected = 1
    for (extent, stride) in zip(tensor.shape.dimensions, tensor.strides).reversed() {
      if extent != 1 && stride != expected { return false }
      expected *= extent
    }
    return true
  }
}

import Graph

/// What a pickle of weights is made of. Containers live in a ``PickleHeap`` and are named by their place there, so that
/// no pickle can nest values deeper than memory lets them be taken apart.
enum PickleValue: Hashable, Sendable {
  case none
  case bool(Bool)
  case integer(Int)
  /// An integer of more than 64 bits: its bytes.
  case wideInteger([UInt8])
  case real(Double)
  case text(String)
  case bytes
  case tuple(Int)
  case list(Int)
  case dictionary(Int)
  case global(PickleGlobal)
  case storage(Int)
  case tensor(Int)
  /// An object of a class in ``PickleGlobal/plain``, without what is in it.
  case object

  var integer: Int? { if case .integer(let value) = self { value } else { nil } }
  var text: String? { if case .text(let value) = self { value } else { nil } }
}

struct PickleHeap: Sendable {
  var tuples: [[PickleValue]] = []
  /// Lists and sets.
  var lists: [[PickleValue]] = []
  var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
  var storages: [TorchStorage] = []
  var tensors: [TorchTensor] = []

  /// The elements of a tuple or a list.
  func elements(_ value: PickleValue) -> [PickleValue]? {
    switch value {
    case .tuple(let index): tuples[index]
    case .list(let index): lists[index]
    default: nil
    }
  }

  /// The integers of a tuple or a list.
  func integers(_ value: PickleValue) -> [Int]? {
    guard let elements = elements(value) else { return nil }
    let integers = elements.compactMap(\.integer)
    return integers.count == elements.count ? integers : nil
  }
}

/// What a pickle of weights may name; anything else is refused.
enum PickleGlobal: Hashable, Sendable {
  case orderedDictionary
  case rebuildTensor
  case rebuildParameter
  case size
  case storage(TorchElement)
  /// A type of elements by itself, which checkpoints note beside their tensors.
  case elementType
  /// A dictionary with a rule for keys that it lacks.
  case defaultDictionary
  /// A dictionary of how often things were met.
  case counter
  /// A class that programs keep beside weights, such as the arguments that a training was given. Its objects have no
  /// part in weights and are passed over.
  case plain

  init?(module: String, name: String) {
    if Self.plainNames.contains("\(module).\(name)") {
      self = .plain
      return
    }
    switch (module, name) {
    case ("collections", "defaultdict"): self = .defaultDictionary
    case ("collections", "Counter"): self = .counter
    case ("collections", "OrderedDict"): self = .orderedDictionary
    case ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
    case ("torch._utils", "_rebuild_parameter"), ("torch._utils", "_rebuild_parameter_with_state"):
      self = .rebuildParameter
    case ("torch", "Size"): self = .size
    case ("torch", _):
      if let element = TorchElement(storageClass: name) {
        self = .storage(element)
      } else if TorchElement(rawValue: name) != nil {
        self = .elementType
      } else {
        return nil
      }
    default: return nil
    }
  }

  private static let plainNames: Set = [
    "argparse.Namespace", "types.SimpleNamespace", "_codecs.encode", "torch.device", "torch.torch_version.TorchVersion",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype",
    "pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "datetime.datetime", "datetime.timedelta",
    "pytorch_lightning.utilities.parsing.AttributeDict", "lightning.pytorch.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict", "lightning.fabric.utilities.data.AttributeDict",
    // Python 2's and 3's.
    "__builtin__.set", "builtins.set", "__builtin__.dict", "builtins.dict", "__builtin__.list", "builtins.list",
    "__builtin__.bytearray", "builtins.bytearray", "__builtin__.int", "builtins.int", "__builtin__.float",
    "builtins.float", "__builtin__.str", "builtins.str",
  ]

  /// Why tensors of a kind that PyTorch has are not taken, and what to do.
  static func reasonAgainst(module: String, name: String) -> String? {
    switch (module, name) {
    case ("torch._utils", "_rebuild_sparse_tensor"): "a sparse tensor; save tensor.to_dense() in its place"
    case ("torch._utils", "_rebuild_qtensor"): "a quantised tensor; save tensor.dequantize() in its place"
    case ("torch._utils", "_rebuild_nested_tensor"): "a nested tensor; save its parts one by one"
    case ("torch._utils", "_rebuild_meta_tensor_no_storage"):
      "a tensor on the device \"meta\", which has no numbers; save the model after its weights are loaded"
    case ("torch._utils", "_rebuild_tensor_v3"):
      "a tensor of elements that are not float, double, half, bfloat16, int8 to int64, uint8 or bool; save "
        + "tensor.float() in its place"
    case ("torch", "ComplexFloatStorage"), ("torch", "ComplexDoubleStorage"), ("torch", "ComplexHalfStorage"):
      "complex numbers; save torch.view_as_real(tensor) in their place"
    case ("torch._tensor", "_rebuild_from_type_v2"):
      "a tensor of a class of its own; save tensor.as_subclass(torch.Tensor) in its place"
    case ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"):
      "NumPy's arrays inside a pickle; save them as tensors, by torch.from_numpy(array), or as .npz"
    default: nil
    }
  }
}

/// The types of elements by PyTorch's names.
enum TorchElement: String, Sendable {
  case float32, float64, float16, bfloat16, int64, int32, int16, int8, uint8, bool

  init?(storageClass: String) {
    switch storageClass {
    case "FloatStorage": self = .float32
    case "DoubleStorage": self = .float64
    case "HalfStorage": self = .float16
    case "BFloat16Storage": self = .bfloat16
    case "LongStorage": self = .int64
    case "IntStorage": self = .int32
    case "ShortStorage": self = .int16
    case "CharStorage": self = .int8
    case "ByteStorage": self = .uint8
    case "BoolStorage": self = .bool
    default: return nil
    }
  }

  var byteCount: Int {
    switch self {
    case .float64, .int64: 8
    case .float32, .int32: 4
    case .float16, .bfloat16, .int16: 2
    case .int8, .uint8, .bool: 1
    }
  }
}

/// A row of numbers that tensors are views of.
struct TorchStorage: Hashable, Sendable {
  var element: TorchElement
  var key: String
  var elementCount: Int
}

struct TorchTensor: Hashable, Sendable {
  /// In the heap's `storages`.
  var storage: Int
  /// In elements, as the strides.
  var offset: Int
  var shape: Shape
  var strides: [Int]
}

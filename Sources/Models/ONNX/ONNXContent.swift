import Formats
import Layers

/// A file's tensors sorted into parameters and constants, with every node computed that depends on constants alone.
struct ONNXContent {
  private(set) var nodes: [ONNXFile.Node] = []
  private(set) var constants: [String: Tensor] = [:]
  private(set) var weights: [ONNXModel.Parameter] = []

  /// Inputs of operators that are there to be learned.
  private static let weightInputs: [String: Set<Int>] = [
    "Conv": [1, 2], "ConvTranspose": [1, 2], "Gemm": [1, 2], "BatchNormalization": [1, 2, 3, 4],
    "InstanceNormalization": [1, 2], "LayerNormalization": [1, 2], "GroupNormalization": [1, 2], "PRelu": [1],
  ]
  /// Inputs that may be learned if there is more than one number: one alone is a scale or a limit that the network's
  /// author chose. A tensor that is read anywhere else stays as it is.
  private static let learnableInputs: [String: Set<Int>] = [
    "MatMul": [0, 1], "Add": [0, 1], "Mul": [0, 1], "Gather": [0], "Transpose": [0], "Reshape": [0], "Unsqueeze": [0],
    "Squeeze": [0], "Identity": [0],
  ]
  /// Elements that folding may add in all: a file of few bytes must not become a model of many.
  private static let foldedElementLimit = 1 << 22

  init(_ file: ONNXFile, version: Int64) throws {
    var tensors = file.initializers
    var order = file.initializerNames
    for node in file.nodes {
      if node.operation == "Constant", node.domain.isEmpty {
        guard let name = node.outputs.first else { continue }
        tensors[name] = try Self.constant(node, version)
        order.append(name)
      } else {
        nodes.append(node)
      }
    }

    let kinds = Self.kinds(nodes, tensors)
    for name in order {
      guard let tensor = tensors[name] else { continue }
      if let kind = kinds[name] {
        weights.append(.init(name: name, kind: kind, tensor: tensor))
        // A name that a damaged file gives twice counts once.
        tensors[name] = nil
      } else {
        constants[name] = tensor
      }
    }
    fold(version)
  }

  private static func constant(_ node: ONNXFile.Node, _ version: Int64) throws -> Tensor {
    let call = ONNXCall(node: node, inputs: [], version: version)
    for name in ["value", "value_int", "value_ints", "value_float", "value_floats"] {
      switch node.attributes[name] {
      case .tensor(let tensor)?: return tensor
      case .integer(let value)?: return Tensor(value)
      case .integers(let values)?: return Tensor(values)
      case .float(let value)?: return Tensor(value)
      case .floats(let values)?: return Tensor(values)
      default: continue
      }
    }
    throw call.unsupported("a constant that is no tensor of numbers")
  }

  /// The kind of each parameter; other tensors are missing.
  private static func kinds(_ nodes: [ONNXFile.Node], _ tensors: [String: Tensor]) -> [String: ParameterKind] {
    var kinds: [String: ParameterKind] = [:]
    var fixed: Set<String> = []
    for node in nodes {
      for (index, name) in node.inputs.enumerated() {
        guard let tensor = tensors[name] else { continue }
        let isWeight = weightInputs[node.operation]?.contains(index) == true
        let isLearnable =
          isWeight || tensor.elementCount > 1 && learnableInputs[node.operation]?.contains(index) == true
        guard isLearnable, tensor.dtype == .float32 else {
          fixed.insert(name)
          continue
        }
        let isStatistic = node.operation == "BatchNormalization" && index >= 3
        kinds[name] = isStatistic ? .statistic : tensor.rank > 1 ? .weight : .vector
      }
    }
    return kinds.filter { !fixed.contains($0.key) }
  }

  private mutating func fold(_ version: Int64) {
    var rest: [ONNXFile.Node] = []
    var folded = 0
    for node in nodes {
      let inputs = node.inputs.map { $0.isEmpty ? nil : constants[$0] }
      let isConstant = !node.inputs.isEmpty && zip(node.inputs, inputs).allSatisfy { $0.isEmpty || $1 != nil }
      // A node that cannot be computed stays, and says so when the model runs.
      guard isConstant, let operation = ONNXOperators.named(by: node),
        let results = try? operation(ONNXCall(node: node, inputs: inputs, version: version)),
        results.count >= node.outputs.count,
        case let count = results.reduce(0, { $0 + $1.elementCount }), count <= Self.foldedElementLimit - folded
      else {
        rest.append(node)
        continue
      }
      folded += count
      for (name, tensor) in zip(node.outputs, results) { constants[name] = tensor }
    }
    nodes = rest
  }
}

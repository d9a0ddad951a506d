import Formats
import Foundation
import Layers

/// A case in a layout of the ONNX project's tests: `model.onnx` beside folders `test_data_set_0`, ... that hold
/// `input_0.pb`, ... and the expected `output_0.pb`, ...; or, for its light networks, `NAME.onnx` beside
/// `NAME_output_0.pb`, ..., where each input counts up from 0 to 1.
public struct ONNXTestCase: Sendable {
  public enum Status: String, Sendable {
    case passed, failed, unsupported
  }

  public struct Result: Sendable {
    public let name: String
    public let status: Status
    /// Why it did not pass; empty if it did.
    public let reason: String
    /// Whether it also passed as a compiled plan, on all data sets.
    public let isCompiled: Bool
    /// The model's operators; empty if it could not be read.
    public let operators: Set<String>

    init(name: String, _ status: Status, _ reason: String = "", isCompiled: Bool = false, operators: Set<String> = []) {
      (self.name, self.status, self.reason) = (name, status, reason)
      (self.isCompiled, self.operators) = (isCompiled, operators)
    }
  }

  /// Files of inputs and of the outputs that are expected for them.
  private struct DataSet {
    var name: String
    /// What comes before an output's number in its path.
    var outputs: String
    /// The same of inputs; `nil` if they count up.
    var inputs: String?
  }

  public let name: String
  private let path: String
  private let dataSets: [DataSet]

  /// Tolerances of the ONNX project's own runner, relative and absolute.
  private static let relativeTolerance = 1e-3
  private static let absoluteTolerance = 1e-7

  /// The cases in a folder and the folders in it, by name; the folder or the file itself if it is one.
  public static func find(in path: String) -> [ONNXTestCase] {
    if let own = ONNXTestCase(folder: path) ?? ONNXTestCase(lightNetwork: path) { return [own] }
    return contents(of: path).flatMap { name -> [ONNXTestCase] in
      let inner = "\(path)/\(name)"
      // Links could lead in circles.
      let type = try? FileManager.default.attributesOfItem(atPath: inner)[.type] as? FileAttributeType
      if type == .typeDirectory { return find(in: inner) }
      return ONNXTestCase(lightNetwork: inner).map { [$0] } ?? []
    }
  }

  private init?(folder: String) {
    path = "\(folder)/model.onnx"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    name = URL(fileURLWithPath: folder).lastPathComponent
    dataSets = Self.contents(of: folder).filter { $0.hasPrefix("test_data_set_") }.map { set in
      DataSet(name: set, outputs: "\(folder)/\(set)/output_", inputs: "\(folder)/\(set)/input_")
    }
  }

  private init?(lightNetwork path: String) {
    let stem = path.hasSuffix(".onnx") ? String(path.dropLast(5)) : ""
    guard !stem.isEmpty, FileManager.default.fileExists(atPath: "\(stem)_output_0.pb") else { return nil }
    self.path = path
    name = URL(fileURLWithPath: stem).lastPathComponent
    dataSets = [DataSet(name: name, outputs: "\(stem)_output_")]
  }

  private static func contents(of folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  /// Runs the model on each data set, eagerly and compiled where it can be compiled, and compares all outputs.
  public func verify() -> Result {
    let operators = Set((try? ONNXFile(path))?.nodes.map(\.operation) ?? [])
    func result(_ status: Status, _ reason: String = "", isCompiled: Bool = false) -> Result {
      Result(name: name, status, reason, isCompiled: isCompiled, operators: operators)
    }
    do {
      let model = try ONNXModel(contentsOf: path)
      if dataSets.isEmpty { return result(.unsupported, "it has no data") }
      var isCompiled = true
      for set in dataSets {
        let comparison = try compare(model, on: set)
        if let difference = comparison.difference { return result(.failed, "\(set.name): \(difference)") }
        isCompiled = isCompiled && comparison.isCompiled
      }
      return result(.passed, isCompiled: isCompiled)
    } catch let error as ONNXError {
      return result(error.isUnsupported ? .unsupported : .failed, "\(error)")
    } catch FormatError.unsupported(let path, let reason) {
      return result(.unsupported, "\(path): \(reason)")
    } catch {
      return result(.failed, "\(error)")
    }
  }

  private func compare(_ model: ONNXModel, on set: DataSet) throws -> (difference: String?, isCompiled: Bool) {
    // What is no tensor is refused before its file is read as one.
    for value in model.inputs + model.outputs where value.dtype == nil {
      throw ONNXError.unsupported(node: quoted(value.name), reason: "values of its type")
    }
    let inputs = try model.inputs.enumerated().map { index, input in
      try set.inputs.map { try ONNXFile.tensor(contentsOf: "\($0)\(index).pb") } ?? Self.ramp(for: input)
    }
    let expected = try model.outputs.indices.map { try ONNXFile.tensor(contentsOf: "\(set.outputs)\($0).pb") }
    if let difference = Self.difference(try model.run(inputs), expected) { return (difference, false) }

    // Shapes, axes and indices that are inputs are known ahead in a network.
    let isData = inputs.map { $0.dtype.isFloatingPoint || $0.dtype == .bool }
    let known = zip(model.inputs, zip(inputs, isData)).filter { !$0.1.1 }.map { ($0.0.name, $0.1.0) }
    do {
      let plan = try model.compile(
        inputs: inputs.map(\.shape), known: Dictionary(known) { first, _ in first })
      let data = plan.plan.inputNames.compactMap { name in model.inputs.firstIndex { $0.name == name } }
      let difference = Self.difference(try plan.run(data.map { inputs[$0] }), expected)
      return (difference.map { "compiled: \($0)" }, difference == nil)
    } catch is ONNXError {
    } catch is ShapeError {}
    return (nil, false)
  }

  /// Numbers that count up from 0 to 1, as the ONNX project's runner gives them to its light networks; extents that may
  /// vary are 1.
  private static func ramp(for input: ONNXModel.Value) throws -> Tensor {
    guard input.dtype == .float32, let shape = Shape(checked: (input.dimensions ?? []).map { $0 ?? 1 }),
      case let count = shape.elementCount, count <= 1 << 28
    else { throw ONNXError.unsupported(node: quoted(input.name), reason: "an input of its type or size without data") }
    return Tensor((0..<count).map { Float(Double($0) / Double(count)) }, shape: shape)
  }

  private static func difference(_ results: [Tensor], _ expected: [Tensor]) -> String? {
    for (index, (result, expected)) in zip(results, expected).enumerated() {
      guard result.dtype == expected.dtype, result.shape == expected.shape else {
        return "output \(index) is \(result.shape) \(result.dtype), expected \(expected.shape) \(expected.dtype)"
      }
      let (numbers, wanted) = (result.numbers, expected.numbers)
      for (position, (number, wanted)) in zip(numbers, wanted).enumerated() {
        let isSame = number == wanted || number.isNaN && wanted.isNaN
        if !isSame && !(abs(number - wanted) <= absoluteTolerance + relativeTolerance * abs(wanted)) {
          return "output \(index) at \(position) is \(number), expected \(wanted)"
        }
      }
    }
    return nil
  }
}

extension Tensor {
  /// The numbers of any element type.
  fileprivate var numbers: [Double] {
    switch dtype {
    case .float32: scalars(as: Float.self).map { Double($0) }
    case .float64: scalars()
    case .int32: scalars(as: Int32.self).map { Double($0) }
    case .int64: scalars(as: Int64.self).map { Double($0) }
    case .uint8: scalars(as: UInt8.self).map { Double($0) }
    case .bool: scalars(as: Bool.self).map { $0 ? 1 : 0 }
    }
  }
}

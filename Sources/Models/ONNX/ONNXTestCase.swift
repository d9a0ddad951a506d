import Formats
import Foundation
import Layers

/// A case in the layout of the ONNX project's tests: `model.onnx` beside folders `test_data_set_0`, ... that hold
/// `input_0.pb`, ... and the expected `output_0.pb`, ...
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

  public let name: String
  private let folder: String

  /// Tolerances of the ONNX project's own runner, relative and absolute.
  private static let relativeTolerance = 1e-3
  private static let absoluteTolerance = 1e-7

  /// The cases in a folder and the folders in it, by name; the folder itself if it is one.
  public static func find(in path: String) -> [ONNXTestCase] {
    if FileManager.default.fileExists(atPath: "\(path)/model.onnx") {
      let name = URL(fileURLWithPath: path).lastPathComponent
      return [ONNXTestCase(name: name, folder: path)]
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.sorted().flatMap { name -> [ONNXTestCase] in
      var isFolder: ObjCBool = false
      let inner = "\(path)/\(name)"
      guard FileManager.default.fileExists(atPath: inner, isDirectory: &isFolder), isFolder.boolValue else { return [] }
      // Links could lead in circles.
      let type = try? FileManager.default.attributesOfItem(atPath: inner)[.type] as? FileAttributeType
      return type == .typeDirectory ? find(in: inner) : []
    }
  }

  /// Runs the model on each data set, eagerly and compiled where it can be compiled, and compares all outputs.
  public func verify() -> Result {
    let path = "\(folder)/model.onnx"
    let operators = Set((try? ONNXFile(path))?.nodes.map(\.operation) ?? [])
    func result(_ status: Status, _ reason: String = "", isCompiled: Bool = false) -> Result {
      Result(name: name, status, reason, isCompiled: isCompiled, operators: operators)
    }
    do {
      let model = try ONNXModel(contentsOf: path)
      let sets = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("test_data_set_") }
      if sets.isEmpty { return result(.unsupported, "it has no data") }
      var isCompiled = true
      for set in sets.sorted() {
        let comparison = try compare(model, on: "\(folder)/\(set)")
        if let difference = comparison.difference { return result(.failed, "\(set): \(difference)") }
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

  private func compare(_ model: ONNXModel, on set: String) throws -> (difference: String?, isCompiled: Bool) {
    // What is no tensor is refused before its file is read as one.
    for value in model.inputs + model.outputs where value.dtype == nil {
      throw ONNXError.unsupported(node: quoted(value.name), reason: "values of its type")
    }
    let inputs = try model.inputs.indices.map { try ONNXFile.tensor(contentsOf: "\(set)/input_\($0).pb") }
    let expected = try model.outputs.indices.map { try ONNXFile.tensor(contentsOf: "\(set)/output_\($0).pb") }
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

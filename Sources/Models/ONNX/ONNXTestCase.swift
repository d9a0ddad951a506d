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
    do {
      let model = try ONNXModel(contentsOf: "\(folder)/model.onnx")
      let sets = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("test_data_set_") }
      if sets.isEmpty { return Result(name: name, status: .unsupported, reason: "it has no data") }
      for set in sets.sorted() {
        if let difference = try difference(of: model, on: "\(folder)/\(set)") {
          return Result(name: name, status: .failed, reason: "\(set): \(difference)")
        }
      }
      return Result(name: name, status: .passed, reason: "")
    } catch let error as ONNXError {
      return Result(name: name, status: error.isUnsupported ? .unsupported : .failed, reason: "\(error)")
    } catch FormatError.unsupported(let path, let reason) {
      return Result(name: name, status: .unsupported, reason: "\(path): \(reason)")
    } catch {
      return Result(name: name, status: .failed, reason: "\(error)")
    }
  }

  private func difference(of model: ONNXModel, on set: String) throws -> String? {
    // What is no tensor is refused before its file is read as one.
    for value in model.inputs + model.outputs where value.dtype == nil {
      throw ONNXError.unsupported(node: quoted(value.name), reason: "values of its type")
    }
    let inputs = try model.inputs.indices.map { try ONNXFile.tensor(contentsOf: "\(set)/input_\($0).pb") }
    let expected = try model.outputs.indices.map { try ONNXFile.tensor(contentsOf: "\(set)/output_\($0).pb") }
    if let difference = Self.difference(try model.run(inputs), expected) { return difference }

    guard inputs.allSatisfy({ $0.dtype == .float32 }) else { return nil }
    let plan: LoadedPlan
    do { plan = try model.compile(inputs: inputs.map(\.shape)) } catch is ONNXError { return nil } catch is ShapeError {
      return nil
    }
    return Self.difference(try plan.run(inputs), expected).map { "compiled: \($0)" }
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

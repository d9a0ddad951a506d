import ArgumentParser
import ConvNet
import Formats
import Foundation

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run an ONNX model on arrays and write its outputs.",
    discussion: "Inputs are .npy arrays or ONNX tensors (.pb). Each output becomes a .npy file named after it.")

  @Argument(help: "An ONNX file, or a .safetensors file made from one.") var model: String
  @Option(
    name: .long,
    help: ArgumentHelp("An input and the file that holds it; once for each input.", valueName: "name=file"))
  var input: [String] = []
  @Option(help: "The folder for the outputs; it is made if it does not exist.") var output: String
  @OptionGroup var threads: ThreadOptions

  func validate() throws {
    for entry in input where entry.split(separator: "=", maxSplits: 1).count != 2 {
      throw ValidationError("--input must be NAME=FILE, but it is \(entry)")
    }
  }

  func run() throws {
    threads.apply()
    let model = try ONNXModel(contentsOf: self.model)
    let results = try ONNXSession(model).run(try inputs(of: model))
    try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
    for (value, tensor) in zip(model.outputs, results) {
      // A name may hold what no file's name can.
      let name = String(value.name.map { $0.isLetter || $0.isNumber || "._-".contains($0) ? $0 : "_" })
      let path = "\(output)/\(name.isEmpty || name.hasPrefix(".") ? "_" + name : name).npy"
      try NPY.write(tensor, to: path)
      print("\(path): \(tensor.shape) \(tensor.dtype)")
    }
  }

  private func inputs(of model: ONNXModel) throws -> [Tensor] {
    var files: [String: String] = [:]
    for entry in input {
      let parts = entry.split(separator: "=", maxSplits: 1).map(String.init)
      guard files.updateValue(parts[1], forKey: parts[0]) == nil else {
        throw CommandError("--input names \(parts[0]) twice")
      }
    }
    let names = model.inputs.map(\.name)
    if let unknown = files.keys.sorted().first(where: { !names.contains($0) }) {
      throw CommandError("\(self.model): has no input \(unknown); its inputs are: \(names.joined(separator: ", "))")
    }
    return try names.map { name in
      guard let file = files[name] else {
        throw CommandError("\(self.model): input \(name) is missing; add --input \(name)=FILE.npy")
      }
      return file.hasSuffix(".pb") ? try ONNXFile.tensor(contentsOf: file) : try NPY.read(file)
    }
  }
}

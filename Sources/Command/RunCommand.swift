import ArgumentParser
import ConvNet
import Formats
import Foundation

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run a model on arrays and write its outputs.",
    discussion: """
      Inputs are .npy arrays or ONNX tensors (.pb). Each output becomes a .npy file named after it. A model that does \
      not come from ONNX has one input, named input, of batch, channels, height and width as the network sees them, and \
      one output, named output: its logits.
      """)

  @Argument(
    help: "An ONNX file, a model file, or published weights: their file or the name of their architecture.")
  var model: String
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
    let model = try ArrayModel(named: self.model)
    let results = try model.run(try inputs(of: model))
    try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
    for (name, tensor) in zip(model.outputs, results) {
      // A name may hold what no file's name can.
      let name = String(name.map { $0.isLetter || $0.isNumber || "._-".contains($0) ? $0 : "_" })
      let folder = output.hasSuffix("/") ? output : output + "/"
      let path = "\(folder)\(name.isEmpty || name.hasPrefix(".") ? "_" + name : name).npy"
      try NPY.write(tensor, to: path)
      print("\(path): \(tensor.shape) \(tensor.dtype)")
    }
  }

  private func inputs(of model: ArrayModel) throws -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for entry in input {
      let (name, file) = (String(entry.prefix { $0 != "=" }), String(entry.drop { $0 != "=" }.dropFirst()))
      let tensor = file.hasSuffix(".pb") ? try ONNXFile.tensor(contentsOf: file) : try NPY.read(file)
      guard tensors.updateValue(tensor, forKey: name) == nil else { throw CommandError("--input names \(name) twice") }
    }
    if let missing = model.inputs.first(where: { tensors[$0] == nil }) {
      throw CommandError("\(self.model): input \(missing) is missing; add --input \(missing)=FILE.npy")
    }
    return tensors
  }
}

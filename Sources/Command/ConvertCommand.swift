import ArgumentParser
import ConvNet
import Foundation

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Convert weights to .safetensors or .npz.",
    discussion: """
      Reads safetensors, PyTorch's .pth and .pt, and NumPy's .npz; nothing in the file is run. Published weights become \
      a model file if the output is .safetensors: with architecture, class names and the preparation of pictures. An ONNX \
      file becomes a .safetensors file that holds the network too.
      """)

  @Argument(help: "A file of weights, or the name of an architecture whose published weights are meant.")
  var input: String
  @Argument(help: "The file to write, ending in .safetensors or .npz.") var output: String

  func run() throws {
    if !FileManager.default.fileExists(atPath: input), !PretrainedRecord.find(named: input).isEmpty {
      guard output.hasSuffix(".safetensors") else {
        throw CommandError(
          "\(output): a model file ends in .safetensors; for plain arrays give the file of the weights")
      }
      let classifier = try ImageClassifier(pretrained: input)
      try classifier.write(to: output)
      print("\(output): \(input), \(classifier.model.parameterCount.grouped) parameters, with class names")
      return
    }
    if output.hasSuffix(".safetensors"), let record = try PretrainedRecord.find(forFile: input) {
      try ImageClassifier(contentsOf: input).write(to: output)
      print("\(output): \(record.architecture) (\(record.tag)), with class names")
      return
    }
    if input.hasSuffix(".onnx") {
      guard output.hasSuffix(".safetensors") else {
        throw CommandError("\(output): a network from ONNX is written as .safetensors, and that as .npz")
      }
      let network = try ONNXModel(contentsOf: input)
      try network.write(to: output)
      print("\(output): \(input), \(network.parameterCount.grouped) parameters")
      return
    }
    let weights = try WeightsFile(contentsOf: input)
    try weights.write(to: output)
    print("\(output): \(weights.tensors.count) tensors of \(input) (\(weights.format.rawValue))")
  }
}

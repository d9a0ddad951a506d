import ArgumentParser
import ConvNet
import Foundation

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Convert weights to .safetensors or .npz.",
    discussion: """
      Reads safetensors, PyTorch's .pth and .pt, and NumPy's .npz; nothing in the file is run. Published weights become \
      a model file if the output is .safetensors: with architecture, class names and the preparation of pictures. An ONNX \
      file becomes a .safetensors file that holds the network too. With --model, weights that were trained elsewhere \
      become a model file for `predict`, `evaluate` and `finetune`; tell how their pictures were prepared if that was \
      not as for ImageNet.
      """)

  @Argument(help: "A file of weights, or the name of an architecture whose published weights are meant.")
  var input: String
  @Argument(help: "The file to write, ending in .safetensors or .npz.") var output: String

  @Option(help: "The network that the weights are for; auto looks for the one that they fit.") var model: String?
  @Option(help: "A text file of the names of the classes, a line for each output.") var classNames: String?
  @Option(help: "Side of the square that images are brought to. (default: the network's)") var imageSize: Int?
  @Option(help: "What was subtracted from each channel, with white as 1, such as 0.5,0.5,0.5.") var mean: String?
  @Option(help: "By what each channel was divided then.") var std: String?
  @OptionGroup var weightOptions: WeightOptions

  func validate() throws {
    let isPlain = classNames == nil && imageSize == nil && mean == nil && std == nil && weightOptions.allowances.isEmpty
    try require(model != nil || isPlain, "options about a network need --model, such as --model resnet18 or auto")
    try require((1...16384).contains(imageSize ?? 1), "--image-size must be from 1 to 16384")
  }

  func run() throws {
    if let model { return try makeModel(model) }
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
    if output.hasSuffix(".safetensors"), let record = try PretrainedRecord.find(forFile: input),
      record.classNames != nil
    {
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

  private func makeModel(_ name: String) throws {
    guard output.hasSuffix(".safetensors") else { throw CommandError("\(output): a model file ends in .safetensors") }
    let (classifier, notes) = try ImageClassifier.ofWeights(
      input, modelName: name, classNames: try classNames.map(Self.lines), imageSize: imageSize,
      mean: try mean.map { try Self.numbers($0, "--mean") }, std: try std.map { try Self.numbers($0, "--std") },
      allowing: weightOptions.allowances)
    try classifier.write(to: output)
    for note in notes { print(note) }
    print("\(output): \(classifier.model.parameterCount.grouped) parameters")
  }

  private static func lines(ofFileAt path: String) throws -> [String] {
    guard let data = FileManager.default.contents(atPath: path), let text = String(data: data, encoding: .utf8) else {
      throw CommandError("\(path): cannot be read as text")
    }
    return text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
  }

  private static func numbers(_ text: String, _ option: String) throws -> [Float] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let number = Float(part.trimmingCharacters(in: .whitespaces)) else {
        throw CommandError("\(option) \(text): expected numbers with commas between them, such as 0.5,0.5,0.5")
      }
      return number
    }
  }
}

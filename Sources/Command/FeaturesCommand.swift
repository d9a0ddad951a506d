import ArgumentParser
import ConvNet
import Formats

struct FeaturesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "features", abstract: "Write what a network computes on the way, as an array.",
    discussion: "One row for each image. Without --layer, these are the features that the head reads.")

  @Argument(help: "A model file, or published weights: their file or the name of their architecture.")
  var model: String
  @Argument(help: "JPEG, PNG or WebP files, or folders of them.") var images: [String] = []
  @Option(help: ArgumentHelp("The layer whose output is wanted, such as layer4 or features.18.", valueName: "path"))
  var layer: String?
  @Option(help: "The .npy file to write.") var output: String?
  @Flag(help: "List the layers instead.") var list = false
  @OptionGroup var threads: ThreadOptions

  func validate() throws {
    if list { return }
    if images.isEmpty { throw ValidationError("give at least one image, or --list") }
    if output == nil { throw ValidationError("give --output FILE.npy") }
  }

  func run() throws {
    threads.apply()
    let classifier = try ImageClassifier(named: model)
    guard let output, !list else {
      print(try classifier.layerNames().joined(separator: "\n"))
      return
    }
    let features = try classifier.features(ofFilesAt: FolderListing.pictures(at: images), layer: layer)
    try NPY.write(features, to: output)
    print("\(output): \(features.shape) \(features.dtype)")
  }
}

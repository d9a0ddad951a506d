import ArgumentParser
import ConvNet
import Foundation

struct SamplesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "samples", abstract: "Write embedded pictures as a folder of class folders, to try things on.")

  @Argument(help: "The folder to write.") var folder: String
  @Option(help: "Pictures of each class.") var perClass = 10

  func validate() throws {
    if perClass < 1 { throw ValidationError("--per-class must be at least 1, not \(perClass)") }
  }

  func run() throws {
    let (_, test) = try EmbeddedFashionMNIST.load()
    var written = [Int](repeating: 0, count: test.classNames.count)
    for index in 0..<test.count where written[test.label(at: index)] < perClass {
      let label = test.label(at: index)
      // Some names have a slash.
      let path = "\(folder)/\(test.classNames[label].replacingOccurrences(of: "/", with: "-"))"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      let image = Image(
        width: test.imageWidth, height: test.imageHeight, channels: 1, pixels: Array(test.pixels(at: index)))
      try image.writePNG(to: "\(path)/\(written[label]).png")
      written[label] += 1
    }
    if let most = written.max(), most < perClass {
      writeToStandardError("note: the program holds no more than \(most) pictures of a class\n")
    }
    print("\(written.reduce(0, +)) pictures of \(test.classNames.count) classes are in \(folder)")
  }
}

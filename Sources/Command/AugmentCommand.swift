import ArgumentParser
import ConvNet
import Foundation

struct AugmentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "augment", abstract: "Show what augmentation makes of labelled images, before training on them.",
    discussion: """
      DATA is what `convnet train` takes. Each row of the sheet begins with an image as it is, at the size of training; \
      the others are what the network would see of it in different epochs. A sheet that ends in .html has captions \
      that say what was done.

      A JSON file for --augment is a list of steps, such as
        [{ "horizontalFlip": { "probability": 0.5 } },
         { "rotation": { "degrees": 15 } },
         { "gaussianBlur": { "sigma": [0.1, 2], "probability": 0.2 } }]
      --print writes a preset in this form.
      """)

  @Argument(help: "The folder with the images.") var data: String?
  @Option(help: "The sheet: a .png or .html file.") var output = "augmentation.png"
  @Option(help: "none, light, standard, strong, or a JSON file of steps. (default: what `convnet train` would take)")
  var augment: String?
  @Option(help: "The architecture that the images are prepared for.") var model = "lenet"
  @Option(help: "Side of the square that images are brought to. (default: the architecture's)") var imageSize: Int?
  @Option(help: "Images, one in each row.") var count = 6
  @Option(help: "Variants of each image.") var variants = 7
  @Option(help: "Of all random choices.") var seed: UInt64 = 0
  @Flag(help: "Leave out images that cannot be read.") var skipBadImages = false
  @Flag(name: .customLong("print"), help: "Only print the steps of --augment as JSON.") var printsSteps = false

  func validate() throws {
    if !(1...1000).contains(count) { throw ValidationError("--count must be from 1 to 1000, not \(count)") }
    if !(1...100).contains(variants) { throw ValidationError("--variants must be from 1 to 100, not \(variants)") }
    if printsSteps && augment == nil { throw ValidationError("--print needs --augment") }
    if ![".png", ".html"].contains(where: output.lowercased().hasSuffix) {
      throw ValidationError("--output must end in .png or .html, not \(output)")
    }
  }

  func run() throws {
    let augmentation = try augment.map { try Augmentation(named: $0) }
    if printsSteps { return try printJSON(augmentation) }
    let sheet = try ContactSheet.augmentations(
      of: data, augmentation, modelName: model, imageSize: imageSize, count: count, variants: variants, seed: seed,
      skipsBadImages: skipBadImages)
    if output.lowercased().hasSuffix(".html") {
      try AtomicFile.write(try sheet.htmlPage(title: "Augmentation of \(data ?? "the embedded images")"), to: output)
    } else {
      try sheet.image().writePNG(to: output)
    }
    print("\(sheet.rows.count) images with \(variants) variants each: \(output)")
  }
}

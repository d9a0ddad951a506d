import ArgumentParser
import ConvNet

struct LabEdgesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edges",
    abstract: "Measure the edges of a picture in eight directions with Prewitt's compass kernels.")

  @Argument(help: "A JPEG, PNG or WebP file.") var image: String
  @Option(parsing: .unconditional, help: "Measure each patch of a grid of so many by so many.") var patches = 1
  @Option(help: "A folder for edges.svg, which shows every step, and PNG files of the responses.") var output: String?
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let features = try EdgeFeatures(Image(contentsOf: image), patches: patches)
    if let output { try features.write(to: output) }
    if json { printJSON(features.json) } else { print(features) }
  }
}

struct LabFeaturesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "features",
    abstract: "Compare raw pixels with hand-made edge features: which tell pictures apart?",
    discussion: "Half of the pictures are examples, the others get the class of the nearest one. Without --data the "
      + "pictures are drawn: circles and stars of random size and place.")

  @Option(help: "A folder with one subfolder of pictures for each class.") var data: String?
  @Option(parsing: .unconditional, help: "How many pictures of each class.") var count = 100
  @Option(parsing: .unconditional, help: "The grid of patches has so many along each side.") var patches = 4
  @Option(help: "Of the drawn pictures.") var seed: UInt64 = 0
  @Option(help: "A folder for the drawn pictures, with one subfolder for each class.") var output: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if !(2...1000).contains(count) { throw ValidationError("--count must be from 2 to 1000, not \(count)") }
    if data != nil && output != nil { throw ValidationError("--output is for drawn pictures; leave --data out") }
    if !(1...32).contains(patches) { throw ValidationError("--patches must be from 1 to 32, not \(patches)") }
  }

  func run() throws {
    let result: FigureClassification
    if let data {
      let folder = try ImageFolder(data, preprocessing: ImagePreprocessing(height: 64, width: 64))
      result = try FigureClassification(
        FigureClassification.pictures(of: folder, limit: count), classNames: folder.classNames, patches: patches)
    } else {
      let names = ["circle", "star"]
      let pictures = FigureClassification.circlesAndStars(count: 2 * count, seed: seed)
      if let output { try FigureClassification.write(pictures, classNames: names, to: output) }
      result = try FigureClassification(pictures, classNames: names, patches: patches)
    }
    if json { printJSON(result.json) } else { print(result) }
  }
}

struct LabSmoothCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "smooth",
    abstract: "Smooth a time series with a moving average or a triangle.",
    discussion: "The file has lines time,value in ascending order, or values alone; times are numbers or dates.")

  @Argument(help: "A CSV file.") var file: String
  @Option(help: "The window's form.") var window = Smoothing.Window.box
  @Option(parsing: .unconditional, help: "M: the window has 2 M + 1 weights.") var radius = 4
  @Option(help: "What stands before the first and after the last value.") var padding = Smoothing.Padding.edge
  @Option(help: "A CSV file for time, value and smoothed value.") var output: String?
  @Option(help: "An SVG file for the plot.") var svg: String?
  @Flag(help: "In the plot, join the values by lines.") var join = false
  @Option(help: "An SVG file for what the window leaves of waves of each frequency.") var response: String?
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let smoothing = try Smoothing(
      TimeSeries(contentsOf: file), window: window, radius: radius, padding: padding)
    if let output { try AtomicFile.write(smoothing.csv, to: output) }
    if let svg { try AtomicFile.write(smoothing.svg(joinsValues: join), to: svg) }
    if let response { try AtomicFile.write(smoothing.responseSVG, to: response) }
    if json { printJSON(smoothing.json) } else { print(smoothing) }
  }
}

extension Smoothing.Window: ExpressibleByArgument {}
extension Smoothing.Padding: ExpressibleByArgument {}

struct LabFiltersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "filters", abstract: "Draw the kernels of a model's convolution.")

  @Argument(help: "A model file, an ONNX file, or an architecture before training.") var model: String
  @Option(help: "The convolution to draw, such as conv2; the first by default.") var layer: String?
  @Option(help: "The PNG file to write.") var output: String

  func run() throws {
    let layer: any Layer =
      ONNXModel.isHeld(by: model)
      ? try ONNXModel(contentsOf: model)
      : try findModel(model, input: nil, classes: nil, withNumbers: true).layer
    let filters = try FilterPicture(of: AnyLayer(layer), path: self.layer)
    try filters.image.writePNG(to: output)
    print("\(output): \(filters.image.width)x\(filters.image.height) pixels\n\(filters)")
  }
}

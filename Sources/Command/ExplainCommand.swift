import ArgumentParser
import ConvNet
import Foundation

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Show where in an image a model found what it says.",
    discussion: """
      Writes an overlay for each image: what glows speaks for the class, blue speaks against it. Each map is compared \
      with those of networks whose upper layers were made random (Adebayo et al., 2018); a map that looks the same \
      fails the check: it shows edges of the image, not what was learned.

      grad-cam: the last feature maps, weighted by their gradients. occlusion: how much covering each patch hurts. \
      integrated-gradients: gradients along the way from the average colour. saliency: the gradient of each pixel.
      """)

  @Argument(help: "A model file, or published weights: their file or the name of their architecture.") var model: String
  @OptionGroup var images: ImageFiles
  @Option(help: "How the map is computed; see above.") var method = Attribution.Method.gradCAM
  @Option(name: .customLong("class"), help: "The class to explain. (default: the most probable one)")
  var className: String?
  @Option(help: "The layer that Grad-CAM reads; `convnet summary` lists them. (default: the last feature maps)")
  var layer: String?
  @Option(help: "The folder for the overlays.") var output = "explanations"
  @Flag(help: "Print the result as JSON.") var json = false
  @OptionGroup var threads: ThreadOptions

  private struct Row: Encodable {
    var file: String
    var overlay: String
    var method: Attribution.Method
    var layer: String?
    var className: String
    var probability: Float
    var completenessGap: Double?
    var check: RandomizationCheck

    enum CodingKeys: String, CodingKey {
      case file, overlay, method, layer, probability, check
      case className = "class"
      case completenessGap = "completeness_gap"
    }
  }

  func validate() throws {
    if layer != nil && method != .gradCAM { throw ValidationError("--layer is for --method grad-cam alone") }
  }

  func run() throws {
    threads.apply()
    let explainer = try ImageExplainer(ImageClassifier(named: model), layer: layer)
    try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
    let background = explainer.classifier.description.preprocessing.background
    var rows: [Row] = []
    var names: Set<String> = []
    try images.forEach { path in
      let explanation = try explainer.explain(
        Image(contentsOf: path, background: background), method: method, className: className)
      let file = "\(output)/\(Self.freeName(for: path, method, &names)).png"
      try explanation.overlay.writePNG(to: file)
      let row = Row(
        file: path, overlay: file, method: method, layer: explanation.attribution.layer,
        className: explanation.className, probability: explanation.probability,
        completenessGap: explanation.attribution.completenessGap, check: explanation.check)
      if json { rows.append(row) } else { show(row) }
    } finally: {
      if json { try printJSON(rows) }
    }
  }

  /// The picture's name and the method's; with a number if two pictures have one name.
  private static func freeName(for path: String, _ method: Attribution.Method, _ taken: inout Set<String>) -> String {
    let base = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent + "-" + method.rawValue
    var (name, number) = (base, 2)
    while !taken.insert(name).inserted {
      name = "\(base)-\(number)"
      number += 1
    }
    return name
  }

  private func show(_ row: Row) {
    let gap = row.completenessGap.map { String(format: ", completeness gap %.2f %%", $0 * 100) } ?? ""
    let layer = row.layer.map { " at \($0)" } ?? ""
    let check =
      row.check.rankCorrelation.map {
        String(
          format: "%@ the randomisation check (rank correlation %.2f, %d layers random)",
          row.check.passes ? "passes" : "FAILS", $0, row.check.layers)
      } ?? "FAILS the randomisation check (the map is empty: nothing speaks for the class)"
    print(String(format: "%@: %@ %.1f %%", row.file, row.className, row.probability * 100))
    print("  \(row.overlay): \(row.method.rawValue)\(layer), \(check)\(gap)")
  }
}

extension Attribution.Method: ExpressibleByArgument {}

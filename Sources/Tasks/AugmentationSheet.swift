import Foundation
import Models
public import Vision

extension Augmentation {
  /// A preset's name, or the path of a JSON file that holds a list of steps.
  public init(named name: String) throws(TaskError) {
    if let preset = Preset(rawValue: name) {
      self.init(preset)
      return
    }
    let presets = Preset.allCases.map(\.rawValue).joined(separator: ", ")
    guard let data = FileManager.default.contents(atPath: name) else {
      throw TaskError("\(name): neither a preset of augmentation (\(presets)) nor a JSON file that can be read")
    }
    do {
      self = try JSONDecoder().decode(Augmentation.self, from: data)
    } catch {
      throw TaskError("\(name): not a list of augmentation steps: \(Self.reason(error))")
    }
  }

  private static func reason(_ error: any Error) -> String {
    func place(_ path: [any CodingKey]) -> String {
      path.map { key in key.intValue.map { "step \($0 + 1)" } ?? key.stringValue }.joined(separator: ", ")
    }
    switch error {
    case DecodingError.typeMismatch(let type, let context) where type == Step.self:
      return "\(place(context.codingPath)): expected an object with one name of "
        + Step.names.joined(separator: ", ")
    case DecodingError.keyNotFound(let key, let context):
      return "\(place(context.codingPath)): \"\(key.stringValue)\" is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
      DecodingError.dataCorrupted(let context):
      let place = place(context.codingPath)
      return (place.isEmpty ? "" : "\(place): ") + context.debugDescription
    default: return "\(error)"
    }
  }
}

extension ContactSheet {
  /// What an augmentation makes of a data set: a row for each of some pictures, spread over the classes, with the
  /// picture itself first.
  ///
  /// - Parameters:
  ///   - path: as for ``LabeledImages/open(_:)``.
  ///   - augmentation: that which a training would take unless given.
  ///   - modelName: decides the size of the pictures, unless `imageSize` does.
  ///   - count: pictures, from 1 to 1000.
  ///   - variants: of each, from 1 to 100: the first is that of the first epoch, and so on.
  ///   - skipsBadImages: open every file first, and leave out those that cannot be read.
  public static func augmentations(
    of path: String?, _ augmentation: Augmentation? = nil, modelName: String, imageSize: Int? = nil, count: Int = 6,
    variants: Int = 7, seed: UInt64 = 0, skipsBadImages: Bool = false
  ) throws -> ContactSheet {
    guard (1...1000).contains(count), (1...100).contains(variants) else {
      throw TaskError("a sheet of \(count) images with \(variants) variants: take 1 to 1000 and 1 to 100")
    }
    var data = try LabeledImages.open(path)
    if skipsBadImages { _ = try data.removeUnreadable(skips: true) }
    let images = data.training
    var job = ClassifierJob(data: path, optimizer: Optimizer.adamW().settings)
    job.imageSize = imageSize
    let rule = try ClassifierTraining.preprocessing(
      for: job, ModelRegistry.architecture(named: modelName), images)
    let augmentation = augmentation ?? ClassifierTraining.augmentation(for: images, rule)
    return ContactSheet(
      rows: try images.sampleIndices(count).map { index in
        let image = try images.image(at: index)
        let original = Cell(rule.fitted(image), caption: images.classNames[images.label(at: index)])
        return [original]
          + (0..<variants).map { epoch in
            let changes = augmentation.draw(
              width: image.width, height: image.height, preprocessing: rule,
              random: DataLoader.random(seed: seed, epoch: epoch, example: index))
            return Cell(changes.applied(to: image), caption: changes.description)
          }
      })
  }
}

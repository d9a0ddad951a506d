import Foundation
public import Inspect

/// Why a classifier said what it said of a picture.
public struct ImageExplanation: Sendable {
  public var className: String
  /// Of the class, calibrated if the model's file says how.
  public var probability: Float
  public var attribution: Attribution
  /// Whether the map depends on what the network learned.
  public var check: RandomizationCheck
  /// The picture as the network sees it, large enough to look at.
  public var picture: Image
  /// The map on the picture.
  public var overlay: Image
}

/// Explains what a classifier says of pictures.
public struct ImageExplainer: Sendable {
  public let classifier: ImageClassifier
  private let explainer: Explainer

  /// - Parameter layer: the node whose feature maps Grad-CAM reads, `layer4.1.relu_1`; the last spatial ones unless
  ///   given.
  /// - Throws: ``InspectError`` if there is no such layer.
  public init(_ classifier: ImageClassifier, layer: String? = nil) throws {
    self.classifier = classifier
    explainer = try Explainer(classifier.model, input: classifier.description.preprocessing.shape, layer: layer)
  }

  /// The node whose feature maps Grad-CAM reads.
  public var layer: String? { explainer.layer }

  /// Smaller pictures are enlarged to this for overlays.
  private static let smallestSide = 224

  /// - Parameter className: what to explain; the most probable class unless given.
  /// - Throws: ``TaskError`` if the model does not know the class.
  public func explain(_ image: Image, method: Attribution.Method = .gradCAM, className: String? = nil) throws
    -> ImageExplanation
  {
    let names = classifier.description.classNames
    let predictions = try classifier.predict(image, top: names.count)
    let index: Int
    if let className {
      guard let found = names.firstIndex(of: className) else {
        throw TaskError("the model knows no class \"\(className)\"; its classes are \(names.joined(separator: ", "))")
      }
      index = found
    } else {
      index = predictions[0].index
    }
    let rule = classifier.description.preprocessing
    let fitted = rule.fitted(image)
    let input = rule.normalized(fitted)
    let attribution = try explainer.attribution(of: input, class: index, method: method)
    let check = try explainer.randomizationCheck(of: attribution, input: input)
    let side = max(fitted.width, fitted.height)
    let picture = fitted.enlarged(by: (Self.smallestSide + side - 1) / side)
    return ImageExplanation(
      className: names[index], probability: predictions.first { $0.index == index }?.probability ?? 0,
      attribution: attribution, check: check, picture: picture, overlay: attribution.map.overlay(on: picture))
  }
}

import Foundation
import Graph
public import Runtime

/// Random changes that leave a picture's class alone, applied while training: steps in order.
///
/// Every draw comes from the `RandomStream` given, so the same seed, epoch and sample give the same picture on any
/// number of threads. In JSON, for example `[{ "horizontalFlip": { "probability": 0.5 } }]`.
public struct Augmentation: Hashable, Sendable {
  public enum Step: Hashable, Sendable, Codable {
    /// A random part of the picture, of `scale` of its area and `ratio` width to height, brought to the output size
    /// (Szegedy et al. 2015, as in torchvision). As the first step it looks at the picture at its full size.
    case randomResizedCrop(scale: ClosedRange<Float>, ratio: ClosedRange<Float>)
    /// Moved by up to `padding` of the side in each direction: the usual "pad, then crop at random".
    case randomCrop(padding: Float)
    /// Mirrored, left to right.
    case horizontalFlip(probability: Float)
    /// Turned by up to `degrees` either way, and scaled by a factor from `scale`.
    case affine(degrees: Float, scale: ClosedRange<Float>)
    /// Each changed by up to so much, in random order (torchvision's `ColorJitter`): brightness, contrast and
    /// saturation by a factor from 1 - x to 1 + x, hue by up to so much of the colour circle. Grey pictures have no
    /// saturation and no hue.
    case colorJitter(brightness: Float, contrast: Float, saturation: Float, hue: Float)
  }

  public let steps: [Step]

  /// Steps whose numbers are in range (probabilities and amounts from 0 to 1, scales positive), else the program stops.
  public init(_ steps: [Step]) {
    self.steps = steps
    if let problem { fail("augmentation: \(problem)") }
  }

  /// Pictures as they are.
  public static let none = Augmentation([])

  /// For digits, letters, garments and other small pictures whose left and right may matter: small moves, turns and
  /// changes of size.
  public static let light = Augmentation([.randomCrop(padding: 0.08), .affine(degrees: 8, scale: 0.92...1.08)])

  /// For photographs: random parts, mirrored half of the time, with light of slightly other colour.
  public static let standard = Augmentation([
    .randomResizedCrop(scale: 0.5...1, ratio: 0.75...(4 / 3)), .horizontalFlip(probability: 0.5),
    .colorJitter(brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.02),
  ])

  /// What is wrong with the numbers, if anything.
  private var problem: String? {
    let unit: ClosedRange<Float> = 0...1
    let factors: ClosedRange<Float> = 0.01...100
    func inside(_ range: ClosedRange<Float>, _ bounds: ClosedRange<Float>) -> Bool {
      bounds.contains(range.lowerBound) && bounds.contains(range.upperBound)
    }
    for step in steps {
      let isValid =
        switch step {
        case .randomResizedCrop(let scale, let ratio): inside(scale, 0.0001...1) && inside(ratio, factors)
        case .randomCrop(let padding): unit.contains(padding)
        case .horizontalFlip(let probability): unit.contains(probability)
        case .affine(let degrees, let scale): (0...180).contains(degrees) && inside(scale, factors)
        case .colorJitter(let brightness, let contrast, let saturation, let hue):
          [brightness, contrast, saturation].allSatisfy(unit.contains) && (0...0.5).contains(hue)
        }
      if !isValid { return "\(step) has a number out of range" }
    }
    return nil
  }

  /// A changed picture of the output size of `preprocessing`, ready for ``ImagePreprocessing/normalized(_:)``.
  public func apply(to image: Image, preprocessing: ImagePreprocessing, random: RandomStream) -> Image {
    var random = random
    var picture: Image
    var rest = steps[...]
    if case .randomResizedCrop(let scale, let ratio)? = steps.first {
      picture = Self.randomResizedCrop(preprocessing.recolored(image), scale, ratio, preprocessing, &random)
      rest = rest.dropFirst()
    } else {
      picture = preprocessing.fitted(image)
    }
    for step in rest {
      switch step {
      case .randomResizedCrop(let scale, let ratio):
        picture = Self.randomResizedCrop(picture, scale, ratio, preprocessing, &random)
      case .randomCrop(let padding):
        let reach = (Int(padding * Float(picture.width)), Int(padding * Float(picture.height)))
        let right = random.integer(below: 2 * reach.0 + 1) - reach.0
        let down = random.integer(below: 2 * reach.1 + 1) - reach.1
        picture = picture.shifted(right: right, down: down)
      case .horizontalFlip(let probability):
        if random.uniform() < probability { picture = picture.mirrored() }
      case .affine(let degrees, let scale):
        let angle = random.uniform(within: -degrees...degrees)
        picture = picture.transformed(degrees: angle, scale: random.uniform(within: scale))
      case .colorJitter(let brightness, let contrast, let saturation, let hue):
        picture = Self.jittered(picture, brightness, contrast, saturation, hue, &random)
      }
    }
    return picture
  }

  private static func randomResizedCrop(
    _ image: Image, _ scale: ClosedRange<Float>, _ ratio: ClosedRange<Float>, _ preprocessing: ImagePreprocessing,
    _ random: inout RandomStream
  ) -> Image {
    func resized(left: Int, top: Int, width: Int, height: Int) -> Image {
      image.resized(
        width: preprocessing.width, height: preprocessing.height, interpolation: preprocessing.interpolation,
        box: PixelBox(left: Float(left), top: Float(top), right: Float(left + width), bottom: Float(top + height)))
    }
    let area = Float(image.width) * Float(image.height)
    let logRatio = log(ratio.lowerBound)...max(log(ratio.lowerBound), log(ratio.upperBound))
    for _ in 0..<10 {
      let target = area * random.uniform(within: scale)
      let aspect = exp(random.uniform(within: logRatio))
      let (width, height) = (Int((target * aspect).squareRoot() + 0.5), Int((target / aspect).squareRoot() + 0.5))
      if (1...image.width).contains(width) && (1...image.height).contains(height) {
        let left = random.integer(below: image.width - width + 1)
        let top = random.integer(below: image.height - height + 1)
        return resized(left: left, top: top, width: width, height: height)
      }
    }
    // A very long picture may hold no such part: the largest one in its middle then.
    let proportion = min(max(Float(image.width) / Float(image.height), ratio.lowerBound), ratio.upperBound)
    let width = min(image.width, max(1, Int(Float(image.height) * proportion + 0.5)))
    let height = min(image.height, max(1, Int(Float(image.width) / proportion + 0.5)))
    return resized(
      left: (image.width - width) / 2, top: (image.height - height) / 2, width: width, height: height)
  }

  private static func jittered(
    _ image: Image, _ brightness: Float, _ contrast: Float, _ saturation: Float, _ hue: Float,
    _ random: inout RandomStream
  ) -> Image {
    var order = [0, 1, 2, 3]
    for last in stride(from: 3, to: 0, by: -1) { order.swapAt(last, random.integer(below: last + 1)) }
    let factors = [brightness, contrast, saturation].map { random.uniform(within: 1 - $0...1 + $0) }
    let turns = random.uniform(within: -hue...hue)
    return order.reduce(image) { picture, change in
      switch change {
      case 0: brightness == 0 ? picture : picture.adjustingBrightness(by: factors[0])
      case 1: contrast == 0 ? picture : picture.adjustingContrast(by: factors[1])
      case 2: saturation == 0 ? picture : picture.adjustingSaturation(by: factors[2])
      default: hue == 0 ? picture : picture.adjustingHue(by: turns)
      }
    }
  }
}

extension Augmentation: Codable {
  public init(from decoder: any Decoder) throws {
    steps = try decoder.singleValueContainer().decode([Step].self)
    if let problem {
      throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: problem))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(steps)
  }
}

extension RandomStream {
  /// Uniform over the closed range; its one value where the bounds are equal.
  mutating func uniform(within range: ClosedRange<Float>) -> Float {
    range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
  }

  /// Uniform over `0..<bound`; its bias, below 2^-40 for any picture, does not matter.
  mutating func integer(below bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }
}

import Graph

/// Random changes that leave a picture's class alone, applied while training: steps in order.
///
/// Steps have torchvision's names and ranges. Every draw comes from the `RandomStream` given, so the same seed, epoch
/// and sample give the same picture on any number of threads. What geometry brings into view repeats the nearest border
/// pixel. In JSON, for example `[{ "horizontalFlip": { "probability": 0.5 } }]`.
public struct Augmentation: Hashable, Sendable {
  /// One kind of change. Probabilities are between 0 and 1; angles are degrees, and go either way.
  public enum Step: Hashable, Sendable, Codable {
    // Geometry, which a mask follows.

    /// A random part of the picture, of `scale` of its area and `ratio` width to height, brought to the output size
    /// (Szegedy et al., 2015). As the first step it looks at the picture at its full size.
    case randomResizedCrop(scale: ClosedRange<Float>, ratio: ClosedRange<Float>)
    /// Moved by up to `padding` of the side in each direction: the usual "pad, then crop at random".
    case randomCrop(padding: Float)
    /// Left and right exchanged.
    case horizontalFlip(probability: Float)
    /// Upside down; for pictures from above and through a microscope.
    case verticalFlip(probability: Float)
    /// Turned by up to `degrees`.
    case rotation(degrees: Float)
    /// Turned by up to `degrees`, moved by up to `translation` of each side, scaled by a factor from `scale`, and
    /// sheared by up to `shear` degrees along each axis.
    case affine(degrees: Float, translation: Float, scale: ClosedRange<Float>, shear: Float)
    /// As seen from aside: each corner moved inwards by up to `distortion` (0 to 0.66) of half a side.
    case perspective(distortion: Float, probability: Float)

    // Light and colour.

    /// Each changed by up to so much, in random order (torchvision's `ColorJitter`): brightness, contrast and
    /// saturation by a factor from 1 - x to 1 + x, hue by up to so much of the colour circle. Grey pictures have no
    /// saturation and no hue.
    case colorJitter(brightness: Float, contrast: Float, saturation: Float, hue: Float)
    case grayscale(probability: Float)
    /// The negative.
    case invert(probability: Float)
    /// Only the upper `bits` (0 to 8) of each sample.
    case posterize(bits: Int, probability: Float)
    /// The negative of samples of at least `threshold` (0 to 255).
    case solarize(threshold: Float, probability: Float)
    /// The histogram made even.
    case equalize(probability: Float)
    /// The histogram stretched to the whole range.
    case autocontrast(probability: Float)

    // Detail.

    /// Sharper (a factor above 1) or softer.
    case sharpness(factor: Float, probability: Float)
    /// Smoothed by a Gaussian with a deviation from `sigma`, in pixels (up to 64).
    case gaussianBlur(sigma: ClosedRange<Float>, probability: Float)
    /// Normal noise with a deviation from this range, on the scale where white is 1.
    case gaussianNoise(deviation: ClosedRange<Float>, probability: Float)
    /// A part of `scale` of the area and `ratio` height to width in the mean colour of the data (Zhong et al., "Random
    /// Erasing Data Augmentation", 2017).
    case erasing(probability: Float, scale: ClosedRange<Float>, ratio: ClosedRange<Float>)

    // Policies.

    /// So many `operations` of fourteen, at a common `magnitude` of 0 to 30 (Cubuk et al., "RandAugment", 2019).
    case randAugment(operations: Int, magnitude: Int)
    /// One operation of fourteen at a random magnitude, over wide ranges (Müller and Hutter, "TrivialAugment", 2021).
    case trivialAugment

    enum CodingKeys: String, CodingKey, CaseIterable {
      case randomResizedCrop, randomCrop, horizontalFlip, verticalFlip, rotation, affine, perspective, colorJitter,
        grayscale, invert, posterize, solarize, equalize, autocontrast, sharpness, gaussianBlur, gaussianNoise, erasing,
        randAugment, trivialAugment
    }

    /// The names of all steps, as in JSON.
    public static let names = CodingKeys.allCases.map(\.rawValue)
  }

  public let steps: [Step]

  /// Steps whose numbers are in range (probabilities and amounts from 0 to 1, scales positive), else the program stops.
  public init(_ steps: [Step]) {
    if let problem = Self.problem(in: steps) { fail("augmentation: \(problem)") }
    self.steps = steps
  }

  /// What is wrong with the numbers, if anything.
  private static func problem(in steps: [Step]) -> String? {
    for step in steps where !step.isInRange { return "\(step) has a number out of range" }
    return nil
  }
}

extension Augmentation {
  /// The choices that have a name.
  public enum Preset: String, Hashable, Sendable, Codable, CaseIterable {
    /// Pictures as they are.
    case none
    /// For digits, letters, garments and other small pictures whose left and right may matter: small moves, turns and
    /// changes of size.
    case light
    /// For photographs: random parts, mirrored half of the time, with light of slightly other colour.
    case standard
    /// For photographs and long trainings: random parts, mirrored, TrivialAugment, and one picture in ten with a part
    /// erased (torchvision's recipe of 2021).
    case strong
  }

  public init(_ preset: Preset) {
    switch preset {
    case .none: self.init([])
    case .light:
      self.init([
        .randomCrop(padding: 0.08), .affine(degrees: 8, translation: 0, scale: 0.92...1.08, shear: 0),
      ])
    case .standard:
      self.init([
        .randomResizedCrop(scale: 0.5...1, ratio: 0.75...(4 / 3)), .horizontalFlip(probability: 0.5),
        .colorJitter(brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.02),
      ])
    case .strong:
      self.init([
        .randomResizedCrop(scale: 0.25...1, ratio: 0.75...(4 / 3)), .horizontalFlip(probability: 0.5), .trivialAugment,
        .erasing(probability: 0.1, scale: 0.02...0.33, ratio: 0.3...3.3),
      ])
    }
  }

  public static let none = Augmentation(Preset.none)
  public static let light = Augmentation(Preset.light)
  public static let standard = Augmentation(Preset.standard)
  public static let strong = Augmentation(Preset.strong)
}

extension Augmentation.Step {
  fileprivate var isInRange: Bool {
    let unit: ClosedRange<Float> = 0...1
    let factors: ClosedRange<Float> = 0.01...100
    func inside(_ range: ClosedRange<Float>, _ bounds: ClosedRange<Float>) -> Bool {
      bounds.contains(range.lowerBound) && bounds.contains(range.upperBound)
    }
    switch self {
    case .randomResizedCrop(let scale, let ratio): return inside(scale, 0.0001...1) && inside(ratio, factors)
    case .randomCrop(let padding): return unit.contains(padding)
    case .horizontalFlip(let p), .verticalFlip(let p), .grayscale(let p), .invert(let p), .equalize(let p),
      .autocontrast(let p):
      return unit.contains(p)
    case .rotation(let degrees): return (0...180).contains(degrees)
    case .affine(let degrees, let translation, let scale, let shear):
      return (0...180).contains(degrees) && unit.contains(translation) && inside(scale, factors)
        && (0...80).contains(shear)
    case .perspective(let distortion, let p): return (0...0.66).contains(distortion) && unit.contains(p)
    case .colorJitter(let brightness, let contrast, let saturation, let hue):
      return [brightness, contrast, saturation].allSatisfy(unit.contains) && (0...0.5).contains(hue)
    case .posterize(let bits, let p): return (0...8).contains(bits) && unit.contains(p)
    case .solarize(let threshold, let p): return (0...255).contains(threshold) && unit.contains(p)
    case .sharpness(let factor, let p): return (0...100).contains(factor) && unit.contains(p)
    case .gaussianBlur(let sigma, let p): return inside(sigma, 0.01...64) && unit.contains(p)
    case .gaussianNoise(let deviation, let p): return inside(deviation, unit) && unit.contains(p)
    case .erasing(let p, let scale, let ratio):
      return unit.contains(p) && inside(scale, 0.0001...1) && inside(ratio, factors)
    case .randAugment(let operations, let magnitude):
      return (1...14).contains(operations) && (0...AutomaticOperation.largestMagnitude).contains(magnitude)
    case .trivialAugment: return true
    }
  }
}

extension Augmentation: Codable {
  /// Steps, or the name of a preset.
  public init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if let name = try? value.decode(String.self) {
      guard let preset = Preset(rawValue: name) else {
        let names = Preset.allCases.map(\.rawValue).joined(separator: ", ")
        throw DecodingError.dataCorruptedError(in: value, debugDescription: "\"\(name)\" is none of \(names)")
      }
      self.init(preset)
      return
    }
    let steps = try value.decode([Step].self)
    if let problem = Self.problem(in: steps) {
      throw DecodingError.dataCorruptedError(in: value, debugDescription: problem)
    }
    self.init(steps)
  }

  public func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(steps)
  }
}

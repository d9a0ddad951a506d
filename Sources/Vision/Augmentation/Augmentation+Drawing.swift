import Foundation
public import Runtime

extension Augmentation {
  /// A changed picture of the output size of `preprocessing`, ready for ``ImagePreprocessing/normalized(_:)``.
  public func apply(to image: Image, preprocessing: ImagePreprocessing, random: RandomStream) -> Image {
    draw(width: image.width, height: image.height, preprocessing: preprocessing, random: random).applied(to: image)
  }

  /// Draws what to do with a picture of the given size, to it and to its mask.
  public func draw(
    width: Int, height: Int, preprocessing: ImagePreprocessing, random: RandomStream
  ) -> Changes {
    var draw = Draw(width: preprocessing.width, height: preprocessing.height, random: random)
    for (index, step) in steps.enumerated() {
      if index == 0, case .randomResizedCrop(let scale, let ratio) = step {
        draw.randomResizedCrop(scale, ratio, width: width, height: height)
      } else {
        draw.add(step)
      }
    }
    return Changes(list: draw.changes, preprocessing: preprocessing)
  }
}

/// Changes as they are drawn, step by step.
private struct Draw {
  /// Of the result.
  let width: Int
  let height: Int
  var random: RandomStream
  var changes: [Augmentation.Change] = []

  private var center: (x: Double, y: Double) { (Double(width) / 2, Double(height) / 2) }

  init(width: Int, height: Int, random: RandomStream) {
    self.width = width
    self.height = height
    self.random = random
  }

  mutating func add(_ step: Augmentation.Step) {
    switch step {
    case .randomResizedCrop(let scale, let ratio): randomResizedCrop(scale, ratio, width: width, height: height)
    case .randomCrop(let padding):
      let right = offset(upTo: padding, of: width)
      move(.translation(right: right, down: offset(upTo: padding, of: height)), "move")
    case .horizontalFlip(let p): if random.chance(p) { move(.horizontalFlip(width: width), "flip") }
    case .verticalFlip(let p): if random.chance(p) { move(.verticalFlip(height: height), "upside down") }
    case .rotation(let degrees): affine(degrees, 0, 1...1, 0)
    case .affine(let degrees, let translation, let scale, let shear): affine(degrees, translation, scale, shear)
    case .perspective(let distortion, let p): if random.chance(p) { perspective(distortion) }
    case .colorJitter(let brightness, let contrast, let saturation, let hue):
      colorJitter(brightness, contrast, saturation, hue)
    case .grayscale(let p): add(.grayscale, p)
    case .invert(let p): add(.invert, p)
    case .posterize(let bits, let p): add(.posterize(bits: bits), p)
    case .solarize(let threshold, let p): add(.solarize(threshold: threshold), p)
    case .equalize(let p): add(.equalize, p)
    case .autocontrast(let p): add(.autocontrast, p)
    case .sharpness(let factor, let p): add(.sharpness(factor), p)
    case .gaussianBlur(let sigma, let p):
      if random.chance(p) { changes.append(.blur(sigma: random.uniform(within: sigma))) }
    case .gaussianNoise(let deviation, let p):
      if random.chance(p) {
        let deviation = random.uniform(within: deviation)
        let stream = RandomStream(seed: random.seed, stream: RandomStream.stream(random.stream, random.next()))
        changes.append(.noise(deviation: deviation, stream))
      }
    case .erasing(let p, let scale, let ratio): if random.chance(p) { erase(scale, ratio) }
    case .randAugment(let operations, let magnitude):
      for _ in 0..<operations { automatic(magnitude, .randAugment) }
    case .trivialAugment: automatic(nil, .wide)
    }
  }

  private mutating func add(_ change: Augmentation.Change, _ probability: Float) {
    if random.chance(probability) { changes.append(change) }
  }

  private mutating func move(_ transform: ProjectiveTransform, _ name: String) {
    changes.append(.move(transform, name))
  }

  /// Whole pixels.
  private mutating func offset(upTo share: Float, of side: Int) -> Double {
    let reach = Int(share * Float(side))
    return Double(random.integer(below: 2 * reach + 1) - reach)
  }

  private mutating func affine(
    _ degrees: Float, _ translation: Float, _ scale: ClosedRange<Float>, _ shear: Float
  ) {
    let angle = random.uniform(within: -degrees...degrees)
    let factor = random.uniform(within: scale)
    var transform = ProjectiveTransform.affine(degrees: Double(angle), scale: Double(factor), about: center)
    // What is switched off draws nothing.
    if shear > 0 {
      let (x, y) = (random.uniform(within: -shear...shear), random.uniform(within: -shear...shear))
      transform = .affine(
        degrees: Double(angle), scale: Double(factor), shear: (Double(x), Double(y)), about: center)
    }
    if translation > 0 {
      let right = offset(upTo: translation, of: width)
      let shift = ProjectiveTransform.translation(right: right, down: offset(upTo: translation, of: height))
      transform = transform.followed(by: shift)
    }
    move(transform, "turn \(Int(angle.rounded()))°")
  }

  private mutating func perspective(_ distortion: Float) {
    let (wide, high) = (Double(width), Double(height))
    let corners = [(0.0, 0.0), (1, 0), (1, 1), (0, 1)].map { x, y in
      let inwards = SIMD2(Double(random.uniform()) * wide, Double(random.uniform()) * high) * Double(distortion) / 2
      return SIMD2(x * wide, y * high) + inwards * SIMD2(1 - 2 * x, 1 - 2 * y)
    }
    move(.perspective(width: wide, height: high, corners: corners), "perspective")
  }

  private mutating func colorJitter(_ brightness: Float, _ contrast: Float, _ saturation: Float, _ hue: Float) {
    var order = [0, 1, 2, 3]
    for last in stride(from: 3, to: 0, by: -1) { order.swapAt(last, random.integer(below: last + 1)) }
    let factors = [brightness, contrast, saturation].map { random.uniform(within: 1 - $0...1 + $0) }
    let turns = random.uniform(within: -hue...hue)
    for change in order {
      switch change {
      case 0: if brightness > 0 { changes.append(.brightness(factors[0])) }
      case 1: if contrast > 0 { changes.append(.contrast(factors[1])) }
      case 2: if saturation > 0 { changes.append(.saturation(factors[2])) }
      default: if hue > 0 { changes.append(.hue(turns)) }
      }
    }
  }

  private mutating func automatic(_ magnitude: Int?, _ ranges: AutomaticOperation.Ranges) {
    let all = AutomaticOperation.allCases
    let operation = all[random.integer(below: all.count)]
    let magnitude = magnitude ?? random.integer(below: AutomaticOperation.largestMagnitude + 1)
    changes.append(operation.change(magnitude, ranges, width: width, height: height, &random))
  }

  /// An extent of the given area and proportions, drawn.
  private mutating func extent(
    of area: Float, _ scale: ClosedRange<Float>, _ ratio: ClosedRange<Float>
  ) -> (long: Int, short: Int) {
    let target = area * random.uniform(within: scale)
    let logRatio = log(ratio.lowerBound)...max(log(ratio.lowerBound), log(ratio.upperBound))
    let aspect = exp(random.uniform(within: logRatio))
    return (Int((target * aspect).squareRoot() + 0.5), Int((target / aspect).squareRoot() + 0.5))
  }

  mutating func randomResizedCrop(
    _ scale: ClosedRange<Float>, _ ratio: ClosedRange<Float>, width: Int, height: Int
  ) {
    func crop(left: Int, top: Int, width: Int, height: Int) -> Augmentation.Change {
      .crop(PixelBox(left: Float(left), top: Float(top), right: Float(left + width), bottom: Float(top + height)))
    }
    for _ in 0..<10 {
      let (partWidth, partHeight) = extent(of: Float(width) * Float(height), scale, ratio)
      if (1...width).contains(partWidth) && (1...height).contains(partHeight) {
        let left = random.integer(below: width - partWidth + 1)
        let top = random.integer(below: height - partHeight + 1)
        return changes.append(crop(left: left, top: top, width: partWidth, height: partHeight))
      }
    }
    // A very long picture may hold no such part: the largest one in its middle then.
    let proportion = min(max(Float(width) / Float(height), ratio.lowerBound), ratio.upperBound)
    let partWidth = min(width, max(1, Int(Float(height) * proportion + 0.5)))
    let partHeight = min(height, max(1, Int(Float(width) / proportion + 0.5)))
    changes.append(
      crop(left: (width - partWidth) / 2, top: (height - partHeight) / 2, width: partWidth, height: partHeight))
  }

  private mutating func erase(_ scale: ClosedRange<Float>, _ ratio: ClosedRange<Float>) {
    for _ in 0..<10 {
      let (partHeight, partWidth) = extent(of: Float(width) * Float(height), scale, ratio)
      if (1..<max(2, width)).contains(partWidth) && (1..<max(2, height)).contains(partHeight) {
        let top = random.integer(below: height - partHeight + 1)
        let left = random.integer(below: width - partWidth + 1)
        return changes.append(.erase(columns: left..<left + partWidth, rows: top..<top + partHeight))
      }
    }
  }
}

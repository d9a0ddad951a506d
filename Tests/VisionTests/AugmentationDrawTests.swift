import Data
import Foundation
import Runtime
import Testing
import Vision

/// What is drawn: how often, how far, and the same for a picture and its mask.
@Suite struct AugmentationDrawTests {
  static let rule = ImagePreprocessing(height: 24, width: 20, mean: [0.25, 0.5, 0.75])
  static let square = ImagePreprocessing(channels: 1, height: 32, width: 32)

  private func pictures(_ step: Augmentation.Step, of image: Image, _ rule: ImagePreprocessing, _ count: Int) -> [Image]
  {
    (0..<UInt64(count)).map {
      Augmentation([step]).apply(to: image, preprocessing: rule, random: RandomStream(seed: 5, stream: $0))
    }
  }

  @Test func eachStepIsItsChangeOrNone() throws {
    let source = try Fixtures.source()
    let fitted = Self.rule.fitted(source)
    let changes: [(Augmentation.Step, Augmentation.Step, Image)] = [
      (.horizontalFlip(probability: 0), .horizontalFlip(probability: 1), fitted.mirrored()),
      (.verticalFlip(probability: 0), .verticalFlip(probability: 1), fitted.oriented(4)),
      (.grayscale(probability: 0), .grayscale(probability: 1), fitted.grey().rgb()),
      (.invert(probability: 0), .invert(probability: 1), fitted.inverted()),
      (.posterize(bits: 2, probability: 0), .posterize(bits: 2, probability: 1), fitted.posterized(bits: 2)),
      (
        .solarize(threshold: 90, probability: 0), .solarize(threshold: 90, probability: 1),
        fitted.solarized(threshold: 90)
      ),
      (.equalize(probability: 0), .equalize(probability: 1), fitted.equalized()),
      (.autocontrast(probability: 0), .autocontrast(probability: 1), fitted.autocontrasted()),
      (
        .sharpness(factor: 3, probability: 0), .sharpness(factor: 3, probability: 1), fitted.adjustingSharpness(by: 3)
      ),
      (
        .gaussianBlur(sigma: 2...2, probability: 0), .gaussianBlur(sigma: 2...2, probability: 1),
        fitted.blurred(sigma: 2)
      ),
      (.rotation(degrees: 0), .affine(degrees: 0, translation: 0, scale: 1...1, shear: 0), fitted),
      (.perspective(distortion: 0.5, probability: 0), .perspective(distortion: 0, probability: 1), fitted),
    ]
    for (never, always, expected) in changes {
      #expect(pictures(never, of: source, Self.rule, 3).allSatisfy { $0 == fitted }, "\(never)")
      #expect(pictures(always, of: source, Self.rule, 3).allSatisfy { $0 == expected }, "\(always)")
    }
    // Of 2000 with probability 0.3, within four deviations.
    let blurred = pictures(.invert(probability: 0.3), of: source, Self.rule, 2000).count { $0 != fitted }
    #expect((518...682).contains(blurred))
  }

  @Test func anglesAndScalesCoverTheirRange() {
    // A dot right of the middle tells where it went.
    var dot = Image(width: 32, height: 32, channels: 1, color: .black)
    for (x, y) in [(27, 15), (28, 15), (27, 16), (28, 16)] { dot[x, y, 0] = 255 }
    func center(_ image: Image) -> SIMD2<Double> {
      var sum = SIMD3(0.0, 0, 0)
      for y in 0..<32 {
        for x in 0..<32 { sum += Double(image[x, y, 0]) * SIMD3(Double(x) + 0.5, Double(y) + 0.5, 1) }
      }
      return SIMD2(sum.x / sum.z - 16, sum.y / sum.z - 16)
    }
    let angles = pictures(.rotation(degrees: 40), of: dot, Self.square, 400).map { image in
      let place = center(image)
      return atan2(place.y, place.x) * 180 / .pi
    }
    #expect(angles.allSatisfy { abs($0) <= 40.5 })
    #expect(angles.min()! < -37 && angles.max()! > 37)
    // Of 400 uniform draws the mean has a deviation of 1.15 degrees.
    #expect(abs(angles.reduce(0, +) / 400) < 4.6)
    let lengths = pictures(
      .affine(degrees: 180, translation: 0, scale: 0.5...1.1, shear: 0), of: dot, Self.square, 300
    ).map { image in
      let place = center(image)
      return (place * place).sum().squareRoot() / 12
    }
    #expect(lengths.allSatisfy { (0.48...1.12).contains($0) })
    #expect(lengths.min()! < 0.52 && lengths.max()! > 1.08)
  }

  @Test func noiseIsNormal() {
    let grey = Image(width: 200, height: 100, channels: 1, color: RGBColor(red: 128, green: 128, blue: 128))
    let noisy = grey.addingNoise(deviation: 0.1, random: RandomStream(seed: 1, stream: 2))
    let values = noisy.pixels.map { Double($0) - 128 }
    let mean = values.reduce(0, +) / 20000
    let variance = values.reduce(0) { $0 + $1 * $1 } / 20000 - mean * mean
    #expect(abs(mean) < 0.72)
    #expect(abs(variance.squareRoot() - 25.5) < 0.5)
    let inside = Double(values.count { abs($0) < 25.5 })
    #expect(abs(inside / 20000 - 0.6827) < 0.015)
    #expect(noisy != grey.addingNoise(deviation: 0.1, random: RandomStream(seed: 1, stream: 3)))
  }

  @Test func erasedPartsHaveTheMeanColour() throws {
    let white = Image(width: 40, height: 48, channels: 3)
    let step = Augmentation.Step.erasing(probability: 1, scale: 0.1...0.3, ratio: 0.5...2)
    for picture in pictures(step, of: white, Self.rule, 200) {
      let erased = (0..<480).filter { picture.pixels[3 * $0] != 255 }
      // Sides are rounded to whole pixels.
      #expect((0.07...0.35).contains(Double(erased.count) / 480))
      #expect(erased.allSatisfy { picture.pixels[3 * $0..<3 * $0 + 3].elementsEqual([64, 128, 191]) })
      let (columns, rows) = (Set(erased.map { $0 % 20 }), Set(erased.map { $0 / 20 }))
      #expect(columns.count * rows.count == erased.count)
    }
  }

  @Test func policiesDrawAllOperationsEquallyOften() throws {
    func counts(_ step: Augmentation.Step) -> [String: Int] {
      var counts: [String: Int] = [:]
      for stream in 0..<2800 as Range<UInt64> {
        let changes = Augmentation([step]).draw(
          width: 64, height: 64, preprocessing: Self.square, random: RandomStream(seed: 2, stream: stream))
        let name = changes.description.split(separator: " ").first.map(String.init) ?? ""
        counts[name == "unchanged" ? "identity" : Int(name) == nil ? name : "bits", default: 0] += 1
      }
      return counts
    }
    for (step, moves) in [(Augmentation.Step.randAugment(operations: 1, magnitude: 9), 400), (.trivialAugment, 0)] {
      let found = counts(step)
      let single = 55.0  // four deviations
      for name in ["brightness", "saturation", "contrast", "sharpness", "bits", "solarize", "autocontrast", "equalize"]
      {
        #expect(abs(Double(found[name] ?? 0) - 200) < single, "\(step) \(name) \(found[name] ?? 0)")
      }
      // Two kinds each; a magnitude of 0 moves nothing.
      if moves > 0 {
        #expect(abs(Double(found["shear"] ?? 0) - 400) < 1.4 * single)
        #expect(abs(Double(found["translate"] ?? 0) - 400) < 1.4 * single)
      }
      #expect(found.values.reduce(0, +) == 2800)
    }
    // As strong as the paper says: TrivialAugment leaves 2 bits at most, RandAugment at 30 exactly 4.
    let source = try Fixtures.source()
    let rule = ImagePreprocessing(height: 29, width: 37)
    let four = source.posterized(bits: 4)
    #expect(
      pictures(.randAugment(operations: 1, magnitude: 30), of: source, rule, 100).contains { $0 == four })
    let two = source.posterized(bits: 2)
    #expect(pictures(.trivialAugment, of: source, rule, 1000).contains { $0 == two })
  }

  @Test func masksFollowPictures() {
    // Where the picture is white, the mask is 7, all over the place: quadrants, so that each pixel away from edges
    // tells.
    var image = Image(width: 48, height: 40, channels: 3, color: .black)
    var mask = Image(width: 48, height: 40, channels: 1, color: .black)
    for y in 0..<40 {
      for x in 0..<48 where (x / 12 + y / 10) % 2 == 0 {
        mask[x, y, 0] = 7
        for channel in 0..<3 { image[x, y, channel] = 255 }
      }
    }
    let rule = ImagePreprocessing(height: 40, width: 48, resize: .fit)
    let augmentation = Augmentation([
      .randomResizedCrop(scale: 0.4...1, ratio: 0.75...1.5), .horizontalFlip(probability: 0.5),
      .affine(degrees: 30, translation: 0.1, scale: 0.8...1.2, shear: 10),
      .perspective(distortion: 0.3, probability: 0.5),
      .colorJitter(brightness: 0.1, contrast: 0, saturation: 0, hue: 0), .verticalFlip(probability: 0.5),
    ])
    var inner = 0
    for stream in 0..<40 as Range<UInt64> {
      let changes = augmentation.draw(
        width: 48, height: 40, preprocessing: rule, random: RandomStream(seed: 4, stream: stream))
      let (picture, label) = (changes.applied(to: image), changes.applied(toMask: mask))
      #expect(Set(label.pixels).isSubset(of: [0, 7]))
      // Two pixels away from any edge both must say the same.
      for y in 2..<38 {
        for x in 2..<46 {
          let around = (y - 2...y + 2).flatMap { row in (x - 2...x + 2).map { label[$0, row, 0] } }
          if Set(around).count > 1 { continue }
          #expect((picture[x, y, 0] > 115) == (label[x, y, 0] == 7), "stream \(stream), (\(x), \(y))")
          inner += 1
        }
      }
    }
    #expect(inner > 20_000)
    // Background is marked, not a class.
    let wide = ImagePreprocessing(height: 48, width: 48, resize: .fit)
    let padded = Augmentation.none.draw(width: 48, height: 40, preprocessing: wide, random: RandomStream(seed: 1))
      .applied(toMask: mask, background: 255)
    #expect(padded.pixels.count { $0 == 255 } == 8 * 48)
  }

  @Test(arguments: Augmentation.Preset.allCases)
  func sameBatchesForAnyNumberOfThreads(preset: Augmentation.Preset) throws {
    let pixels = (0..<11 * 784).map { UInt8(truncatingIfNeeded: $0 * $0 / 97) }
    let base = IDXDataset(
      pixels: pixels, labels: [UInt8](repeating: 0, count: 11), imageHeight: 28, imageWidth: 28, classNames: ["a", "b"])
    let images = IDXImages(base, preprocessing: Self.square, augmentation: Augmentation(preset))
    func epoch(_ threads: Int) throws -> [[Float]] {
      let batches = DataLoader(images, batchSize: 3, shuffle: true, seed: 2, threads: threads).batches(epoch: 4)
      var inputs: [[Float]] = []
      while let batch = try batches.next() { inputs.append(batch.input.scalars()) }
      return inputs
    }
    let reference = try epoch(0)
    #expect(reference.count == 4)
    for threads in 1...3 { #expect(try epoch(threads) == reference) }
  }

  @Test func movesBecomeOneResampling() throws {
    let source = try Fixtures.source()
    let rule = ImagePreprocessing(height: 29, width: 37)
    // Forth and back: two resamplings would blur, one leaves all as it was but what the border repeated.
    let steps = [Augmentation.Step](repeating: .horizontalFlip(probability: 1), count: 2)
    #expect(Augmentation(steps).apply(to: source, preprocessing: rule, random: RandomStream(seed: 1)) == source)
    let flipped = Augmentation([.rotation(degrees: 30), .horizontalFlip(probability: 1)])
    for stream in 0..<5 as Range<UInt64> {
      let random = RandomStream(seed: 1, stream: stream)
      let turned = Augmentation([.rotation(degrees: 30)]).apply(to: source, preprocessing: rule, random: random)
      #expect(
        difference(flipped.apply(to: source, preprocessing: rule, random: random), turned.mirrored()) <= 1)
    }
  }
}

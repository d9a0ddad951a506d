import Graph
import Runtime

extension Augmentation {
  /// What was drawn for one picture: definite changes, which its mask can follow.
  public struct Changes: Hashable, Sendable, CustomStringConvertible {
    let list: [Change]
    let preprocessing: ImagePreprocessing

    /// What was done, for a caption: `crop, flip, posterize to 4 bits`.
    public var description: String {
      let names = list.map(\.description).filter { !$0.isEmpty }
      return names.isEmpty ? "unchanged" : names.joined(separator: ", ")
    }

    /// The changed picture at the output size, ready for ``ImagePreprocessing/normalized(_:)``.
    public func applied(to image: Image) -> Image { applied(to: image, reducedBy: 1) }

    /// The same of a picture whose extents were divided by `factor`, rounded up, while it was decoded.
    func applied(to image: Image, reducedBy factor: Int) -> Image {
      var list = list
      if factor > 1, case .crop(let box)? = list.first {
        let scale = 1 / Float(factor)
        list[0] = .crop(
          PixelBox(left: box.left * scale, top: box.top * scale, right: box.right * scale, bottom: box.bottom * scale))
      }
      return Augmentation.apply(list, to: image, preprocessing, .bilinear)
    }

    /// The power of two by which a picture may be reduced before these changes: 1 unless they begin with a part of it,
    /// which then still has at least the pixels of the output. So pictures that are not cut at random, as in evaluation,
    /// are never reduced and keep the exact bytes of the full path.
    package var reduction: Int {
      guard case .crop(let box)? = list.first else { return 1 }
      let (width, height) = (box.right - box.left, box.bottom - box.top)
      let fits = { (factor: Int) in
        Int(width) >= factor * max(preprocessing.width, 8) && Int(height) >= factor * max(preprocessing.height, 8)
      }
      return [8, 4, 2].first(where: fits) ?? 1
    }

    /// A mask (one channel of class numbers, the size of the picture) after the same geometry, always with one of its
    /// own values or, where the picture got background, with `background`.
    public func applied(toMask mask: Image, background: UInt8 = 0) -> Image {
      let rule = ImagePreprocessing(
        channels: 1, height: preprocessing.height, width: preprocessing.width, resize: preprocessing.resize,
        interpolation: .nearest, background: RGBColor(red: background, green: background, blue: background))
      return Augmentation.apply(list.filter(\.isGeometric), to: mask, rule, .nearest)
    }
  }

  /// One definite change.
  enum Change: Hashable, Sendable {
    /// A part, brought to the output size.
    case crop(PixelBox)
    /// A picture of the output size under a transform; the name is for captions.
    case move(ProjectiveTransform, String)
    case brightness(Float)
    case contrast(Float)
    case saturation(Float)
    case hue(Float)
    case grayscale
    case invert
    case posterize(bits: Int)
    case solarize(threshold: Float)
    case equalize
    case autocontrast
    case sharpness(Float)
    case blur(sigma: Float)
    case noise(deviation: Float, RandomStream)
    case erase(columns: Range<Int>, rows: Range<Int>)

    var isGeometric: Bool {
      switch self {
      case .crop, .move: true
      default: false
      }
    }

    /// A few words; none for what cannot be seen.
    var description: String {
      // Two digits are enough to look at.
      func text(_ value: Float) -> String { "\((value * 100).rounded() / 100)" }
      return switch self {
      case .crop: "crop"
      case .move(.identity, _): ""
      case .move(_, let name): name
      case .brightness(let factor): "brightness \(text(factor))"
      case .contrast(let factor): "contrast \(text(factor))"
      case .saturation(let factor): "saturation \(text(factor))"
      case .hue(let turns): "hue \(text(turns))"
      case .grayscale: "grey"
      case .invert: "negative"
      case .posterize(let bits): "\(bits) bits"
      case .solarize(let threshold): "solarize \(Int(threshold))"
      case .equalize: "equalize"
      case .autocontrast: "autocontrast"
      case .sharpness(let factor): "sharpness \(text(factor))"
      case .blur(let sigma): "blur \(text(sigma))"
      case .noise(let deviation, _): "noise \(text(deviation))"
      case .erase: "erase"
      }
    }
  }

  /// Runs changes; neighbouring moves become one resampling, which is faster and blurs once.
  private static func apply(
    _ changes: [Change], to image: Image, _ preprocessing: ImagePreprocessing, _ interpolation: Interpolation
  ) -> Image {
    var rest = changes[...]
    var picture: Image
    if case .crop(let box)? = rest.first {
      picture = resized(preprocessing.recolored(image), box, preprocessing)
      rest = rest.dropFirst()
    } else {
      picture = preprocessing.fitted(image)
    }
    var pending = ProjectiveTransform.identity
    for change in rest {
      if case .move(let transform, _) = change {
        pending = pending.followed(by: transform)
        continue
      }
      picture = picture.warped(by: pending, interpolation: interpolation)
      pending = .identity
      picture = apply(change, to: picture, preprocessing)
    }
    return picture.warped(by: pending, interpolation: interpolation)
  }

  private static func apply(_ change: Change, to picture: Image, _ preprocessing: ImagePreprocessing) -> Image {
    switch change {
    case .crop(let box): resized(picture, box, preprocessing)
    case .move(let transform, _): picture.warped(by: transform)
    case .brightness(let factor): picture.adjustingBrightness(by: factor)
    case .contrast(let factor): picture.adjustingContrast(by: factor)
    case .saturation(let factor): picture.adjustingSaturation(by: factor)
    case .hue(let turns): picture.adjustingHue(by: turns)
    case .grayscale: picture.channels == 1 ? picture : picture.grey().rgb()
    case .invert: picture.inverted()
    case .posterize(let bits): picture.posterized(bits: bits)
    case .solarize(let threshold): picture.solarized(threshold: threshold)
    case .equalize: picture.equalized()
    case .autocontrast: picture.autocontrasted()
    case .sharpness(let factor): picture.adjustingSharpness(by: factor)
    case .blur(let sigma): picture.blurred(sigma: sigma)
    case .noise(let deviation, let random): picture.addingNoise(deviation: deviation, random: random)
    case .erase(let columns, let rows):
      picture.erasing(columns: columns, rows: rows, color: preprocessing.meanColor)
    }
  }

  private static func resized(_ image: Image, _ box: PixelBox, _ preprocessing: ImagePreprocessing) -> Image {
    image.resized(
      width: preprocessing.width, height: preprocessing.height, interpolation: preprocessing.interpolation, box: box)
  }
}

extension ImagePreprocessing {
  /// The colour that becomes 0, or nearly: the mean of the data.
  var meanColor: RGBColor {
    let samples = mean.map { Image.sample($0 * 255) }
    return samples.count == 3
      ? RGBColor(red: samples[0], green: samples[1], blue: samples[2])
      : RGBColor(red: samples[0], green: samples[0], blue: samples[0])
  }
}

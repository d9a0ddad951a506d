import Graph
public import Runtime

/// How a picture of any size becomes the tensor that a network expects. The one implementation for training,
/// evaluation and prediction; stored in the model's file, so that the three can't differ.
///
/// In JSON:
/// ```json
/// { "channels": 3, "size": [224, 224], "resize": { "shortestSide": 256 }, "interpolation": "bilinear",
///   "background": [255, 255, 255], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225] }
/// ```
public struct ImagePreprocessing: Hashable, Sendable {
  public enum Resize: Hashable, Sendable {
    /// To the output size, whatever the proportions. In JSON `"stretch"`.
    case stretch
    /// Until the shorter side has so many pixels; then the middle is cut out, and where that is larger than the
    /// picture, background is added. In JSON `{ "shortestSide": 256 }`.
    case shortestSide(Int)
    /// As large as fits into the output size, with background at the sides. In JSON `"fit"`.
    case fit
  }

  /// 1 (grey) or 3 (RGB).
  public let channels: Int
  public let height: Int
  public let width: Int
  public let resize: Resize
  public let interpolation: Interpolation
  /// Shows through transparent pixels, and fills what a picture does not cover.
  public let background: RGBColor
  /// Subtracted from each channel, on the scale where white is 1.
  public let mean: [Float]
  /// Each channel is divided by this after that.
  public let std: [Float]

  /// A rule; sizes from 1 to 16384, one `mean` and one positive `std` a channel, else the program stops.
  /// By default the result runs from 0 (black) to 1 (white).
  public init(
    channels: Int = 3, height: Int, width: Int, resize: Resize = .stretch, interpolation: Interpolation = .bilinear,
    background: RGBColor = .white, mean: [Float]? = nil, std: [Float]? = nil
  ) {
    self.channels = channels
    self.height = height
    self.width = width
    self.resize = resize
    self.interpolation = interpolation
    self.background = background
    self.mean = mean ?? [Float](repeating: 0, count: max(channels, 0))
    self.std = std ?? [Float](repeating: 1, count: max(channels, 0))
    if let problem { fail("image preprocessing: \(problem)") }
  }

  /// The rule that networks trained on ImageNet by torchvision expect: shorter side 256, the middle 224x224.
  public static let imageNet = ImagePreprocessing(
    height: 224, width: 224, resize: .shortestSide(256), mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])

  package static let largestSide = 16384

  /// What is wrong with the numbers, if anything.
  private var problem: String? {
    if channels != 1 && channels != 3 { return "channels is \(channels), but must be 1 (grey) or 3 (RGB)" }
    let sides = 1...Self.largestSide
    if !sides.contains(height) || !sides.contains(width) {
      return "size is [\(height), \(width)], but each side must be from 1 to \(Self.largestSide)"
    }
    if case .shortestSide(let side) = resize, !sides.contains(side) {
      return "shortestSide is \(side), but must be from 1 to \(Self.largestSide)"
    }
    if mean.count != channels || std.count != channels {
      return "mean and std need \(channels) numbers each, but have \(mean.count) and \(std.count)"
    }
    if !mean.allSatisfy(\.isFinite) || !std.allSatisfy({ $0.isFinite && $0 > 0 }) {
      return "mean must be finite and std positive"
    }
    return nil
  }

  /// Shape of one input: `[channels, height, width]`.
  public var shape: Shape { [channels, height, width] }

  /// The network's input for one picture: float32, `[channels, height, width]`, normalised.
  public func tensor(from image: Image) -> Tensor { normalized(fitted(image)) }

  /// The picture in the colours of the network; the first step of ``fitted(_:)``. A grey picture stays grey, since
  /// repeating it can wait until the end.
  func recolored(_ image: Image) -> Image {
    let opaque = image.composited(over: background)
    return channels == 1 ? opaque.grey() : opaque
  }

  /// The picture at the output size, before its samples become numbers; what a person would look at.
  public func fitted(_ image: Image) -> Image {
    let image = recolored(image)
    switch resize {
    case .stretch:
      return image.resized(width: width, height: height, interpolation: interpolation)
    case .shortestSide(let side):
      // The longer side is cut, not rounded, as in torchvision.
      let isWide = image.width > image.height
      let (short, long) = isWide ? (image.height, image.width) : (image.width, image.height)
      let stretched = Int(Double(side * long) / Double(short))
      return placed(image, scaledWidth: isWide ? stretched : side, scaledHeight: isWide ? side : stretched)
    case .fit:
      let widthRatio = Double(image.width) / Double(image.height)
      var (scaledWidth, scaledHeight) = (width, height)
      if widthRatio > Double(width) / Double(height) {
        let rounded = (Double(image.height) / Double(image.width) * Double(width)).rounded(.toNearestOrEven)
        scaledHeight = min(max(Int(rounded), 1), height)
      } else {
        let rounded = (widthRatio * Double(height)).rounded(.toNearestOrEven)
        scaledWidth = min(max(Int(rounded), 1), width)
      }
      return placed(image, scaledWidth: scaledWidth, scaledHeight: scaledHeight)
    }
  }

  /// `image` at the scaled size, its middle in the middle of the output: cut where it is larger, on background where
  /// it is smaller.
  private func placed(_ image: Image, scaledWidth: Int, scaledHeight: Int) -> Image {
    // Halves round to even when cutting and down when padding, as torchvision's and Pillow's do.
    func overlap(_ scaled: Int, _ output: Int) -> (window: Range<Int>, margin: Int) {
      if scaled < output {
        let slack = output - scaled
        let margin = resize == .fit ? Int((Double(slack) / 2).rounded(.toNearestOrEven)) : slack / 2
        return (0..<scaled, margin)
      }
      let start = Int((Double(scaled - output) / 2).rounded(.toNearestOrEven))
      return (start..<start + output, 0)
    }
    let (columns, left) = overlap(scaledWidth, width)
    let (rows, top) = overlap(scaledHeight, height)
    let part = image.resized(
      width: scaledWidth, height: scaledHeight, interpolation: interpolation, box: nil, columns: columns, rows: rows)
    if part.width == width && part.height == height { return part }
    // A coloured background makes a grey picture a coloured one.
    let channels = part.channels == 1 && (background.isGrey || self.channels == 1) ? 1 : 3
    var output = Image(width: width, height: height, channels: channels, color: background)
    output.paste(channels == 1 ? part : part.rgb(), left: left, top: top)
    return output
  }

  /// The picture's samples as numbers: `(sample / 255 - mean) / std`, channel by channel. The picture must have the
  /// output size, as those from ``fitted(_:)`` have.
  public func normalized(_ image: Image) -> Tensor {
    if image.width != width || image.height != height {
      fail("normalized needs an image of \(width)x\(height), but got \(image); call fitted first")
    }
    let image = recolored(image)
    let count = width * height
    return Tensor(shape: shape, of: Float.self) { output in
      image.pixels.withUnsafeBufferPointer { input in
        for channel in 0..<channels {
          let table = (0..<256).map { (Float($0) / 255 - mean[channel]) / std[channel] }
          table.withUnsafeBufferPointer { table in
            guard let to = output.baseAddress, let from = input.baseAddress else { return }
            if image.channels == 1 {
              for pixel in 0..<count { to[channel * count + pixel] = table[Int(from[pixel])] }
            } else {
              for pixel in 0..<count { to[channel * count + pixel] = table[Int(from[3 * pixel + channel])] }
            }
          }
        }
      }
    }
  }

  /// The picture that a tensor of ``shape`` shows; undoes ``normalized(_:)`` up to rounding.
  public func image(from tensor: Tensor) -> Image {
    if tensor.shape != shape { fail("an image needs a tensor of shape \(shape), but got \(tensor.shape)") }
    let count = width * height
    return Image(width: width, height: height, channels: channels) { output in
      tensor.withUnsafeBuffer(of: Float.self) { input in
        for channel in 0..<channels {
          for pixel in 0..<count {
            let value = (input[channel * count + pixel] * std[channel] + mean[channel]) * 255
            output[pixel * channels + channel] = Image.sample(value)
          }
        }
      }
    }
  }
}

extension ImagePreprocessing: Codable {
  private enum CodingKeys: String, CodingKey {
    case channels, size, resize, interpolation, background, mean, std
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    channels = try values.decode(Int.self, forKey: .channels)
    let size = try values.decode([Int].self, forKey: .size)
    (height, width) = size.count == 2 ? (size[0], size[1]) : (0, 0)
    resize = try values.decode(Resize.self, forKey: .resize)
    interpolation = try values.decode(Interpolation.self, forKey: .interpolation)
    background = try values.decode(RGBColor.self, forKey: .background)
    mean = try values.decode([Float].self, forKey: .mean)
    std = try values.decode([Float].self, forKey: .std)
    if let problem {
      throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: problem))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(channels, forKey: .channels)
    try values.encode([height, width], forKey: .size)
    try values.encode(resize, forKey: .resize)
    try values.encode(interpolation, forKey: .interpolation)
    try values.encode(background, forKey: .background)
    try values.encode(mean, forKey: .mean)
    try values.encode(std, forKey: .std)
  }
}

extension ImagePreprocessing.Resize: Codable {
  private enum CodingKeys: String, CodingKey { case shortestSide }

  public init(from decoder: any Decoder) throws {
    if let values = try? decoder.container(keyedBy: CodingKeys.self) {
      self = .shortestSide(try values.decode(Int.self, forKey: .shortestSide))
      return
    }
    let value = try decoder.singleValueContainer()
    switch try value.decode(String.self) {
    case "stretch": self = .stretch
    case "fit": self = .fit
    case let name:
      throw DecodingError.dataCorruptedError(
        in: value, debugDescription: "resize is \"\(name)\", but must be \"stretch\", \"fit\" or {\"shortestSide\": n}")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .shortestSide(let side):
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(side, forKey: .shortestSide)
    case .stretch, .fit:
      var value = encoder.singleValueContainer()
      try value.encode(self == .fit ? "fit" : "stretch")
    }
  }
}

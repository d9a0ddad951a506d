public import Data
import Runtime

/// Labelled pictures, with one rule that makes tensors of them.
public protocol ImageDataset: LabeledDataset {
  var preprocessing: ImagePreprocessing { get set }
  /// For training; `.none` to evaluate.
  var augmentation: Augmentation { get set }
  /// The picture as it is in its file, upright and opaque.
  func image(at index: Int) throws -> Image
  /// The same; but where that saves work, both extents may be divided by the power of two that `reduction` answers for
  /// them. If it is not asked, the picture has its full size.
  func image(at index: Int, reduction: (_ width: Int, _ height: Int) -> Int) throws -> Image
}

extension ImageDataset {
  public func image(at index: Int, reduction: (_ width: Int, _ height: Int) -> Int) throws -> Image {
    try image(at: index)
  }

  /// - Returns: input float32 `[channels, height, width]`, target the class as an int32 scalar.
  public func example(at index: Int, random: RandomStream) throws -> Example {
    func draw(_ width: Int, _ height: Int) -> Augmentation.Changes {
      augmentation.draw(width: width, height: height, preprocessing: preprocessing, random: random)
    }
    var drawn: Augmentation.Changes?
    let image = try image(at: index) { width, height in
      let changes = draw(width, height)
      drawn = changes
      return changes.reduction
    }
    let changes = drawn ?? draw(image.width, image.height)
    let picture = changes.applied(to: image, reducedBy: drawn?.reduction ?? 1)
    return Example(input: preprocessing.normalized(picture), target: Tensor(Int32(label(at: index))))
  }
}

/// The grey pictures of IDX files (MNIST and its relatives).
public struct IDXImages: ImageDataset {
  public let base: IDXDataset
  public var preprocessing: ImagePreprocessing
  public var augmentation: Augmentation

  public init(_ base: IDXDataset, preprocessing: ImagePreprocessing, augmentation: Augmentation = .none) {
    self.base = base
    self.preprocessing = preprocessing
    self.augmentation = augmentation
  }

  public var count: Int { base.count }
  public var classNames: [String] { base.classNames }
  public func label(at index: Int) -> Int { base.label(at: index) }
  public func contentHash(at index: Int) -> UInt64 { base.contentHash(at: index) }

  public func image(at index: Int) -> Image {
    Image(width: base.imageWidth, height: base.imageHeight, channels: 1, pixels: Array(base.pixels(at: index)))
  }
}

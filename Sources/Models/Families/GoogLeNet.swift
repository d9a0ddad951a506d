public import Layers

/// Inception modules, which look through windows of several sizes at once, with or without auxiliary heads.
///
/// Szegedy et al., "Going deeper with convolutions", 2015. Two forms:
///
/// | | without heads | with heads |
/// |---|---|---|
/// | paper: biases, local response normalisation, 5x5 convolutions | 6,998,552 | 13,378,280 |
/// | torchvision: batch norm, 3x3 in place of 5x5 | 6,624,904 | 13,004,888 |
///
/// The 4 million parameters that the course's table prints are neither, and GoogLeNet(19) there is this network of 22
/// layers.
public struct GoogLeNet: Layer {
  var conv1: ConvUnit
  var conv2: ConvUnit
  var conv3: ConvUnit
  var inception: [Inception]
  var auxiliary1: AuxiliaryHead?
  var auxiliary2: AuxiliaryHead?
  var classifier: Linear
  private let form: Form
  private let dropout: Double

  public enum Form: Sendable { case paper, torchvision }

  /// The modules, in order, and how many channels the branches have: 1x1; 3x3 reduced and full; 5x5 reduced and full;
  /// behind the pooling. Table 1 of the paper.
  private static let modules: [(name: String, widths: [Int])] = [
    ("3a", [64, 96, 128, 16, 32, 32]), ("3b", [128, 128, 192, 32, 96, 64]), ("4a", [192, 96, 208, 16, 48, 64]),
    ("4b", [160, 112, 224, 24, 64, 64]), ("4c", [128, 128, 256, 24, 64, 64]), ("4d", [112, 144, 288, 32, 64, 64]),
    ("4e", [256, 160, 320, 32, 128, 128]), ("5a", [256, 160, 320, 32, 128, 128]),
    ("5b", [384, 192, 384, 48, 128, 128]),
  ]

  public static var fields: [Field<Self>] { [] }

  public mutating func visitParameters(at path: String, _ visit: ParameterVisitor) throws {
    func name(_ field: String) -> String { path.isEmpty ? field : "\(path).\(field)" }
    try conv1.visitParameters(at: name("conv1"), visit)
    try conv2.visitParameters(at: name("conv2"), visit)
    try conv3.visitParameters(at: name("conv3"), visit)
    for (index, module) in Self.modules.enumerated() {
      try inception[index].visitParameters(at: name("inception\(module.name)"), visit)
    }
    try auxiliary1?.visitParameters(at: name("aux1"), visit)
    try auxiliary2?.visitParameters(at: name("aux2"), visit)
    try classifier.visitParameters(at: name("fc"), visit)
  }

  /// - Parameters:
  ///   - hasAuxiliaryHeads: whether two more classifiers look at features half way; only training uses them.
  ///   - width: scales numbers of channels and hidden units.
  ///   - dropout: before the classifier; the paper's 0.4 or torchvision's 0.2 unless given. Auxiliary heads drop 0.7.
  public init(
    _ form: Form, hasAuxiliaryHeads: Bool, width: Double = 1, channels: Int = 3, classes: Int = 1000,
    dropout: Double? = nil, auxiliaryDropout: Double = 0.7
  ) {
    func scaled(_ count: Int) -> Int { Int(Double(count) * width) }
    conv1 = ConvUnit(in: channels, out: scaled(64), kernel: 7, stride: 2, form)
    conv2 = ConvUnit(in: scaled(64), out: scaled(64), kernel: 1, form)
    conv3 = ConvUnit(in: scaled(64), out: scaled(192), kernel: 3, form)
    var inside = scaled(192)
    inception = Self.modules.map { module in
      let widths = module.widths.map(scaled)
      defer { inside = widths[0] + widths[2] + widths[4] + widths[5] }
      return Inception(in: inside, widths, form)
    }
    if hasAuxiliaryHeads {
      func head(in inChannels: Int) -> AuxiliaryHead {
        AuxiliaryHead(
          in: scaled(inChannels), width: scaled(128), hidden: scaled(1024), classes: classes,
          dropout: auxiliaryDropout, form)
      }
      (auxiliary1, auxiliary2) = (head(in: 512), head(in: 528))
    }
    classifier = Linear(in: inside, out: classes)
    self.form = form
    self.dropout = dropout ?? (form == .paper ? 0.4 : 0.2)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { outputs(x, asInTraining: false)[0] }

  /// The heads' losses count 0.3 each (section 5 of the paper).
  public func trainingOutputs(_ x: Tensor) -> [(output: Tensor, weight: Double)] {
    outputs(x, asInTraining: true).enumerated().map { ($0.element, $0.offset == 0 ? 1 : 0.3) }
  }

  private func outputs(_ x: Tensor, asInTraining: Bool) -> [Tensor] {
    let pool = MaxPool2D(kernel: 3, stride: 2, roundsUp: true)
    func norm(_ x: Tensor) -> Tensor { form == .paper ? LocalResponseNorm(size: 5)(x) : x }
    // The paper normalises before the second pooling.
    var y = pool(norm(conv3(conv2(norm(pool(conv1(x)))))))
    var heads: [Tensor] = []
    for (index, module) in Self.modules.enumerated() {
      if module.name == "4a" { y = pool(y) }
      if module.name == "5a" {
        y = (form == .paper ? pool : MaxPool2D(kernel: 2, roundsUp: true))(y)
      }
      y = inception[index](y)
      if asInTraining, module.name == "4a", let auxiliary1 { heads.append(auxiliary1(y)) }
      if asInTraining, module.name == "4d", let auxiliary2 { heads.append(auxiliary2(y)) }
    }
    return [classifier(Dropout(rate: dropout)(GlobalAveragePool()(y)))] + heads
  }

  static let architectures = [Form.torchvision, .paper].flatMap { form in
    [false, true].map { hasHeads in
      Architecture(
        "googlenet" + (form == .paper ? "_paper" : "") + (hasHeads ? "_aux" : ""),
        "inception modules" + (form == .paper ? " as published" : ", with batch norm")
          + (hasHeads ? "; auxiliary heads in training" : ""),
        year: 2014, paper: "Szegedy et al., 2015", topFiveError: 6.67,
        minimumImageSize: form == .paper ? 47 : 32, learningRateFactor: form == .paper ? 0.1 : 1
      ) { GoogLeNet(form, hasAuxiliaryHeads: hasHeads, channels: $0.channels, classes: $0.classes) }
    }
  }

  /// A convolution and ReLU, with batch norm between in torchvision's form.
  struct ConvUnit: Layer {
    var conv: Conv2D
    var norm: BatchNorm?

    static var fields: [Field<Self>] { [.init("conv", \.conv), .init("bn", \.norm)] }

    init(in inChannels: Int, out: Int, kernel: Int, stride: Int = 1, _ form: Form) {
      conv = Conv2D(
        in: inChannels, out: out, kernel: Extents(kernel), stride: Extents(stride), padding: Extents(kernel / 2),
        bias: form == .paper, initializer: .normalFanIn)
      if form == .torchvision { norm = BatchNorm(out, epsilon: 1e-3) }
    }

    func callAsFunction(_ x: Tensor) -> Tensor { relu(norm?(conv(x)) ?? conv(x)) }
  }

  /// Four branches side by side.
  struct Inception: Layer {
    var branch1: ConvUnit
    var branch2: Sequential
    var branch3: Sequential
    var branch4: Sequential

    static var fields: [Field<Self>] {
      [
        .init("branch1", \.branch1), .init("branch2", \.branch2), .init("branch3", \.branch3),
        .init("branch4", \.branch4),
      ]
    }

    init(in inChannels: Int, _ widths: [Int], _ form: Form) {
      func unit(_ inside: Int, _ out: Int, _ kernel: Int = 1) -> ConvUnit {
        ConvUnit(in: inside, out: out, kernel: kernel, form)
      }
      branch1 = unit(inChannels, widths[0])
      branch2 = Sequential(unit(inChannels, widths[1]), unit(widths[1], widths[2], 3))
      branch3 = Sequential(unit(inChannels, widths[3]), unit(widths[3], widths[4], form == .paper ? 5 : 3))
      branch4 = Sequential(MaxPool2D(kernel: 3, stride: 1, padding: 1), unit(inChannels, widths[5]))
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      concatenate([branch1(x), branch2(x), branch3(x), branch4(x)])
    }
  }

  /// A small classifier on features half way.
  struct AuxiliaryHead: Layer {
    var conv: ConvUnit
    var fc1: Linear
    var fc2: Linear
    private let form: Form
    private let dropout: Double

    static var fields: [Field<Self>] { [.init("conv", \.conv), .init("fc1", \.fc1), .init("fc2", \.fc2)] }

    init(in inChannels: Int, width: Int, hidden: Int, classes: Int, dropout: Double, _ form: Form) {
      conv = ConvUnit(in: inChannels, out: width, kernel: 1, form)
      fc1 = Linear(in: 16 * width, out: hidden)
      fc2 = Linear(in: hidden, out: classes)
      self.form = form
      self.dropout = dropout
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      // The paper's pooling, where the image has the paper's size.
      let isPapers = form == .paper && x.shape.spatial == [14, 14]
      let pooled = isPapers ? AveragePool2D(kernel: 5, stride: 3)(x) : AdaptiveAveragePool2D(output: 4)(x)
      return fc2(Dropout(rate: dropout)(relu(fc1(conv(pooled).flattened()))))
    }
  }
}

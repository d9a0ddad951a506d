import Formats

extension Optimizer.Settings {
  enum CodingKeys: String, CodingKey {
    case rule
    case learningRate = "learning_rate"
    case weightDecay = "weight_decay"
    case isDecoupled = "is_decoupled"
    case decaysVectors = "decays_vectors"
    case maximumGradientNorm = "maximum_gradient_norm"
  }

  public init(from decoder: any Decoder) throws {
    self = Optimizer.adamW().settings
    let fields = try JSONFields(decoder, keyedBy: CodingKeys.self)
    try fields.read(.rule, into: &rule)
    try fields.read(.learningRate, into: &learningRate)
    try fields.read(.weightDecay, into: &weightDecay)
    try fields.read(.isDecoupled, into: &isDecoupled)
    try fields.read(.decaysVectors, into: &decaysVectors)
    try fields.read(.maximumGradientNorm, into: &maximumGradientNorm)
  }
}

extension Optimizer.Rule: Codable {
  private enum Name: String, CodingKey { case sgd, adam }
  private enum SGDKeys: String, CodingKey {
    case momentum
    case isNesterov = "is_nesterov"
  }
  private enum AdamKeys: String, CodingKey { case beta1, beta2, epsilon }

  /// An object with one key, the rule's name, and the rule's constants as its value.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Name.self)
    if container.contains(.sgd) {
      var (momentum, isNesterov) = (0.0, false)
      let fields = try JSONFields(try container.superDecoder(forKey: .sgd), keyedBy: SGDKeys.self)
      try fields.read(.momentum, into: &momentum)
      try fields.read(.isNesterov, into: &isNesterov)
      self = .sgd(momentum: momentum, isNesterov: isNesterov)
    } else {
      let values = try container.nestedContainer(keyedBy: AdamKeys.self, forKey: .adam)
      self = .adam(
        beta1: try values.decode(Double.self, forKey: .beta1), beta2: try values.decode(Double.self, forKey: .beta2),
        epsilon: try values.decode(Double.self, forKey: .epsilon))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Name.self)
    switch self {
    case .sgd(let momentum, let isNesterov):
      var values = container.nestedContainer(keyedBy: SGDKeys.self, forKey: .sgd)
      try values.encode(momentum, forKey: .momentum)
      try values.encode(isNesterov, forKey: .isNesterov)
    case .adam(let beta1, let beta2, let epsilon):
      var values = container.nestedContainer(keyedBy: AdamKeys.self, forKey: .adam)
      try values.encode(beta1, forKey: .beta1)
      try values.encode(beta2, forKey: .beta2)
      try values.encode(epsilon, forKey: .epsilon)
    }
  }
}

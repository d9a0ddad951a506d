import Formats
public import Layers

/// Differences between a file and a model that a person declares to be meant.
public struct WeightAllowances: OptionSet, Sendable {
  public let rawValue: Int

  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Tensors that the file lacks keep the model's initial numbers.
  public static let missing = WeightAllowances(rawValue: 1)
  /// Tensors of the file that the model has no use for are left out.
  public static let unused = WeightAllowances(rawValue: 2)
  /// The last layer keeps its initial numbers, whatever the file has for it: for other classes. So do auxiliary heads
  /// where their numbers of classes differ.
  public static let newHead = WeightAllowances(rawValue: 4)
  /// The first convolution is adapted to images of another number of channels.
  public static let channels = WeightAllowances(rawValue: 8)
}

/// As a list of names, which people can read.
extension WeightAllowances: Codable, Hashable {
  private enum Name: String, Codable, CaseIterable {
    case missing, unused
    case newHead = "new_head"
    case channels

    var allowance: WeightAllowances {
      switch self {
      case .missing: .missing
      case .unused: .unused
      case .newHead: .newHead
      case .channels: .channels
      }
    }
  }

  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode([Name].self).map(\.allowance))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(Name.allCases.filter { contains($0.allowance) })
  }
}

/// What became of each tensor when weights were loaded.
public struct WeightReport: Hashable, Sendable, CustomStringConvertible {
  /// Taken as they are.
  public var loaded: [String] = []
  /// Taken in another form: a first convolution for other channels.
  public var adapted: [String] = []
  /// Of the model, with its initial numbers.
  public var new: [String] = []
  /// Of the file, and not in the model.
  public var unused: [String] = []
  /// The names that the file used, where they are not the model's own: `timm's`, say.
  public var naming: String?

  /// One line: `312 tensors loaded, 1 adapted (conv1.weight), 2 new (fc.weight, fc.bias), 0 unused`.
  public var description: String {
    func part(_ names: [String], _ what: String) -> String {
      let shown = names.prefix(6).joined(separator: ", ") + (names.count > 6 ? ", ..." : "")
      return "\(names.count) \(what)" + (names.isEmpty ? "" : " (\(shown))")
    }
    return "\(loaded.count) tensors loaded, \(part(adapted, "adapted")), \(part(new, "new")), \(part(unused, "unused"))"
      + (naming.map { "; the file uses \($0) names" } ?? "")
  }
}

/// Weights that do not fit a model: every difference at once.
public struct WeightsError: Error, CustomStringConvertible {
  public var path: String
  public var missing: [String]
  public var unexpected: [String]
  /// Name, the shape in the file, and the shape in the model.
  public var misshapen: [(name: String, found: Shape, expected: Shape)]
  /// What to declare if the differences are meant.
  public var advice: String?

  /// Beyond this many names the search for near ones would take noticeable time.
  private static let advisedCount = 50

  public var description: String {
    var parts: [String] = []
    if !missing.isEmpty {
      let names = missing.enumerated().map { index, name in
        guard index < Self.advisedCount else { return name }
        return name + (nearestNames(to: name, among: unexpected).first.map { " (the file has \($0))" } ?? "")
      }
      parts.append("missing: " + names.joined(separator: ", "))
    }
    if !unexpected.isEmpty { parts.append("not in the model: " + unexpected.joined(separator: ", ")) }
    if !misshapen.isEmpty {
      let rows = misshapen.map { "\($0.name) is \($0.found), the model needs \($0.expected)" }
      parts.append("of another shape: " + rows.joined(separator: ", "))
    }
    if let advice { parts.append(advice) }
    return "\(path): the weights do not fit the model; " + parts.joined(separator: "; ")
  }
}

extension Module {
  /// The module with its tensors replaced by those of a file, and what became of each.
  ///
  /// Names are the model's own, which are torchvision's for its architectures, or others that ``WeightNaming`` knows.
  /// Counters of batches and of averaged models, which nothing here needs, are passed over.
  ///
  /// - Parameters:
  ///   - path: the file's, for the error text.
  ///   - allowances: differences that are meant. For ``WeightAllowances/missing`` and ``WeightAllowances/newHead`` the
  ///     module must have numbers of its own.
  /// - Throws: ``WeightsError`` that lists every difference not allowed.
  public func loading(
    _ tensors: [String: Tensor], from path: String, allowing allowances: WeightAllowances = []
  ) throws -> (model: Self, report: WeightReport) {
    let own = parameters
    var report = WeightReport()
    let tensors = WeightNaming.renamed(tensors, for: own.map(\.path), naming: &report.naming)
    let head = allowances.contains(.newHead) ? headScopes(own, tensors) : []
    let stem = allowances.contains(.channels) ? own.first { $0.kind == .weight && $0.tensor.rank > 2 }?.path : nil
    var error = WeightsError(path: path, missing: [], unexpected: [], misshapen: [])
    var taken: [String: Tensor] = [:]
    for (name, _, tensor) in own {
      guard !isWithin(name, head), let found = tensors[name] else {
        if isWithin(name, head) || allowances.contains(.missing) {
          report.new.append(name)
        } else {
          error.missing.append(name)
        }
        continue
      }
      if found.shape == tensor.shape {
        report.loaded.append(name)
        taken[name] = found.cast(to: .float32)
      } else if let adapted = reshaped(found, to: tensor.shape)
        ?? (name == stem ? adaptingChannels(found, to: tensor.shape) : nil)
      {
        report.adapted.append(name)
        taken[name] = adapted
      } else {
        error.misshapen.append((name, found.shape, tensor.shape))
      }
    }
    let known = Set(own.map(\.path))
    let extra = tensors.keys.filter { !known.contains($0) && !WeightNaming.isCounter($0) }.sorted()
    if allowances.contains(.unused) { report.unused = extra } else { error.unexpected = extra }
    error.advice = advice(for: error, own, head: headScopes(own, tensors))
    if !(error.missing.isEmpty && error.unexpected.isEmpty && error.misshapen.isEmpty) { throw error }
    return (try mapParameters { name, _, tensor in taken[name] ?? tensor }, report)
  }

  /// The options that would let the differences pass, if options could.
  private func advice(
    for error: WeightsError, _ own: [(path: String, kind: ParameterKind, tensor: Tensor)], head: Set<String>
  ) -> String? {
    var options: [String] = []
    if !error.missing.filter({ !isWithin($0, head) }).isEmpty { options.append("--allow-missing") }
    if !error.unexpected.isEmpty { options.append("--allow-unused") }
    if (error.misshapen.map(\.name) + error.missing).contains(where: { isWithin($0, head) }) {
      options.append("--new-head")
    }
    let stem = own.first { $0.kind == .weight && $0.tensor.rank > 2 }?.path
    if error.misshapen.contains(where: { $0.name == stem }) { options.append("--adapt-channels") }
    return options.isEmpty ? nil : "if that is meant: \(options.joined(separator: " "))"
  }
}

/// The paths of the layers that a number of classes shapes: the last one with a matrix, and auxiliary heads, which are
/// known by having as many outputs as it in the model and as many as it in the file, where these differ.
private func headScopes(
  _ own: [(path: String, kind: ParameterKind, tensor: Tensor)], _ tensors: [String: Tensor]
) -> Set<String> {
  guard let last = own.last(where: { $0.kind != .vector && $0.tensor.rank > 1 }), let head = scope(of: last.path) else {
    return []
  }
  var scopes: Set = [head]
  guard let found = tensors[last.path], found.rank > 1, found.shape[0] != last.tensor.shape[0] else { return scopes }
  for (path, kind, tensor) in own where kind == .weight && tensor.rank > 1 {
    guard let other = tensors[path], other.rank == tensor.rank, tensor.shape[0] == last.tensor.shape[0],
      other.shape[0] == found.shape[0], let scope = scope(of: path)
    else { continue }
    scopes.insert(scope)
  }
  return scopes
}

private func scope(of path: String) -> String? { path.lastIndex(of: ".").map { String(path[..<$0]) } }

private func isWithin(_ name: String, _ scopes: Set<String>) -> Bool { scope(of: name).map(scopes.contains) ?? false }

/// The same numbers where a linear layer was a convolution of the whole map: in axes of extent 1 shapes may always
/// differ, and a matrix may have had more axes.
private func reshaped(_ tensor: Tensor, to shape: Shape) -> Tensor? {
  let isFlattened =
    shape.rank == 2 && tensor.rank > 2 && tensor.shape[0] == shape[0] && tensor.elementCount == shape.elementCount
  guard isFlattened || tensor.shape.dimensions.filter({ $0 != 1 }) == shape.dimensions.filter({ $0 != 1 }) else {
    return nil
  }
  return tensor.cast(to: .float32).reshaped(to: shape)
}

/// The weights `[K, I, ...]` of a first convolution for another number of channels: one gets the sum over all, so that
/// a grey picture gives what its grey RGB copy would; others repeat them in turn, scaled by `I / C` so that sums stay.
private func adaptingChannels(_ tensor: Tensor, to shape: Shape) -> Tensor? {
  let (from, to) = (tensor.shape.dimensions, shape.dimensions)
  guard from.count == to.count, from.count > 2, from[0] == to[0], from[2...] == to[2...], from[1] > 0 else {
    return nil
  }
  let (inputs, channels, area) = (from[1], to[1], from[2...].reduce(1, *))
  let numbers: [Float] = tensor.cast(to: .float32).scalars()
  var result: [Float] = []
  result.reserveCapacity(shape.elementCount)
  for output in 0..<from[0] {
    for channel in 0..<channels {
      for position in 0..<area {
        func weight(_ input: Int) -> Float { numbers[(output * inputs + input) * area + position] }
        result.append(
          channels == 1
            ? (0..<inputs).reduce(0) { $0 + weight($1) }
            : weight(channel % inputs) * Float(inputs) / Float(channels))
      }
    }
  }
  return Tensor(result, shape: shape)
}

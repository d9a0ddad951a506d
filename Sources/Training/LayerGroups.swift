import Graph

/// The layers of a model in the order in which data passes them, found in its graph: what freezing and rates that grow
/// with depth go by, for any model.
public struct LayerGroups: Sendable {
  /// Parts of the model before its head, about equally many layers in each.
  public private(set) var body: [ParameterGroup]
  /// The last layer with parameters: the one that a new task replaces.
  public let head: ParameterGroup
  /// The paths of norms with running statistics.
  private let norms: Set<String>

  /// - Parameters:
  ///   - input: an input's shape with its batch axis.
  ///   - classifier: the paths of the head, where it is known.
  ///   - parts: the most groups of the body.
  /// - Throws: ``TrainingError`` if the model has no parameters; `ShapeError` if the input does not fit.
  public init<Model: Layer>(of model: Model, input: Shape, classifier: [String]? = nil, parts: Int = 3) throws {
    let graph = try trace(model, input: input).graph.removingDeadCode()
    // Layers in order, with all that is under their path: running statistics, and what the trace did not touch.
    var scopes: [String] = []
    for node in graph.nodes {
      for id in node.inputs {
        guard case .parameter(let path) = graph[id].source else { continue }
        let scope = Self.scope(of: path)
        if !scopes.contains(scope) { scopes.append(scope) }
      }
    }
    guard let last = scopes.last else { throw TrainingError.nothingToLearn }
    let paths = Dictionary(grouping: model.parameters.map(\.path), by: Self.scope)
    let normScopes = model.parameters.filter { $0.kind == .statistic }.map { Self.scope(of: $0.path) }
    norms = Set(normScopes.flatMap { paths[$0] ?? [] })
    let headPaths = classifier ?? paths[last] ?? []
    head = ParameterGroup(classifier.map { Self.scope(of: $0.first ?? last) } ?? last, paths: headPaths, rateFactor: 1)
    let headScopes = Set(headPaths.map(Self.scope))
    scopes.removeAll { headScopes.contains($0) }

    // Blocks stay whole.
    var blocks: [[String]] = []
    for scope in scopes {
      if let previous = blocks.last?.last, Self.block(of: previous) == Self.block(of: scope) {
        blocks[blocks.count - 1].append(scope)
      } else {
        blocks.append([scope])
      }
    }
    let total = scopes.count
    var groups: [[String]] = []
    var taken = 0
    for block in blocks {
      let part = min(parts - 1, taken * parts / max(1, total))
      if part < groups.count { groups[groups.count - 1] += block } else { groups.append(block) }
      taken += block.count
    }
    body = groups.map { scopes in
      let ends = [scopes[0], scopes[scopes.count - 1]].map(Self.block)
      return ParameterGroup(
        ends[0] == ends[1] ? ends[0] : "\(ends[0]) - \(ends[1])", paths: scopes.flatMap { paths[$0] ?? [] },
        rateFactor: 1)
    }
    // Parameters that no output depends on learn nothing; the first group has them.
    let known = Set(head.paths + body.flatMap(\.paths))
    let rest = model.parameters.map(\.path).filter { !known.contains($0) }
    if !rest.isEmpty, !body.isEmpty { body[0].paths += rest }
  }

  /// The groups with a frozen body: only the head learns.
  public var headOnly: [ParameterGroup] { body.map { $0.with(rateFactor: 0) } + [head] }

  /// The groups with rates that fall by a factor from each group to the one before it: early layers know what all
  /// pictures have in common and need to change least (Howard and Ruder, "Universal language model fine-tuning for text
  /// classification", 2018, whose factor is 2.6).
  ///
  /// - Parameter freezesNorms: whether batch norms stay as they are; the statistics of a few images would spoil them.
  public func discriminative(by factor: Double = 2.6, freezesNorms: Bool = false) -> [ParameterGroup] {
    var rate = 1.0
    var groups = [head]
    for group in body.reversed() {
      rate /= factor
      groups.append(group.with(rateFactor: rate))
    }
    groups.reverse()
    guard freezesNorms, !norms.isEmpty else { return groups }
    for index in groups.indices { groups[index].paths.removeAll(where: norms.contains) }
    return groups + [ParameterGroup("batch norms", paths: norms.sorted(), rateFactor: 0)]
  }

  /// `layer1.0.conv1` of `layer1.0.conv1.weight`; a name without dots is a layer of its own.
  private static func scope(of path: String) -> String {
    path.lastIndex(of: ".").map { String(path[..<$0]) } ?? path
  }

  /// `layer1.0` of `layer1.0.conv1`: up to the first number.
  private static func block(of scope: String) -> String {
    let parts = scope.split(separator: ".")
    guard let number = parts.firstIndex(where: { Int($0) != nil }) else { return scope }
    return parts[...number].joined(separator: ".")
  }
}

extension ParameterGroup {
  func with(rateFactor: Double) -> ParameterGroup { ParameterGroup(name, paths: paths, rateFactor: rateFactor) }
}

public import Data
public import Layers

/// Runs a classifier over a data set and keeps, beside its logits, the features that its last layer read.
public final class FeatureExtractor {
  /// A row for each example.
  public struct Rows: Sendable {
    /// `[count, classes]`.
    public var logits: [Float] = []
    /// `[count, dimensions]`.
    public var features: [Float] = []
    /// The classes of the targets.
    public var labels: [Int] = []
    public var dimensions = 0
    public var count: Int { labels.count }

    public func logits(of row: Int) -> ArraySlice<Float> {
      let classes = logits.count / max(1, count)
      return logits[row * classes..<(row + 1) * classes]
    }
  }

  private let model: AnyLayer
  private let input: Shape
  private var plans: [Int: LoadedPlan] = [:]

  /// - Parameter input: of one example, `[channels, height, width]`.
  public init(_ model: AnyLayer, input: Shape) { (self.model, self.input) = (model, input) }

  /// - Parameter progress: called after each batch with the number of examples done.
  public func rows(
    of dataset: any Dataset, batchSize: Int = 32, progress: (Int) throws -> Void = { _ in }
  ) throws -> Rows {
    var rows = Rows()
    let batches = DataLoader(dataset, batchSize: batchSize, mergesLoneExample: false).batches(epoch: 0)
    while let batch = try batches.next() {
      let outputs = try plan(batch.indices.count).run([batch.input])
      rows.logits += outputs[0].scalars(as: Float.self)
      rows.features += outputs[1].scalars(as: Float.self)
      rows.labels += batch.target.scalars(as: Int32.self).map(Int.init)
      rows.dimensions = outputs[1].shape[1]
      try progress(rows.count)
    }
    return rows
  }

  private func plan(_ count: Int) throws -> LoadedPlan {
    if let known = plans[count] { return known }
    let traced = try trace(model, input: Shape([count] + input.dimensions))
    guard let features = traced.graph.headInput ?? traced.graph.lastSpatialFeatures()?.value,
      traced.graph.shape(of: features).rank >= 2
    else { throw InspectError("the model has no layer whose output could serve as features") }
    var builder = GraphBuilder(traced.graph)
    let rank = builder.graph.shape(of: features).rank
    let flat =
      rank == 2 ? features : builder(.reduce(.mean, axes: Array(2..<rank), keepsDimensions: false), features)
    builder.graph.outputs.append(.init(name: "features", value: flat))
    let plan = try Plan(builder.graph, constants: traced.constants)
    let tensors = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor) })
    let made = try LoadedPlan(plan, parameters: plan.parameterPaths.compactMap { tensors[$0] })
    plans[count] = made
    return made
  }
}

/// The feature maps that a network makes of one example.
///
/// - Parameters:
///   - input: `[channels, height, width]`.
///   - layers: names of nodes; the last one of each size of map, from large to small, unless given.
public func featureMaps(of model: AnyLayer, input: Tensor, layers: [String]? = nil) throws -> [(
  layer: String, maps: Tensor
)] {
  let batched = input.reshaped(to: Shape([1] + input.shape.dimensions))
  let traced = try trace(model, input: batched.shape)
  var graph = traced.graph
  if let layers {
    graph.outputs = try layers.map { .init(name: $0, value: try graph.featureMaps(named: $0)) }
  } else {
    var last: [[Int]: Graph.Output] = [:]
    for node in graph.nodes {
      let shape = graph.shape(of: node.outputs[0])
      guard shape.rank == 4, shape[2] * shape[3] > 1 else { continue }
      last[Array(shape.spatial)] = .init(name: node.name, value: node.outputs[0])
    }
    graph.outputs = last.sorted { $0.key[0] * $0.key[1] > $1.key[0] * $1.key[1] }.map(\.value)
  }
  guard !graph.outputs.isEmpty else { throw InspectError("the model has no two-dimensional feature maps") }
  let plan = try Plan(graph, constants: traced.constants)
  let tensors = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor) })
  let outputs = try LoadedPlan(plan, parameters: plan.parameterPaths.compactMap { tensors[$0] }).run([batched])
  return zip(graph.outputs, outputs).map { ($0.name, $1) }
}

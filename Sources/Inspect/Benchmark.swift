import Foundation
public import Layers
import Training

/// Times a model on made-up images: inference, or whole training steps.
public final class Benchmark {
  /// What was measured.
  public struct Report: Codable, Sendable {
    public var model: String
    public var mode: String
    public var batch: Int
    public var iterations: Int
    public var medianMilliseconds: Double
    public var minimumMilliseconds: Double
    public var imagesPerSecond: Double
    /// Of the direct algorithm: two operations for each multiply-accumulate, and a training step counts three times
    /// its forward pass.
    public var gigaflopsPerSecond: Double
    /// What the plan needs for intermediates.
    public var arenaBytes: Int
    /// Parameters, packed or as they are, and of a training step the optimizer's tensors.
    public var parameterBytes: Int
    /// What the process held before it read the network.
    public var baseBytes: Int
    /// The most memory that the process ever held.
    public var peakBytes: Int

    enum CodingKeys: String, CodingKey {
      case model, mode, batch, iterations
      case medianMilliseconds = "median_ms"
      case minimumMilliseconds = "minimum_ms"
      case imagesPerSecond = "images_per_second"
      case gigaflopsPerSecond = "gflops"
      case arenaBytes = "arena_bytes"
      case parameterBytes = "parameter_bytes"
      case baseBytes = "base_bytes"
      case peakBytes = "peak_bytes"
    }
  }

  private let name: String
  private let batch: Int
  private let isTraining: Bool
  private let operationsPerRun: Double
  private let runOnce: () throws -> Void
  /// What the plan needs for intermediates; known before the first run.
  public let arenaBytes: Int
  /// Parameters, packed or as they are, and of a training step the optimizer's tensors; known before the first run.
  public let parameterBytes: Int
  /// What the process held before it read the network.
  public let baseBytes: Int
  private let observe: (@escaping StepObserver) throws -> Void

  /// - Parameters:
  ///   - base: given up (`consume`), its weights are freed as they are packed.
  ///   - input: the shape of a batch of inputs, `[batch, channels, height, width]`.
  ///   - isTraining: whether to time forward, backward and update (SGD with momentum) instead of inference.
  ///   - allowsWinograd: see ``Plan/Options``.
  ///   - baseBytes: ``peakMemory`` before the model was read.
  /// - Throws: `ShapeError` if the model does not take such inputs.
  public init(
    _ base: consuming any Layer, name: String, input: Shape, isTraining: Bool, allowsWinograd: Bool = true,
    baseBytes: Int = 0
  ) throws {
    let model = AnyLayer(consume base)
    var random = RandomStream(seed: 1)
    let images = Tensor(shape: input, of: Float.self) { buffer in
      for index in buffer.indices { buffer[index] = random.uniform(-1..<1) }
    }
    let batch = input[0]
    let traced = try trace(model, input: input)
    self.name = name
    self.batch = batch
    self.isTraining = isTraining
    self.baseBytes = baseBytes
    let multiplyAccumulates = traced.graph.nodes.reduce(0) { sum, node in
      let cost = node.operation.cost(
        inputs: node.inputs.map { traced.graph[$0].type }, outputs: node.outputs.map { traced.graph[$0].type })
      return sum + cost.multiplyAccumulates
    }
    operationsPerRun = Double(multiplyAccumulates) * 2 * (isTraining ? 3 : 1)
    if isTraining {
      // Made-up labels for what the model's output is: a class for each row, or for each pixel of each image.
      let output = traced.graph.shape(of: traced.graph.outputs[0].value).dimensions
      let classes = Int32(output[1])
      let targets = Shape([output[0]] + output[2...])
      let labels = Tensor(shape: targets, of: Int32.self) { buffer in
        for index in buffer.indices { buffer[index] = Int32(index) % classes }
      }
      let step = TrainingStep(
        model, optimizer: .sgd(learningRate: 1e-3, momentum: 0.9), allowsWinograd: allowsWinograd
      ) { model, input, target in crossEntropy(model(input), target) }
      let examples = Batch(input: images, target: labels, indices: Array(0..<batch))
      (arenaBytes, parameterBytes) = try step.prepare(for: examples)
      runOnce = { _ = try step.run(examples, step: 1, learningRate: 1e-3) }
      observe = { try step.run(examples, step: 1, learningRate: 1e-3, observer: $0) }
    } else {
      let plan = try compile(consume model, input: input, options: .init(allowsWinograd: allowsWinograd))
      arenaBytes = plan.plan.arenaByteCount
      parameterBytes = plan.parameterByteCount
      runOnce = { _ = try plan.run([images]) }
      observe = { _ = try plan.run([images], observer: $0) }
    }
  }

  /// The milliseconds of each of some runs.
  public func run(iterations: Int) throws -> [Double] {
    try (0..<iterations).map { _ in
      let start = ContinuousClock.now
      try runOnce()
      return (ContinuousClock.now - start) / .milliseconds(1)
    }
  }

  /// Runs a few times unmeasured, then measures.
  public func report(iterations: Int) throws -> Report {
    _ = try run(iterations: min(3, iterations))
    let times = try run(iterations: iterations).sorted()
    let median = times[times.count / 2]
    return Report(
      model: name, mode: isTraining ? "training" : "inference", batch: batch, iterations: iterations,
      medianMilliseconds: median, minimumMilliseconds: times[0], imagesPerSecond: Double(batch) / median * 1000,
      gigaflopsPerSecond: operationsPerRun / median / 1e6, arenaBytes: arenaBytes,
      parameterBytes: parameterBytes, baseBytes: baseBytes, peakBytes: Self.peakMemory)
  }

  /// The least time of each kernel over some runs, in order.
  public func profile(iterations: Int) throws -> [KernelTime] {
    let profile = Profile()
    for _ in 0..<iterations + 1 {
      profile.begin()
      try observe(profile.note)
    }
    return profile.rows
  }

  /// The most bytes that the process ever held.
  public static var peakMemory: Int {
    #if os(Linux)
      // getrusage would count what the parent held before the process became another.
      let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
      let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
      return line.flatMap { Int($0.filter(\.isNumber)) }.map { $0 * 1024 } ?? 0
    #else
      var usage = rusage()
      getrusage(RUSAGE_SELF, &usage)
      return usage.ru_maxrss
    #endif
  }
}

/// One kernel call of a run: a row of a profile.
public struct KernelTime: Codable, Sendable {
  /// The graph node that it works for, and that node's operation.
  public var node: String
  public var operation: String
  /// What computes it: `winograd4`, `implicit_gemm`, `depthwise`, ...
  public var algorithm: String
  public var milliseconds: Double
  /// Of the direct algorithm.
  public var multiplyAccumulates: Int
  /// Read and written at least.
  public var bytes: Int

  /// Billions of operations a second, two for each multiply-accumulate.
  public var gigaflopsPerSecond: Double { Double(multiplyAccumulates) * 2 / milliseconds / 1e6 }
  public var gigabytesPerSecond: Double { Double(bytes) / milliseconds / 1e6 }

  enum CodingKeys: String, CodingKey {
    case node, operation, algorithm, bytes
    case milliseconds = "ms"
    case multiplyAccumulates = "multiply_accumulates"
  }
}

/// Collects the least time of each kernel over several runs.
private final class Profile {
  private(set) var rows: [KernelTime] = []
  private var position = 0
  private var last = ContinuousClock.now

  func begin() {
    position = 0
    last = .now
  }

  func note(_ step: ObservedStep) -> Bool {
    let now = ContinuousClock.now
    let time = (now - last) / .milliseconds(1)
    if position < rows.count {
      rows[position].milliseconds = min(rows[position].milliseconds, time)
    } else {
      rows.append(
        KernelTime(
          node: step.node, operation: step.operation.name, algorithm: step.kernel, milliseconds: time,
          multiplyAccumulates: step.cost.multiplyAccumulates, bytes: step.cost.bytes))
    }
    position += 1
    last = .now
    return true
  }
}

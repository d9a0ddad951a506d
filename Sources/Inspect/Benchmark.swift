import Foundation
public import Models
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
    /// The most memory that the process ever held.
    public var peakBytes: Int

    enum CodingKeys: String, CodingKey {
      case model, mode, batch, iterations
      case medianMilliseconds = "median_ms"
      case minimumMilliseconds = "minimum_ms"
      case imagesPerSecond = "images_per_second"
      case gigaflopsPerSecond = "gflops"
      case peakBytes = "peak_bytes"
    }
  }

  private let name: String
  private let batch: Int
  private let isTraining: Bool
  private let operationsPerRun: Double
  private let runOnce: () throws -> Void
  private let observe: (@escaping StepObserver) throws -> Void

  /// - Parameters:
  ///   - isTraining: whether to time forward, backward and update (SGD with momentum) instead of inference.
  ///   - allowsWinograd: see ``Plan/Options``.
  public init(_ configuration: ModelConfiguration, batch: Int, isTraining: Bool, allowsWinograd: Bool = true) throws {
    let model = AnyLayer(try ModelRegistry.make(configuration))
    var random = RandomStream(seed: 1)
    let images = Tensor(shape: configuration.inputShape(batch: batch), of: Float.self) { buffer in
      for index in buffer.indices { buffer[index] = random.uniform(-1..<1) }
    }
    let multiplyAccumulates = try Summary(
      of: model, input: configuration.inputShape(), name: configuration.name
    ).multiplyAccumulates
    name = configuration.name
    self.batch = batch
    self.isTraining = isTraining
    operationsPerRun = Double(multiplyAccumulates) * 2 * Double(batch) * (isTraining ? 3 : 1)
    if isTraining {
      let classes = Int32(configuration.classes)
      let labels = Tensor((0..<batch).map { Int32($0) % classes })
      let step = TrainingStep(
        model, optimizer: .sgd(learningRate: 1e-3, momentum: 0.9), allowsWinograd: allowsWinograd
      ) { model, input, target in crossEntropy(model(input), target) }
      let examples = Batch(input: images, target: labels, indices: Array(0..<batch))
      runOnce = { _ = try step.run(examples, step: 1, learningRate: 1e-3) }
      observe = { try step.run(examples, step: 1, learningRate: 1e-3, observer: $0) }
    } else {
      let plan = try compile(model, input: images.shape, options: .init(allowsWinograd: allowsWinograd))
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
      gigaflopsPerSecond: operationsPerRun / median / 1e6, peakBytes: Self.peakMemory)
  }

  /// The time of each kernel, the least of some runs, in milliseconds and in order.
  public func profile(iterations: Int) throws -> [(node: String, operation: String, milliseconds: Double)] {
    let profile = Profile()
    for _ in 0..<iterations + 1 {
      profile.begin()
      try observe { name, operation, _ in profile.note(name, operation.name) }
    }
    return profile.rows
  }

  private static var peakMemory: Int {
    var usage = rusage()
    #if os(Linux)
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
      return usage.ru_maxrss * 1024
    #else
      getrusage(RUSAGE_SELF, &usage)
      return usage.ru_maxrss
    #endif
  }
}

/// Collects the least time of each kernel over several runs.
private final class Profile {
  private(set) var rows: [(node: String, operation: String, milliseconds: Double)] = []
  private var position = 0
  private var last = ContinuousClock.now

  func begin() {
    position = 0
    last = .now
  }

  func note(_ node: String, _ operation: String) -> Bool {
    let now = ContinuousClock.now
    let time = (now - last) / .milliseconds(1)
    if position < rows.count {
      rows[position].milliseconds = min(rows[position].milliseconds, time)
    } else {
      rows.append((node, operation, time))
    }
    position += 1
    last = .now
    return true
  }
}

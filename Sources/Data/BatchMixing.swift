import Graph
public import Runtime

/// Blends the examples of a batch with each other, and their classes in the same proportions: a strong regulariser for
/// classifiers.
///
/// Each example is mixed with the one before it in the batch. The target becomes the probabilities of all classes,
/// float32 `[n, classes]`, which `crossEntropy` takes in the place of labels.
public struct BatchMixing: Hashable, Sendable, Codable {
  /// Whole examples are blended, by shares from a beta distribution with this parameter (Zhang et al., "mixup", 2017;
  /// usual: 0.2).
  public var mixUp: Double?
  /// A rectangle of the one image is put into the other (Yun et al., "CutMix", 2019; usual: 1).
  public var cutMix: Double?
  public var classCount: Int

  /// The parameters may be from 0.05 to 100, else the program stops; with both, each batch takes one of them at random.
  public init(mixUp: Double? = nil, cutMix: Double? = nil, classCount: Int) {
    for alpha in [mixUp, cutMix].compactMap({ $0 }) where !Self.parameters.contains(alpha) {
      fail("mixing with the parameter \(alpha): it must be from 0.05 to 100")
    }
    self.mixUp = mixUp
    self.cutMix = cutMix
    self.classCount = classCount
  }

  /// What the beta distribution's parameter may be.
  public static let parameters: ClosedRange<Double> = 0.05...100

  /// The batch, mixed. Its target must be classes, int32 `[n]`; its input, for CutMix, images `[n, channels, height,
  /// width]`.
  public func callAsFunction(_ batch: Batch, random: RandomStream) -> Batch {
    var random = random
    let cuts = mixUp != nil && cutMix != nil ? random.chance(0.5) : cutMix != nil
    guard let alpha = cuts ? cutMix : mixUp else { return batch }
    let share = random.beta(alpha)
    if !cuts { return blended(batch, share: Float(share)) }
    guard batch.input.rank == 4 else {
      fail("CutMix needs images [n, channels, height, width], got \(batch.input.shape)")
    }
    let (height, width) = (batch.input.shape[2], batch.input.shape[3])
    let (x, y) = (random.integer(below: width), random.integer(below: height))
    let half = 0.5 * (1 - share).squareRoot()
    let (reachX, reachY) = (Int(half * Double(width)), Int(half * Double(height)))
    return cut(
      batch, columns: max(0, x - reachX)..<min(width, x + reachX), rows: max(0, y - reachY)..<min(height, y + reachY))
  }

  /// `share` of each example and the rest of the one before it.
  package func blended(_ batch: Batch, share: Float) -> Batch {
    let size = batch.input.elementCount / max(1, batch.indices.count)
    let input = Tensor(shape: batch.input.shape, of: Float.self) { output in
      batch.input.withUnsafeBuffer(of: Float.self) { source in
        for example in batch.indices.indices {
          let (own, other) = (example * size, partner(of: example, in: batch) * size)
          for index in 0..<size {
            output[own + index] = share * source[own + index] + (1 - share) * source[other + index]
          }
        }
      }
    }
    return Batch(input: input, target: target(batch, share: share), indices: batch.indices)
  }

  /// Each image with a rectangle of the one before it; the share is that of the area.
  package func cut(_ batch: Batch, columns: Range<Int>, rows: Range<Int>) -> Batch {
    let (channels, height, width) = (batch.input.shape[1], batch.input.shape[2], batch.input.shape[3])
    let size = channels * height * width
    let input = Tensor(shape: batch.input.shape, of: Float.self) { output in
      batch.input.withUnsafeBuffer(of: Float.self) { source in
        _ = output.initialize(from: source)
        for example in batch.indices.indices {
          let (own, other) = (example * size, partner(of: example, in: batch) * size)
          for channel in 0..<channels {
            for row in rows {
              let line = (channel * height + row) * width
              for column in columns { output[own + line + column] = source[other + line + column] }
            }
          }
        }
      }
    }
    let share = 1 - Float(columns.count * rows.count) / Float(width * height)
    return Batch(input: input, target: target(batch, share: share), indices: batch.indices)
  }

  private func partner(of example: Int, in batch: Batch) -> Int {
    (example + batch.indices.count - 1) % batch.indices.count
  }

  private func target(_ batch: Batch, share: Float) -> Tensor {
    guard batch.target.rank == 1, batch.target.dtype == .int32 else {
      fail("mixing needs classes, int32 [n], as targets, got \(batch.target.dtype) \(batch.target.shape)")
    }
    let labels = batch.target.scalars(as: Int32.self).map(Int.init)
    if let label = labels.first(where: { !(0..<classCount).contains($0) }) {
      fail("mixing \(classCount) classes: there is a label \(label)")
    }
    return Tensor(shape: [labels.count, classCount], of: Float.self) { output in
      output.initialize(repeating: 0)
      for (example, label) in labels.enumerated() {
        output[example * classCount + label] += share
        output[example * classCount + labels[partner(of: example, in: batch)]] += 1 - share
      }
    }
  }
}

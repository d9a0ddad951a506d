import Data

/// How many images each class has, and what can be done where they are unequal.
public struct ClassBalance: Hashable, Sendable {
  /// What to do about unequal classes.
  public enum Remedy: String, Codable, CaseIterable, Sendable {
    /// Errors count the more, the fewer images a class has.
    case weights
    /// Images of small classes come several times an epoch, each time augmented anew.
    case sampling
  }

  /// Images of each class.
  public let counts: [Int]
  /// Where the images of each class lie.
  private let places: [[Int]]

  init(of dataset: any LabeledDataset) {
    var places = [[Int]](repeating: [], count: dataset.classNames.count)
    for index in 0..<dataset.count { places[dataset.label(at: index)].append(index) }
    self.places = places
    counts = places.map(\.count)
  }

  /// From this ratio of the largest class to the smallest on, something should be done.
  public static let notableRatio = 3.0

  /// What a person should know, if classes are very unequal.
  var advice: String? {
    guard let largest = counts.max(), let smallest = counts.min(), smallest > 0,
      Double(largest) >= Self.notableRatio * Double(smallest)
    else { return nil }
    return "the largest class has \(largest) images, the smallest \(smallest); consider --balance weights or sampling"
  }

  /// Weights whose mean over all images is 1.
  var weights: [Float] {
    let (total, used) = (counts.reduce(0, +), counts.count { $0 > 0 })
    return counts.map { $0 == 0 ? 0 : Float(Double(total) / Double(used * $0)) }
  }

  /// Every image, and those of smaller classes again until their classes are as large as the largest.
  var evenIndices: [Int] {
    let largest = counts.max() ?? 0
    return places.flatMap { own in own.isEmpty ? [] : (0..<largest).map { own[$0 % own.count] } }
  }
}

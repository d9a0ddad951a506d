import Formats
import Foundation
import Inspect
import Layers
public import Vision

/// How well features tell pictures apart: pixels, and what hand-made edge kernels make of them.
///
/// Half of the pictures of each class are examples; each of the others is given the class of the example whose features
/// are nearest (Euclidean distance, each feature vector scaled to length 1). Nothing is learned, so the features
/// themselves are compared.
public struct FigureClassification: Sendable {
  public struct Row: Hashable, Sendable {
    public var name: String
    /// Numbers that describe a picture.
    public var featureCount: Int
    /// Of the pictures that were no examples.
    public var accuracy: Double
  }

  public let classNames: [String]
  public let exampleCount, testCount: Int
  public let rows: [Row]

  /// - Parameters:
  ///   - pictures: all of one size, with their classes.
  ///   - patches: along each side, for the features of patches.
  /// - Throws: ``LabError`` if a class has fewer than two pictures or they are too small.
  public init(_ pictures: [(image: Image, label: Int)], classNames: [String], patches: Int = 4) throws(LabError) {
    self.classNames = classNames
    var seen = [Int](repeating: 0, count: classNames.count)
    var (examples, tests): ([Int], [Int]) = ([], [])
    for (index, picture) in pictures.enumerated() {
      if seen[picture.label] % 2 == 0 { examples.append(index) } else { tests.append(index) }
      seen[picture.label] += 1
    }
    if let scarce = seen.firstIndex(where: { $0 < 2 }) {
      throw LabError("\(quoted(classNames[scarce])) needs two pictures or more, but has \(seen[scarce])")
    }
    (exampleCount, testCount) = (examples.count, tests.count)

    var features: [[[Float]]] = [[], [], [], []]
    for picture in pictures {
      let grey = picture.image.grey()
      features[0].append(grey.pixels.map { Float($0) / 255 })
      let edges = try EdgeFeatures(grey, patches: patches)
      let whole = edges.sums.map { $0.reduce(0, +) }
      features[1].append(whole)
      features[2].append(edges.sums.flatMap(\.self))
      features[3].append(edges.pooled(to: patches).scalars())
    }
    let names = [
      "raw pixels", "8 edge sums of the picture", "8 edge sums of each patch",
      "8 edge maps, maximum of each patch",
    ]
    rows = zip(names, features).map { name, vectors in
      let vectors = vectors.map(Self.normalized)
      let right = tests.count { test in
        let nearest = examples.min { a, b in
          Self.distance(vectors[a], vectors[test]) < Self.distance(vectors[b], vectors[test])
        }
        return nearest.map { pictures[$0].label == pictures[test].label } ?? false
      }
      return Row(name: name, featureCount: vectors[0].count, accuracy: Double(right) / Double(tests.count))
    }
  }

  private static func normalized(_ vector: [Float]) -> [Float] {
    let length = max(1e-12, vector.reduce(0) { $0 + $1 * $1 }.squareRoot())
    return vector.map { $0 / length }
  }

  private static func distance(_ a: [Float], _ b: [Float]) -> Float {
    var sum: Float = 0
    for index in a.indices { sum += (a[index] - b[index]) * (a[index] - b[index]) }
    return sum
  }
}

extension FigureClassification {
  /// Circles (class 0) and five-pointed stars (class 1), 64x64, of random size, place, turn and two random greys.
  public static func circlesAndStars(count: Int, seed: UInt64) -> [(image: Image, label: Int)] {
    (0..<count).map { index in
      let label = index % 2
      var random = RandomStream(seed: seed, stream: UInt64(index))
      let radius = random.uniform(12..<20)
      let (x, y) = (random.uniform(22..<42), random.uniform(22..<42))
      let turn = random.uniform(0..<2 * .pi)
      let dark = random.uniform(0..<100)
      let light = dark + random.uniform(60..<155)
      let isLight = random.uniform() < 0.5
      let pixels = (0..<64 * 64).map { pixel -> UInt8 in
        let (dx, dy) = (Float(pixel % 64) - x, Float(pixel / 64) - y)
        let isInside = hypot(dx, dy) < (label == 0 ? radius * 0.8 : radius * starRadius(at: atan2(dy, dx) + turn))
        return UInt8(isInside == isLight ? light : dark)
      }
      return (Image(width: 64, height: 64, channels: 1, pixels: pixels), label)
    }
  }

  /// Of a star whose points have radius 1 and whose notches 0.45, in a direction in radians.
  private static func starRadius(at angle: Float) -> Float {
    let sector = 2 * Float.pi / 5
    let turns = angle / sector
    // From a point (0) to the middle between two (half a sector).
    let away = abs(turns - turns.rounded()) * sector
    // The straight side from (1, 0) to the notch.
    let (notchX, notchY) = (0.45 * cos(sector / 2), 0.45 * sin(sector / 2))
    return notchY / (notchY * cos(away) + (1 - notchX) * sin(away))
  }

  /// Writes `folder/CLASS/INDEX.png`.
  public static func write(_ pictures: [(image: Image, label: Int)], classNames: [String], to folder: String) throws {
    for name in classNames {
      let path = "\(folder)/\(name)"
      do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
        throw LabError("\(path): this folder cannot be made: \(error.localizedDescription)")
      }
    }
    for (index, picture) in pictures.enumerated() {
      try picture.image.writePNG(to: "\(folder)/\(classNames[picture.label])/\(index).png")
    }
  }

  /// Pictures of a folder with one subfolder for each class, made grey and resized to 64x64; of each class the first
  /// `limit`.
  public static func pictures(of folder: ImageFolder, limit: Int) throws -> [(image: Image, label: Int)] {
    var counts = [Int](repeating: 0, count: folder.classNames.count)
    var pictures: [(image: Image, label: Int)] = []
    for index in 0..<folder.count where counts[folder.label(at: index)] < limit {
      counts[folder.label(at: index)] += 1
      let image = try folder.image(at: index).grey().resized(width: 64, height: 64)
      pictures.append((image, folder.label(at: index)))
    }
    return pictures
  }
}

extension FigureClassification: CustomStringConvertible {
  public var description: String {
    var table = TextTable([("features", .left), ("numbers", .right), ("right", .right)])
    for row in rows {
      table.append([row.name, "\(row.featureCount)", String(format: "%.1f %%", 100 * row.accuracy)])
    }
    let chance = String(format: "%.1f %%", 100 / Double(classNames.count))
    return """
      \(classNames.count) classes, \(exampleCount) examples, \(testCount) pictures to classify by their nearest example

      \(table.text)

      guessing: \(chance)
      """
  }

  package var json: JSON {
    [
      "classes": .array(classNames.map { .string($0) }), "examples": .integer(exampleCount),
      "tests": .integer(testCount),
      "features": .array(
        rows.map {
          ["name": .string($0.name), "numbers": .integer($0.featureCount), "accuracy": JSON($0.accuracy)]
        }),
    ]
  }
}

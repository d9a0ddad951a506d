import CKernels
import Foundation
import Kernels
import Testing

/// Floats with guard bands: NaN in front and behind (so that a kernel which lets slack into a result shows), checked to
/// be untouched.
final class GuardedBuffer {
  private static let band = 64
  private static let guardBits: UInt32 = 0x7fc0_1234
  private let base: UnsafeMutablePointer<Float>
  let count: Int
  var pointer: UnsafeMutablePointer<Float> { base + Self.band }

  /// Unwritten elements hold the guard's NaN, too.
  init(count: Int) {
    self.count = count
    base = .allocate(capacity: count + 2 * Self.band)
    base.initialize(repeating: Float(bitPattern: Self.guardBits), count: count + 2 * Self.band)
  }

  convenience init(_ values: [Float]) {
    self.init(count: values.count)
    for (i, value) in values.enumerated() { pointer[i] = value }
  }

  deinit { base.deallocate() }

  var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
  var bits: [UInt32] { values.map(\.bitPattern) }
  var raw: UnsafeMutableRawPointer { UnsafeMutableRawPointer(pointer) }
  var integers: UnsafeMutablePointer<Int32> { raw.assumingMemoryBound(to: Int32.self) }

  func rows(_ channels: Int) -> ChannelRows { ChannelRows(pointer, pixel: channels) }

  var isIntact: Bool {
    (0..<Self.band).allSatisfy {
      base[$0].bitPattern == Self.guardBits && pointer[count + $0].bitPattern == Self.guardBits
    }
  }
}

let sizes = [1, 7, 15, 16, 17, 1000, 100_003]
let serialPool = ThreadPool(threadCount: 1)

/// The inputs of Fixtures/pointwise.py.
func wave(_ count: Int, step: Int = 37) -> [Float] { (0..<count).map { Float($0 * step % 101 - 50) / 13 } }

/// Uniform numbers in the range, by an ordinary seeded stream.
func random(_ count: Int, _ range: Range<Float> = -3..<3, seed: UInt64 = 1) -> [Float] {
  var stream = RandomStream(seed: seed)
  return (0..<count).map { _ in stream.uniform(range) }
}

/// Numbers made by PyTorch; see Fixtures/pointwise.py.
let pytorch: [String: [Float]] = {
  let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/pointwise.txt")
  guard let text = try? String(contentsOf: path, encoding: .utf8) else { return [:] }
  var tensors: [String: [Float]] = [:]
  for line in text.split(separator: "\n") {
    let parts = line.split(separator: ": ")
    tensors[String(parts[0])] = parts[1].split(separator: " ").compactMap { Float($0) }
  }
  return tensors
}()

/// Whether two tensors agree to |a - b| <= tolerance * max(1, |b|), NaN equal to NaN.
func expectClose(
  _ actual: some Collection<Float>, _ expected: some Collection<some BinaryFloatingPoint>, _ tolerance: Double,
  _ comment: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.count == expected.count else {
    Issue.record("\(actual.count) elements, expected \(expected.count) \(comment)", sourceLocation: sourceLocation)
    return
  }
  for (i, pair) in zip(actual, expected).enumerated() {
    let (a, b) = (Double(pair.0), Double(pair.1))
    if a == b || a.isNaN && b.isNaN || abs(a - b) <= tolerance * max(1, abs(b)) { continue }
    Issue.record("element \(i) is \(a), expected \(b) \(comment)", sourceLocation: sourceLocation)
    return
  }
}

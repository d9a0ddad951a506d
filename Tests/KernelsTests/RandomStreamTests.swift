import Kernels
import Testing

struct RandomStreamTests {
  /// What one thread draws one after another, for any number of threads and sizes about those of chunks.
  @Test(arguments: [1, 2, 3], [0, 1, 7, 16_384, 16_385, 100_001])
  func filledBuffersAreDrawnInOrder(threads: Int, count: Int) {
    let stream = RandomStream(seed: 5, stream: 9)
    let pool = ThreadPool(threadCount: threads)
    func filled(_ fill: (UnsafeMutableBufferPointer<Float>) -> Void) -> [UInt32] {
      [Float](unsafeUninitializedCapacity: count) { buffer, size in
        fill(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
        size = count
      }.map(\.bitPattern)
    }
    func drawn(_ draw: (inout RandomStream) -> Float) -> [UInt32] {
      var stream = stream
      return (0..<count).map { _ in draw(&stream).bitPattern }
    }
    #expect(
      filled { stream.fillNormal($0, deviation: 0.3, pool: pool) } == drawn { 0.3 * Float($0.normal()) })
    #expect(filled { stream.fillUniform($0, in: -0.2..<0.7, pool: pool) } == drawn { $0.uniform(-0.2..<0.7) })
  }
}

import CKernels
import Kernels
import Testing

@Suite struct DropoutTests {
  @Test(arguments: InstructionSet.available, sizes)
  func drawsFromRandomStream(isa: InstructionSet, count: Int) {
    let (seed, stream): (UInt64, UInt64) = (0x1234_5678_9abc_def0, 0xfedc_ba98_7654_3210)
    let x = GuardedBuffer(random(count))
    let y = GuardedBuffer(count: count)
    DropoutKernel.apply(
      x.pointer, y.pointer, count: count, probability: 0.3, seed: seed, stream: stream, pool: serialPool, isa: isa)
    let scale: Float = 1 / (1 - 0.3)
    let expected = (0..<count).map { i -> Float in
      let words = RandomStream.philox(
        counter: SIMD4(
          UInt32(i / 4), 0, UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32)),
        key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
      return Float(words[i % 4] >> 8) * 0x1p-24 < 0.3 ? 0 : x.pointer[i] * scale
    }
    #expect(y.values == expected)
    #expect(y.isIntact)
  }
}

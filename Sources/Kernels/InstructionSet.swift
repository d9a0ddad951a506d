import CKernels

/// Which instruction set's kernels to use; for tests, which run them all.
package struct InstructionSet: Hashable, Sendable, CustomStringConvertible {
  let isa: ck_isa

  /// The widest that this processor has.
  package static let best = InstructionSet(isa: ck_best_isa())

  /// Every one that this processor has, narrowest first.
  package static var available: [InstructionSet] {
    [CK_PORTABLE, CK_AVX2, CK_AVX512].filter { $0.rawValue <= ck_best_isa().rawValue }.map(InstructionSet.init)
  }

  package var description: String {
    switch isa {
    case CK_AVX512: "AVX-512"
    case CK_AVX2: "AVX2"
    default: "portable"
    }
  }

  package static func == (a: Self, b: Self) -> Bool { a.isa == b.isa }
  package func hash(into hasher: inout Hasher) { hasher.combine(isa.rawValue) }

  package var convolution: ck_convolution_kernels { ck_convolution(isa).pointee }
  func winograd(_ algorithm: ck_winograd_algorithm) -> ck_winograd_kernels { ck_winograd(isa, algorithm).pointee }
  var pixels: ck_pixel_kernels { ck_pixels(isa).pointee }
  var pointwise: ck_pointwise_kernels { ck_pointwise(isa).pointee }
}

import CKernels

extension Convolution {
  /// Floats of workspace for ``matmul(_:_:into:m:n:k:transposeA:transposeB:epilogue:workspace:pool:isa:)``.
  package static func matmulWorkspaceSize(
    m: Int, n: Int, k: Int, transposeA: Bool = false, transposeB: Bool = false, isa: InstructionSet = .best
  ) -> Int {
    transposedSize(m: m, k: k, transposeA) + k * Panels(n, isa.convolution).paddedCount
  }

  /// c `[m, n]` = epilogue(a `[m, k]` times b `[k, n]`), row after row.
  /// - Parameters:
  ///   - transposeA: a is stored as `[k, m]`.
  ///   - transposeB: b is stored as `[n, k]`.
  package static func matmul(
    _ a: Input, _ b: Input, into c: Output, m: Int, n: Int, k: Int, transposeA: Bool = false, transposeB: Bool = false,
    epilogue: Epilogue = Epilogue(), workspace: Output, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let kernels = isa.convolution
    var a = a
    if transposeA {
      let source = a
      pool.parallel(divideUp(m, Panels.rowBlock), cost: m * k) { task in
        let row = task * Panels.rowBlock
        kernels.pack(source + row, 1, m, min(Panels.rowBlock, m - row), k, workspace + row * k, k)
      }
      a = Input(workspace)
    }
    let packed = workspace + transposedSize(m: m, k: k, transposeA)
    let panels = Panels(n, kernels)
    pool.parallel(divideUp(k, Panels.rowBlock), cost: k * n) { block in
      panels.pack(
        block, of: b, rowStep: transposeB ? 1 : n, columnStep: transposeB ? k : 1, rows: k, taps: 1,
        tapOffset: { _ in 0 }, into: packed)
    }
    forward(
      a, weights: packed, into: c, .linear(rows: m, inputs: k, outputs: n), epilogue: epilogue, pool: pool, isa: isa)
  }

  /// Room for a transposed, and for reading past its end.
  private static func transposedSize(m: Int, k: Int, _ transposeA: Bool) -> Int { transposeA ? m * k + 64 : 0 }
}

import CKernels

extension Convolution {
  /// Floats of the weights packed for ``forward(_:weights:into:_:epilogue:pool:isa:)``.
  package static func forwardWeightsSize(_ g: ConvGeometry, isa: InstructionSet = .best) -> Int {
    let kernels = isa.convolution
    if let group = g.channelwiseGroup(kernels) {
      return group * g.kernel.count * roundUp(g.inChannels, kernels.vector_width)
    }
    if let lines = ConvLines(forward: g, kernels) { return lines.weightsSize }
    let g = g.joiningNeighbors(kernels).joiningGroups(columns: g.groupOutChannels, kernels)
    return g.groups * g.patchDepth * Panels(g.groupOutChannels, kernels).paddedCount
  }

  /// Packs weights `[outChannels, inChannels / groups, kernel...]` for
  /// ``forward(_:weights:into:_:epilogue:pool:isa:)``.
  package static func packForward(
    _ weights: Input, into packed: Output, _ g: ConvGeometry, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let kernels = isa.convolution
    let taps = g.kernel.count
    if g.channelwiseGroup(kernels) != nil {
      kernels.pack(
        weights, 1, g.patchDepth, g.patchDepth, g.inChannels, packed, roundUp(g.inChannels, kernels.vector_width))
      return
    }
    if let lines = ConvLines(forward: g, kernels) {
      lines.pack(into: packed, tapStep: 1, columnStep: g.patchDepth, pool: pool) { plane, channel in
        weights + channel * taps + plane * g.kernel.width
      }
      return
    }
    let neighbors = g.joiningNeighbors(kernels)
    if neighbors != g {
      Panels(neighbors.outChannels, kernels).packNeighbors(of: g, in: neighbors, weights, into: packed)
      return
    }
    let joined = g.joiningGroups(columns: g.groupOutChannels, kernels)
    let panels = Panels(joined.groupOutChannels, kernels)
    if joined != g {
      pool.parallel(joined.groups, cost: g.weightCount) { task in
        panels.packDiagonal(
          g.groups / joined.groups, of: weights + task * joined.groupOutChannels * g.patchDepth,
          blockStep: g.groupOutChannels * g.patchDepth, rowStep: taps, columnStep: g.patchDepth,
          rows: g.groupInChannels, taps: taps, tapOffset: { $0 },
          into: packed + task * joined.patchDepth * panels.paddedCount)
      }
      return
    }
    let blocks = divideUp(g.groupInChannels, Panels.rowBlock)
    pool.parallel(g.groups * blocks, cost: g.weightCount) { task in
      let (group, block) = task.quotientAndRemainder(dividingBy: blocks)
      panels.pack(
        block, of: weights + group * g.groupOutChannels * g.patchDepth, rowStep: taps, columnStep: g.patchDepth,
        rows: g.groupInChannels, taps: taps, tapOffset: { $0 },
        into: packed + group * g.patchDepth * panels.paddedCount)
    }
  }

  /// Floats of the weights packed for ``inputGradient(_:weights:into:_:pool:isa:)``.
  package static func inputGradientWeightsSize(_ g: ConvGeometry, isa: InstructionSet = .best) -> Int {
    if let lines = ConvLines(inputGradient: g, isa.convolution) { return lines.weightsSize }
    let joined = g.joiningGroups(columns: g.groupInChannels, isa.convolution)
    return inputGradientWeightsOffset(ConvPhase.count(g), joined, isa.convolution)
  }

  /// Packs weights `[outChannels, inChannels / groups, kernel...]` for
  /// ``inputGradient(_:weights:into:_:pool:isa:)``: transposed, and the taps of each phase apart.
  package static func packInputGradient(
    _ weights: Input, into packed: Output, _ g: ConvGeometry, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let kernels = isa.convolution
    let taps = g.kernel.count
    let phases = ConvPhase.count(g)
    if let group = g.channelwiseGroup(kernels) {
      let width = roundUp(g.inChannels, kernels.vector_width)
      for index in 0..<phases {
        let phase = ConvPhase(index, of: g)
        var row = packed + inputGradientWeightsOffset(index, g, kernels)
        for output in 0..<group {
          for tap in 0..<phase.taps.count {
            // Of all groups, the weights from their inputs to this output.
            let source = weights + output * g.patchDepth + phase.tap(tap, g)
            for first in stride(from: 0, to: g.inChannels, by: group) {
              for input in 0..<group { row[first + input] = source[first * g.patchDepth + input * taps] }
            }
            (row + g.inChannels).update(repeating: 0, count: width - g.inChannels)
            row += width
          }
        }
      }
      return
    }
    if let lines = ConvLines(inputGradient: g, kernels) {
      for index in 0..<phases {
        let phase = ConvPhase(index, of: g)
        let (lines, offset) = lines.phase(index, of: g)
        lines.pack(into: packed + offset, tapStep: -1, columnStep: taps, pool: pool) { plane, channel in
          weights + channel * g.patchDepth + phase.tap(plane * lines.taps, g)
        }
      }
      return
    }
    let joined = g.joiningGroups(columns: g.groupInChannels, kernels)
    let panels = Panels(joined.groupInChannels, kernels)
    if joined != g {
      pool.parallel(phases * joined.groups, cost: g.weightCount) { task in
        let (index, group) = task.quotientAndRemainder(dividingBy: joined.groups)
        let phase = ConvPhase(index, of: g)
        let groupSize = phase.taps.count * joined.groupOutChannels * panels.paddedCount
        panels.packDiagonal(
          g.groups / joined.groups, of: weights + group * joined.groupOutChannels * g.patchDepth,
          blockStep: g.groupOutChannels * g.patchDepth, rowStep: g.patchDepth, columnStep: taps,
          rows: g.groupOutChannels, taps: phase.taps.count, tapOffset: { phase.tap($0, g) },
          into: packed + inputGradientWeightsOffset(index, joined, kernels) + group * groupSize)
      }
      return
    }
    let blocks = divideUp(g.groupOutChannels, Panels.rowBlock)
    pool.parallel(phases * g.groups * blocks, cost: g.weightCount) { task in
      let block = task % blocks
      let group = task / blocks % g.groups
      let index = task / blocks / g.groups
      let phase = ConvPhase(index, of: g)
      let groupSize = phase.taps.count * g.groupOutChannels * panels.paddedCount
      panels.pack(
        block, of: weights + group * g.groupOutChannels * g.patchDepth, rowStep: g.patchDepth, columnStep: taps,
        rows: g.groupOutChannels, taps: phase.taps.count, tapOffset: { phase.tap($0, g) },
        into: packed + inputGradientWeightsOffset(index, g, kernels) + group * groupSize)
    }
  }

  /// Where a phase's weights start among those of all.
  static func inputGradientWeightsOffset(_ phase: Int, _ g: ConvGeometry, _ kernels: ck_convolution_kernels) -> Int {
    let taps = (0..<phase).reduce(0) { $0 + ConvPhase($1, of: g).taps.count }
    if let group = g.channelwiseGroup(kernels) { return taps * group * roundUp(g.inChannels, kernels.vector_width) }
    return taps * g.outChannels * Panels(g.groupInChannels, kernels).paddedCount
  }
}

/// A matrix's columns cut into panels: `tile_columns` wide, the last one a single vector if that suffices.
struct Panels {
  let columns: Int
  let kernels: ck_convolution_kernels

  init(_ columns: Int, _ kernels: ck_convolution_kernels) {
    self.columns = columns
    self.kernels = kernels
  }

  var count: Int { divideUp(columns, kernels.tile_columns) }
  /// Columns of all panels, zeros included.
  var paddedCount: Int { roundUp(columns, kernels.vector_width) }
  func first(_ panel: Int) -> Int { panel * kernels.tile_columns }
  /// Columns that exist.
  func valid(_ panel: Int) -> Int { min(kernels.tile_columns, columns - first(panel)) }
  /// Columns that are stored.
  func width(_ panel: Int) -> Int { roundUp(valid(panel), kernels.vector_width) }

  /// Rows of each tap that one task handles: few enough that the lines that taps and rows share are still in cache for
  /// the next tap.
  static let rowBlock = 16

  /// Packs one block of rows of the matrix whose row (tap, r) and column c is
  /// source[tapOffset(tap) + r * rowStep + c * columnStep].
  func pack(
    _ block: Int, of source: UnsafePointer<Float>, rowStep: Int, columnStep: Int, rows: Int, taps: Int,
    tapOffset: (Int) -> Int, into packed: UnsafeMutablePointer<Float>
  ) {
    let row = block * Self.rowBlock
    for panel in 0..<count {
      let width = width(panel)
      for tap in 0..<taps {
        kernels.pack(
          source + tapOffset(tap) + row * rowStep + first(panel) * columnStep, rowStep, columnStep,
          min(Self.rowBlock, rows - row), valid(panel),
          packed + first(panel) * taps * rows + (tap * rows + row) * width, width)
      }
    }
  }

  /// Packs several matrices, `blockStep` floats apart, as the diagonal of one that fits into a single panel.
  func packDiagonal(
    _ blocks: Int, of source: UnsafePointer<Float>, blockStep: Int, rowStep: Int, columnStep: Int, rows: Int, taps: Int,
    tapOffset: (Int) -> Int, into packed: UnsafeMutablePointer<Float>
  ) {
    let (width, blockColumns) = (width(0), columns / blocks)
    packed.update(repeating: 0, count: taps * blocks * rows * width)
    for tap in 0..<taps {
      for block in 0..<blocks {
        let source = source + tapOffset(tap) + block * blockStep
        let packed = packed + (tap * blocks + block) * rows * width + block * blockColumns
        for row in 0..<rows {
          for column in 0..<blockColumns {
            packed[row * width + column] = source[row * rowStep + column * columnStep]
          }
        }
      }
    }
  }

  /// The inverse of ``packDiagonal``, of the sum of several packed matrices `chunkStep` floats apart; what lies beside
  /// the diagonal is left out.
  func unpackDiagonal(
    _ blocks: Int, of packed: UnsafePointer<Float>, chunks: Int, chunkStep: Int, blockStep: Int, rowStep: Int,
    columnStep: Int, rows: Int, taps: Int, into matrices: UnsafeMutablePointer<Float>
  ) {
    let (width, blockColumns) = (width(0), columns / blocks)
    for tap in 0..<taps {
      for block in 0..<blocks {
        let packed = packed + (tap * blocks + block) * rows * width + block * blockColumns
        for row in 0..<rows {
          for column in 0..<blockColumns {
            var sum: Float = 0
            for chunk in 0..<chunks { sum += packed[chunk * chunkStep + row * width + column] }
            matrices[tap + block * blockStep + row * rowStep + column * columnStep] = sum
          }
        }
      }
    }
  }

  /// The inverse of ``pack``, of the sum of several packed matrices `chunkStep` floats apart, of `paddedDepth` rows
  /// each. The sums are left in `packed`.
  func unpack(
    _ block: Int, of packed: UnsafeMutablePointer<Float>, paddedDepth: Int, chunks: Int, chunkStep: Int, rowStep: Int,
    columnStep: Int, rows: Int, taps: Int, into matrix: UnsafeMutablePointer<Float>
  ) {
    let row = block * Self.rowBlock
    for panel in 0..<count {
      let width = width(panel)
      kernels.unpack(
        packed + first(panel) * paddedDepth + row * width, width, rows * width, taps, chunks, chunkStep,
        min(Self.rowBlock, rows - row), valid(panel), matrix + row * rowStep + first(panel) * columnStep, rowStep,
        columnStep)
    }
  }
}

func divideUp(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }
func roundUp(_ a: Int, _ b: Int) -> Int { divideUp(a, b) * b }

import CKernels

extension Winograd {
  /// How the work is cut, by shape alone.
  ///
  /// Where tiles are many, each task takes a block of tiles from input to output, all in the second-level cache. Where
  /// they are few, or transformed weights so large that they should pass through the cache once only, the patches of
  /// many tiles are transformed first and then tasks take a few output channels each.
  struct Cut {
    let kernels: ck_winograd_kernels
    let panels: Panels
    let tileCount: Int
    /// Tiles of a group, whose rows one tile of registers takes.
    let rows: Int
    let isFused: Bool
    /// Tiles that one product takes.
    let blockTiles: Int
    /// Tiles whose patches are transformed together, a multiple of `blockTiles`.
    let roundTiles: Int
    /// Panels that one product takes.
    let panelBlock: Int
    /// Roughly, cycles of all tasks.
    let cost: Int
    /// Tasks that may run at a time.
    let slotCount: Int
    /// Floats of what a task makes of weights that were packed halfway; 0 for others.
    private let halfwaySize: Int
    private let paddedChannels: Int

    /// Floats that a task's patches and products may take: most of a second-level cache.
    private static let cacheSize = 192 * 1024
    /// Floats of the patches of a round: a share of the last-level cache.
    private static let roundSize = 3 * 1024 * 1024

    init(_ w: Winograd) {
      kernels = w.kernels
      panels = w.panels
      tileCount = w.tileCount
      rows = Self.balanced(tileCount, w.isa.convolution.tile_rows)
      paddedChannels = roundUp(w.productDepth, w.isa.convolution.vector_width)
      halfwaySize = w.packsHalfway ? kernels.halfway_size : 0
      let columns = w.isa.convolution.tile_columns
      let groups = divideUp(tileCount, rows)
      cost = max(
        kernels.points * max(tileCount, 16) * w.productDepth * panels.paddedCount / 32,
        kernels.points * tileCount * (paddedChannels + panels.paddedCount) / 16)
      let fitting = Self.cacheSize / (kernels.points * rows * (paddedChannels + columns))
      isFused = fitting >= 1 && groups >= 8 && !w.packsHalfway
      if isFused {
        panelBlock = 1
        blockTiles = rows * min(fitting, max(1, groups / 16))
        roundTiles = tileCount
        slotCount = min(w.mostSlots, divideUp(tileCount, blockTiles))
      } else {
        panelBlock = panels.count >= 16 && !w.packsHalfway ? 2 : 1
        let products = Self.cacheSize / (kernels.points * rows * columns * panelBlock)
        blockTiles = rows * max(1, min(products, groups))
        let round = Self.roundSize / (kernels.points * blockTiles * paddedChannels)
        roundTiles = blockTiles * max(1, min(round, divideUp(tileCount, blockTiles)))
        slotCount = min(w.mostSlots, divideUp(panels.count, panelBlock) * divideUp(roundTiles, blockTiles))
      }
    }

    /// Rows of a group such that groups are equally full: two of 8 take less time than one of 14 and one of 2, whose
    /// few sums wait for each other.
    private static func balanced(_ tiles: Int, _ most: Int) -> Int {
      let each = divideUp(tiles, divideUp(tiles, most))
      return rounded(each)
    }

    /// Tiles of registers have one row or an even number of them.
    private static func rounded(_ rows: Int) -> Int { rows == 1 ? 1 : roundUp(rows, 2) }

    var blockCount: Int { divideUp(tileCount, blockTiles) }

    func block(_ index: Int, of tiles: Range<Int>) -> Range<Int> {
      let start = tiles.lowerBound + index * blockTiles
      return start..<min(tiles.upperBound, start + blockTiles)
    }

    /// Floats of the transformed patches of `rows` tiles at one point.
    var groupSize: Int { rows * paddedChannels }
    /// Floats between points of patches.
    var pointStep: Int { divideUp(isFused ? blockTiles : roundTiles, rows) * groupSize + Winograd.pointGap }

    func patchesSize(_ tiles: Int) -> Int { kernels.points * (divideUp(tiles, rows) * groupSize + Winograd.pointGap) }
    var productsSize: Int {
      panelBlock * kernels.points * (blockTiles * panels.kernels.tile_columns + Winograd.pointGap)
    }

    /// Floats that all tasks share, and floats of each slot.
    var sharedSize: Int { isFused ? 0 : patchesSize(roundTiles) }
    var slotSize: Int { productsSize + (isFused ? patchesSize(blockTiles) : 0) + halfwaySize }

    func transform(_ tiles: Range<Int>, of problem: ck_winograd_problem, into patches: Convolution.Output) {
      withUnsafePointer(to: problem) { problem in
        for (group, tile) in stride(from: tiles.lowerBound, to: tiles.upperBound, by: rows).enumerated() {
          let end = min(tile + rows, tiles.upperBound)
          let to = ck_winograd_patches(
            base: patches + group * groupSize, point_step: pointStep, rows: Self.rounded(end - tile),
            block: panels.kernels.vector_width)
          kernels.transform_input(problem, tile, end, to, 0)
        }
      }
    }

    func multiply(
      _ tiles: Range<Int>, _ panel: Int, of problem: ck_winograd_problem, _ patches: Convolution.Input,
      products: Convolution.Output, moments: ck_moments?
    ) {
      let moments = moments ?? ck_moments()
      withUnsafePointer(to: problem) {
        if halfwaySize > 0 {
          kernels.multiply_halfway(
            $0, tiles.lowerBound, tiles.upperBound, panel, patches, pointStep, rows, products, moments)
          return
        }
        kernels.multiply(
          $0, tiles.lowerBound, tiles.upperBound, panel, min(panel + panelBlock, panels.count), patches, pointStep,
          rows, products, moments)
      }
    }
  }
}

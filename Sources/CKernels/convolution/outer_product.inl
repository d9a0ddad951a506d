// The product of transposed patches and the output's gradient: the weight gradient.

/// Patch columns copied at a time, and rows of them; with the panel of dy they stay in the second-level cache. Enough
/// for the patches of 7x7 taps on three channels: whole patches are copied faster than parts.
#define CK_OUTER_DEPTH (CK_TILE_ROWS * (CK_TILE_ROWS == 14 ? 11 : 25))
#define CK_OUTER_ROWS 256

CK_TILES(outer_tile, 1, CK_OUTER_DEPTH, 0)

static void outer_product(const ck_outer_product *p, long row, long row_end, long k, long k_end, long panel,
                                 long panel_end) {
  float a[CK_OUTER_ROWS * CK_OUTER_DEPTH + CK_SPARE] __attribute__((aligned(64)));
  float b[CK_OUTER_ROWS * CK_TILE_COLUMNS] __attribute__((aligned(64)));
  const ck_patches *patches = &p->patches;
  const long blocks = (row_end - row + CK_OUTER_ROWS - 1) / CK_OUTER_ROWS;
  const long block_rows = blocks ? (row_end - row + blocks - 1) / blocks : 0;

  for (long first = row; first < row_end; first += block_rows) {
    const long rows = row_end - first < block_rows ? row_end - first : block_rows;
    copy_patches(patches, p->x, position_of(patches, first), rows, k, k_end, a, CK_OUTER_DEPTH);
    for (long j = panel; j < panel_end; j++) {
      const long vectors = panel_vectors(p->columns, j);
      const float *dy = p->dy + first * p->dy_pixel + j * CK_TILE_COLUMNS;
      for (long r = 0; r < rows; r++)
        for (long v = 0; v < vectors; v++)
          vstore(b + (r * vectors + v) * CK_VW, vload(dy + r * p->dy_pixel + v * CK_VW));
      float *c = p->partial + (j - p->partial_panel) * p->partial_depth * CK_TILE_COLUMNS;
      for (long i = k; i < k_end; i += CK_TILE_ROWS) {
        const long tile = k_end - i < CK_TILE_ROWS ? k_end - i : CK_TILE_ROWS;
        outer_tile[tile_index(tile)][vectors - 1](a + (i - k), b, rows, c + (i - p->partial_k) * vectors * CK_VW,
                                                  first > row, CK_NO_PREFETCHING);
      }
    }
  }
}

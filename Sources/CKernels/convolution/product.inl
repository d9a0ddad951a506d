// The product of patches and weights: forward convolution, input gradient, linear layers, matrix products.

#define CK_PRODUCT_STEP (CK_PRODUCT_DEPTH + 16)
/// Most panels of one call.
#define CK_PRODUCT_PANELS 16
/// Tiles whose sums are kept while a block of the weights, in the second-level cache, is multiplied with their rows.
#define CK_PRODUCT_TILES 64

CK_TILES(product_tile, CK_PRODUCT_STEP, 1, 1)

/// Finishes and stores the results of `rows` rows from `at` on, one tile per panel. With `sums`, of two vectors for
/// each panel, the results are overwritten.
static void store_rows(const ck_product *p, position at, long rows, long panel, long panel_end, float *results,
                       shifted_sums *sums) {
  for (long i = 0; i < rows; i++, advance(&p->patches, &at)) {
    const long place = at.batch * p->strides.batch + at.depth * p->strides.depth + at.height * p->strides.height +
                       at.width * p->strides.width;
    for (long j = panel; j < panel_end; j++) {
      const long vectors = panel_vectors(p->columns, j);
      vf *from = (vf *)results + (j - panel) * CK_TILE_ROWS * 2 + i * vectors;
      for (long v = 0; v < vectors; v++) {
        const long column = j * CK_TILE_COLUMNS + v * CK_VW;
        const vf value = finish_vector(&p->epilogue, from[v], place + column, column);
        store_part(p->y + place + column, value, p->columns - column);
        if (sums) from[v] = value;
      }
    }
  }
  for (long j = panel; sums && j < panel_end; j++)
    for (long v = 0, vectors = panel_vectors(p->columns, j); v < vectors; v++)
      add_tile(sums + 2 * (j - panel) + v, (vf *)results + (j - panel) * CK_TILE_ROWS * 2 + v, vectors, rows);
}

static void product(const ck_product *p, long row, long row_end, long panel, long panel_end) {
  float a[CK_TILE_ROWS * CK_PRODUCT_STEP + CK_SPARE] __attribute__((aligned(64)));
  float sums[CK_PRODUCT_TILES][CK_TILE_ROWS * CK_TILE_COLUMNS] __attribute__((aligned(64)));
  const ck_patches *patches = &p->patches;
  const long depth = patches->kernel.depth * patches->kernel.height * patches->kernel.width * patches->channels;
  const long blocks = (depth + CK_PRODUCT_DEPTH - 1) / CK_PRODUCT_DEPTH;
  const long block_depth = blocks ? (depth + blocks - 1) / blocks : 0;
  const long panels = panel_end - panel, block_bytes = block_depth * CK_VW * sizeof(float);
  const long group_rows = (blocks > 1 ? CK_PRODUCT_TILES / panels : 1) * CK_TILE_ROWS;
  const directness kind = directness_of(p);
  if (depth == 0) memset(sums, 0, sizeof sums);
  shifted_sums moments[CK_PRODUCT_PANELS * 2];
  shifted_sums *taken = p->moments.mean ? moments : NULL;
  for (long i = 0; taken && i < 2 * panels; i++) moments[i].rows = 0;
  long seen = 0;

  while (row < row_end) {
    if (taken && moments->rows >= CK_MOMENTS_ROWS) {
      const long rows = moments->rows;
      store_moments(moments, p->columns, panel, panel_end, seen, p->moments);
      seen += rows;
    }
    const long left = row_end - row;
    const long direct = kind == DIRECT_NEVER ? 0 : run_direct_tile(p, kind, row, left, panel, panel_end, taken);
    if (direct > 0) {
      row += direct;
      continue;
    }
    const long group_end = row + group_rows < row_end ? row + group_rows : row_end;
    const long group_tiles = (group_end - row + CK_TILE_ROWS - 1) / CK_TILE_ROWS;
    for (long k = 0; k < depth; k += block_depth) {
      const long k_end = k + block_depth < depth ? k + block_depth : depth;
      for (long first = row, tile = 0; first < group_end; first += CK_TILE_ROWS, tile += panels) {
        const long rows = group_end - first < CK_TILE_ROWS ? group_end - first : CK_TILE_ROWS;
        copy_patches(patches, p->x, position_of(patches, first), rows, k, k_end, a, CK_PRODUCT_STEP);
        for (long j = panel; j < panel_end; j++) {
          const long vectors = panel_vectors(p->columns, j);
          const float *b = p->weights + j * depth * CK_TILE_COLUMNS + k * vectors * CK_VW;
          // The tiles of a group share this block of the weights and fetch the next one between them.
          const char *next = (const char *)(b + (k_end - k) * vectors * CK_VW);
          const long share = block_bytes * vectors / group_tiles;
          const prefetching ahead = {next + (first - row) / CK_TILE_ROWS * share, share / block_depth};
          product_tile[tile_index(rows)][vectors - 1](a, b, k_end - k, sums[tile + j - panel], k > 0, ahead);
        }
      }
    }
    for (long first = row, tile = 0; first < group_end; first += CK_TILE_ROWS, tile += panels) {
      const long rows = group_end - first < CK_TILE_ROWS ? group_end - first : CK_TILE_ROWS;
      store_rows(p, position_of(patches, first), rows, panel, panel_end, sums[tile], taken);
    }
    row = group_end;
  }
  if (taken) store_moments(moments, p->columns, panel, panel_end, seen, p->moments);
}

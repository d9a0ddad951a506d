// The product of patches and weights: forward convolution, input gradient, linear layers, matrix products.

/// Patch columns copied at a time: with a tile's rows they stay in the first-level cache.
#define CK_PRODUCT_DEPTH 384
#define CK_PRODUCT_STEP (CK_PRODUCT_DEPTH + 16)
#define CK_PRODUCT_PANELS 16

CK_TILES(product_tile, CK_PRODUCT_STEP, 1)

static void product(const ck_product *p, long row, long row_end, long panel, long panel_end) {
  float a[CK_TILE_ROWS * CK_PRODUCT_STEP + CK_VW] __attribute__((aligned(64)));
  float c[CK_PRODUCT_PANELS][CK_TILE_ROWS * CK_TILE_COLUMNS] __attribute__((aligned(64)));
  const ck_patches *patches = &p->patches;
  const long depth = patches->kernel.depth * patches->kernel.height * patches->kernel.width * patches->channels;
  const long blocks = (depth + CK_PRODUCT_DEPTH - 1) / CK_PRODUCT_DEPTH;
  const long block_depth = blocks ? (depth + blocks - 1) / blocks : 0;
  position at = position_of(patches, row);
  if (depth == 0) memset(c, 0, sizeof c);

  while (row < row_end) {
    const long rows = row_end - row < CK_TILE_ROWS ? row_end - row : CK_TILE_ROWS;
    for (long k = 0; k < depth; k += block_depth) {
      const long k_end = k + block_depth < depth ? k + block_depth : depth;
      copy_patches(patches, p->x, at, rows, k, k_end, a, CK_PRODUCT_STEP);
      for (long j = panel; j < panel_end; j++) {
        const long vectors = panel_vectors(p->columns, j);
        const float *b = p->weights + j * depth * CK_TILE_COLUMNS + k * vectors * CK_VW;
        product_tile[tile_index(rows)][vectors - 1](a, b, k_end - k, c[j - panel], k > 0);
      }
    }
    for (long i = 0; i < rows; i++, advance(patches, &at)) {
      const long place = at.batch * p->strides.batch + at.depth * p->strides.depth + at.height * p->strides.height +
                         at.width * p->strides.width;
      for (long j = panel; j < panel_end; j++) {
        const long vectors = panel_vectors(p->columns, j);
        for (long v = 0; v < vectors; v++) {
          const long column = j * CK_TILE_COLUMNS + v * CK_VW;
          const vf value = vload(c[j - panel] + (i * vectors + v) * CK_VW);
          store_part(p->y + place + column, finish_vector(&p->epilogue, value, place + column, column),
                            p->columns - column);
        }
      }
    }
    row += rows;
  }
}

// Tiles that read the input where it lies and finish their outputs in registers: for patches that lie inside the input
// as a few dense runs, and whose sums need no second pass. Short sums (1x1 convolutions of few channels above all) would
// otherwise spend as much time on copies as on products.

/// Patch columns copied at a time: with a tile's rows they stay in the first-level cache.
#define CK_PRODUCT_DEPTH 384
/// Most patch columns of a direct tile: its weights should come from the second-level cache at worst, which is larger
/// where vectors are wide.
#define CK_DIRECT_DEPTH (CK_VW == 16 ? 4096 : 2048)
/// Rows of a direct tile where they lie at multiples of 4 kB, and so meet in the same places of the first-level cache,
/// of which there are 8 to 12.
#define CK_CROWDED_ROWS (CK_TILE_ROWS > 10 ? 10 : CK_TILE_ROWS)
/// An odd number of rows is made even by one tile of half the height, which is odd: a tile of a single row would wait
/// for its sums.
#define CK_HALF_TILE_ROWS (CK_TILE_ROWS / 2)

/// The patches of neighbouring rows, `row_step` floats apart, each `depths` x `heights` runs of `length` floats.
typedef struct {
  const float *x;
  long row_step, length, heights, height_step, depths, depth_step;
  /// Where the next tile's patches are, and how many floats of them to fetch in each round of the innermost loop:
  /// processors do not guess a tile's many short streams.
  long ahead, ahead_step;
} patch_runs;

CK_INLINE void prefetch_tile(const long rows, const long vectors, const float *from, long step) {
#pragma clang loop unroll(full)
  for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (long j = 0; j < vectors; j++) __builtin_prefetch(from + i * step + j * CK_VW, 0, 3);
}

/// A tile of the product. `sums`, if any, are of its vectors.
CK_INLINE void direct_tile(const long rows, const long vectors, const patch_runs *runs, const float *b,
                           const ck_epilogue *e, float *y, long y_step, long offset, long column, long columns,
                           shifted_sums *sums) {
  vf sum[CK_TILE_ROWS][2];
#pragma clang loop unroll(full)
  for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (long j = 0; j < vectors; j++) sum[i][j] = (vf){0};

  // What the epilogue of the next tile reads: of the next panel, or of the next rows' first.
  const int is_last = columns - column <= vectors * CK_VW;
  const long next_tile = is_last ? offset - column + rows * y_step : offset + vectors * CK_VW;
  if (e->residual) prefetch_tile(rows, vectors, e->residual + next_tile, y_step);
  if (e->mask) prefetch_tile(rows, vectors, e->mask + next_tile, y_step);

  const long step = runs->row_step;
  const float *depth_line = runs->x;
  for (long depth = runs->depths; depth > 0; depth--, depth_line += runs->depth_step) {
    const float *line = depth_line;
    for (long height = runs->heights; height > 0; height--, line += runs->height_step) {
      const float *a = line, *next = line + runs->ahead;
#pragma clang loop unroll(disable)
      for (long p = runs->length; p > 0; p--, a++, b += vectors * CK_VW, next += runs->ahead_step) {
        __builtin_prefetch(next, 0, 2);
        vf row[2];
#pragma clang loop unroll(full)
        for (long j = 0; j < vectors; j++) row[j] = vload(b + j * CK_VW);
#pragma clang loop unroll(full)
        for (long i = 0; i < rows; i++) {
          const float value = a[i * step];
#pragma clang loop unroll(full)
          for (long j = 0; j < vectors; j++) sum[i][j] = value * row[j] + sum[i][j];
        }
      }
    }
  }

  if (e->residual || e->mask) {
    // Vector by vector: memory gives a residual or a mask while others are finished.
#pragma clang loop unroll(full)
    for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
      for (long j = 0; j < vectors; j++) {
        const long place = offset + i * y_step + j * CK_VW;
        sum[i][j] = finish_vector(e, sum[i][j], place, column + j * CK_VW);
        store_part(y + place, sum[i][j], columns - column - j * CK_VW);
      }
  } else {
    finish_tile(e, rows, vectors, 2, sum[0], offset, y_step, column);
    store_tile(rows, vectors, 2, sum[0], y + offset, y_step, columns - column);
  }
  if (sums)
#pragma clang loop unroll(full)
    for (long j = 0; j < vectors; j++) add_tile(sums + j, &sum[0][j], 2, rows);
}

typedef void (*direct_tile_function)(const patch_runs *runs, const float *b, const ck_epilogue *e, float *y, long y_step,
                                     long offset, long column, long columns, shifted_sums *sums);

#define CK_DIRECT_TILE(rows, vectors)                                                                            \
  static void direct_tile_##rows##x##vectors(const patch_runs *runs, const float *b, const ck_epilogue *e,        \
                                             float *y, long y_step, long offset, long column, long columns,       \
                                             shifted_sums *sums) {                                                \
    direct_tile(rows, vectors, runs, b, e, y, y_step, offset, column, columns, sums);                             \
  }
#define CK_DEFINE_DIRECT_TILES(rows, unused) CK_DIRECT_TILE(rows, 1) CK_DIRECT_TILE(rows, 2)
CK_EACH_ROW_COUNT(CK_DEFINE_DIRECT_TILES, )

static const direct_tile_function direct_tiles[CK_TILE_ROWS / 2 + 1][2] = {
    CK_EACH_ROW_COUNT(CK_LIST_TILES, direct_tile)};

#if CK_TILE_ROWS == 14
CK_DEFINE_DIRECT_TILES(7, )
static const direct_tile_function direct_half_tiles[2] = {direct_tile_7x1, direct_tile_7x2};
#else
CK_DEFINE_DIRECT_TILES(3, )
static const direct_tile_function direct_half_tiles[2] = {direct_tile_3x1, direct_tile_3x2};
#endif

/// Rows of the next direct tile if `left` of them are left: one or an even number, but for the half tile.
CK_INLINE long direct_rows(long left, long row_step) {
  const long most = row_step % 1024 == 0 ? CK_CROWDED_ROWS : CK_TILE_ROWS;
  if (left % 2 == 1 && left >= CK_HALF_TILE_ROWS && left < most + CK_HALF_TILE_ROWS + 4) return CK_HALF_TILE_ROWS;
  // Two rows wait for their sums as one does.
  const long rows = left == most + 2 ? (left / 2 + 1) / 2 * 2 : left < most ? left : most;
  return rows > 1 ? rows - rows % 2 : rows;
}

/// Which tiles of a product can be direct.
typedef enum {
  DIRECT_NEVER,
  /// Where the rows lie in one output line and their patches inside the input.
  DIRECT_INSIDE,
  /// All: input and output are matrices as they lie.
  DIRECT_ALWAYS,
} directness;

/// Channels from which on a tap is worth a run of its own.
#define CK_LEAST_RUN 16

/// Whether the patch columns of neighbouring taps lie side by side.
CK_INLINE int joins_taps(const ck_patches *g) { return g->dilation.width == 1 && g->pixel == g->channels; }

static directness directness_of(const ck_product *p) {
  const ck_patches *g = &p->patches;
  const long taps = g->kernel.depth * g->kernel.height * g->kernel.width, depth = taps * g->channels;
  const int has_dense_runs =
      joins_taps(g) || g->kernel.width == 1 || (g->kernel.depth == 1 && g->channels >= CK_LEAST_RUN);
  if (depth == 0 || depth > CK_DIRECT_DEPTH || !has_dense_runs) return DIRECT_NEVER;
  const ck_strides *s = &p->strides;
  const int is_matrix =
      taps == 1 && g->stride.depth == 1 && g->stride.height == 1 && g->stride.width == 1 && g->padding.depth == 0 &&
      g->padding.height == 0 && g->padding.width == 0 && g->input.depth == g->output.depth &&
      g->input.height == g->output.height && g->input.width == g->output.width &&
      s->height == g->output.width * s->width && s->depth == g->output.height * s->height &&
      s->batch == g->output.depth * s->depth;
  return is_matrix ? DIRECT_ALWAYS : depth <= CK_PRODUCT_DEPTH ? DIRECT_INSIDE : DIRECT_NEVER;
}

/// Runs one direct tile from `row` on, of which `left` rows are left, if there can be one; returns its number of rows.
/// `sums`, if any, are of the panels' vectors, two for each.
static long run_direct_tile(const ck_product *p, directness kind, long row, long left, long panel, long panel_end,
                            shifted_sums *sums) {
  const ck_patches *g = &p->patches;
  // The last tiles fetch the weights of as many panels that come next: in rounds, each of a line for each patch column.
  const long panels = panel_end - panel, all_panels = (p->columns + CK_TILE_COLUMNS - 1) / CK_TILE_COLUMNS;
  const long rounds = 2 * (all_panels - panel_end < panels ? all_panels - panel_end : panels);
  long round = rounds - (left + CK_TILE_ROWS - 1) / CK_TILE_ROWS * (panels - 1);
  position at = {0, 0, 0, row};
  if (kind == DIRECT_INSIDE) {
    at = position_of(g, row);
    if (left > g->output.width - at.width) left = g->output.width - at.width;
  }
  const long rows = direct_rows(left, g->stride.width * g->pixel);
  const long start = at.width * g->stride.width - g->padding.width;
  const long top = at.height * g->stride.height - g->padding.height;
  const long front = at.depth * g->stride.depth - g->padding.depth;
  if (kind == DIRECT_INSIDE &&
      (start < 0 || top < 0 || front < 0 ||
       start + (rows - 1) * g->stride.width + (g->kernel.width - 1) * g->dilation.width >= g->input.width ||
       top + (g->kernel.height - 1) * g->dilation.height >= g->input.height ||
       front + (g->kernel.depth - 1) * g->dilation.depth >= g->input.depth))
    return 0;
  const long x_line = g->input.width * g->pixel;
  patch_runs runs = {
      .x = p->x + ((at.batch * g->input.depth + front) * g->input.height + top) * x_line + start * g->pixel,
      .row_step = g->stride.width * g->pixel,
      .length = g->kernel.width * g->channels,
      .heights = g->kernel.height,
      .height_step = g->dilation.height * x_line,
      .depths = g->kernel.depth,
      .depth_step = g->dilation.depth * g->input.height * x_line,
      .ahead = rows * g->stride.width * g->pixel,
      .ahead_step = 64 / sizeof(float),
  };
  if (!joins_taps(g) && g->kernel.width > 1) {
    // Each tap of a line is a run of its own.
    runs.length = g->channels;
    runs.heights = g->kernel.width, runs.height_step = g->dilation.width * g->pixel;
    runs.depths = g->kernel.height, runs.depth_step = g->dilation.height * x_line;
  }
  const long depth = runs.length * runs.heights * runs.depths;
  const direct_tile_function *tiles =
      rows == CK_HALF_TILE_ROWS ? direct_half_tiles : direct_tiles[tile_index(rows)];
  const long place = at.batch * p->strides.batch + at.depth * p->strides.depth + at.height * p->strides.height +
                     at.width * p->strides.width;
  for (long j = panel; j < panel_end; j++) {
    const long column = j * CK_TILE_COLUMNS;
    tiles[panel_vectors(p->columns, j) - 1](
        &runs, p->weights + column * depth, &p->epilogue, p->y, p->strides.width, place + column, column, p->columns,
        sums ? sums + 2 * (j - panel) : NULL);
    // One panel has fetched the next rows for all.
    const int fetches_weights = round >= 0 && round < rounds;
    runs.ahead = fetches_weights ? p->weights + (panel_end * CK_TILE_COLUMNS + round * 16) * depth - runs.x : 0;
    runs.ahead_step = fetches_weights ? 64 / sizeof(float) : 0;
    round++;
  }
  return rows;
}

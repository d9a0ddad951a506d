// Products at all points, and their transform to outputs.

/// Where the outputs of a tile lie in one vector of columns.
typedef struct {
  /// Floats from the start of y to the first, and between lines and pixels.
  long offset, line_step, pixel;
  /// Rows and columns that exist.
  long rows, columns;
} output_place;

CK_INLINE output_place place_of_outputs(const ck_winograd_algorithm f, const ck_winograd_problem *p, long tile,
                                        long column) {
  const long m = tile_of(f);
  const tile_place at = place_of_tile(p, tile);
  const long y = at.row * m, x = at.column * m, line_step = p->output.width * p->y_pixel;
  return (output_place){
      .offset = (at.image * p->output.height + y) * line_step + x * p->y_pixel + column,
      .line_step = line_step,
      .pixel = p->y_pixel,
      .rows = at_most(m, p->output.height - y),
      .columns = at_most(m, p->output.width - x),
  };
}

/// Most panels of one call.
#define CK_WINOGRAD_PANELS 2

/// How outputs are stored: what exists of a tile, or all of it in whole vectors, into the caches or past them.
typedef enum { STORE_PART, STORE_WHOLE, STORE_STREAM } storing;

/// What is summed of a tile's outputs: nothing, their mean as the shift of all that follow, or deviations from it.
typedef enum { SUM_NOTHING, SUM_SHIFT, SUM_OUTPUTS } summing;

/// Transforms the other axis and stores, unless it chooses the shift of the sums.
CK_INLINE void finish_output_tile(const ck_winograd_algorithm f, const ck_winograd_problem *p, const vf *half,
                                  output_place at, long column, const storing how, const summing sums,
                                  shifted_sums *columns) {
  const long m = tile_of(f), extent = extent_of(f);
  const ck_epilogue epilogue = p->epilogue;
  float *y = p->y;
  // The tile's own, so that few numbers are added one to another.
  vf sum = {0}, squares = {0};
  const vf shift = sums == SUM_OUTPUTS ? columns->shift : (vf){0};
  for (long i = 0; i < m; i++) {
    if (how == STORE_PART && i >= at.rows) break;
    vf line[CK_WINOGRAD_MOST];
    transform_output_axis(f, half + i * extent, 1, line, 1);
    for (long j = 0; j < m; j++) {
      if (how == STORE_PART && j >= at.columns) break;
      const long offset = at.offset + i * at.line_step + j * at.pixel;
      const vf value = finish_vector(&epilogue, line[j], offset, column);
      if (sums == SUM_SHIFT) {
        sum += value;
        continue;
      }
      if (sums == SUM_OUTPUTS) {
        const vf d = value - shift;
        sum += d;
        squares = d * d + squares;
      }
      if (how == STORE_STREAM)
        vstream(y + offset, value);
      else if (how == STORE_WHOLE)
        vstore(y + offset, value);
      else
        store_part(y + offset, value, p->columns - column);
    }
  }
  if (sums == SUM_SHIFT) *columns = (shifted_sums){.shift = sum / (float)(at.rows * at.columns)};
  if (sums == SUM_OUTPUTS) {
    columns->sum += sum;
    columns->squares += squares;
    columns->rows += at.rows * at.columns;
  }
}

/// One tile's outputs in one vector of columns.
CK_INLINE void transform_output_tile(const ck_winograd_algorithm f, const ck_winograd_problem *p, long tile,
                                     long column, const float *products, long point_step, int streams,
                                     const summing sums, shifted_sums *columns) {
  const long m = tile_of(f), extent = extent_of(f);
  const output_place at = place_of_outputs(f, p, tile, column);
  vf half[CK_WINOGRAD_MOST * CK_WINOGRAD_MOST];
  for (long j = 0; j < extent; j++) {
    vf line[CK_WINOGRAD_MOST];
#pragma clang loop unroll(full)
    for (long i = 0; i < extent; i++) line[i] = vload(products + (i * extent + j) * point_step);
    transform_output_axis(f, line, 1, half + j, extent);
  }
  if (sums == SUM_OUTPUTS && columns->rows == 0)
    finish_output_tile(f, p, half, at, column, STORE_PART, SUM_SHIFT, columns);
  if (at.rows < m || at.columns < m || p->columns - column < CK_VW)
    finish_output_tile(f, p, half, at, column, STORE_PART, sums, columns);
  else if (streams)
    finish_output_tile(f, p, half, at, column, STORE_STREAM, sums, columns);
  else
    finish_output_tile(f, p, half, at, column, STORE_WHOLE, sums, columns);
}

/// Fetches the lines that a tile will be stored to unless `streams`, and those that its epilogue reads: a store that
/// waits for its line holds up all that follow.
CK_INLINE void prefetch_output_tile(const ck_winograd_algorithm f, const ck_winograd_problem *p, long tile,
                                    long column, int streams) {
  const float *residual = p->epilogue.residual, *mask = p->epilogue.mask;
  if (streams && !residual && !mask) return;
  const output_place at = place_of_outputs(f, p, tile, column);
  for (long i = 0; i < at.rows; i++)
    for (long j = 0; j < at.columns; j++) {
      const long offset = at.offset + i * at.line_step + j * at.pixel;
      if (!streams) __builtin_prefetch(p->y + offset, 1);
      if (residual) __builtin_prefetch(residual + offset);
      if (mask) __builtin_prefetch(mask + offset);
    }
}

CK_INLINE void finish_tiles_summing(const ck_winograd_algorithm f, const ck_winograd_problem *p, long tile,
                                    long tile_end, long panel, long panel_end, const float *products,
                                    long product_step, const summing sums, ck_moments moments) {
  const long points = extent_of(f) * extent_of(f), tiles = tile_end - tile;
  const int is_aligned = ((uintptr_t)p->y | p->y_pixel * sizeof(float)) % sizeof(vf) == 0;
  const int streams = p->streams && is_aligned;
  shifted_sums columns[CK_WINOGRAD_PANELS * 2];
  for (long i = 0; i < CK_WINOGRAD_PANELS * 2; i++) columns[i].rows = 0;
  for (long t = 0; t < tiles; t++)
    for (long j = panel; j < panel_end; j++) {
      const long vectors = panel_vectors(p->columns, j);
      for (long v = 0; v < vectors; v++) {
        const long column = j * CK_TILE_COLUMNS + v * CK_VW;
        if (t + 1 < tiles) prefetch_output_tile(f, p, tile + t + 1, column, streams);
        const float *from = products + (j - panel) * points * product_step + (t * vectors + v) * CK_VW;
        transform_output_tile(f, p, tile + t, column, from, product_step, streams, sums,
                              columns + 2 * (j - panel) + v);
      }
    }
  if (streams) vstream_end();
  if (sums == SUM_OUTPUTS) store_moments(columns, p->columns, panel, panel_end, 0, moments);
}

/// Transforms products to the outputs of tiles.
CK_INLINE void finish_tiles(const ck_winograd_algorithm f, const ck_winograd_problem *p, long tile, long tile_end,
                            long panel, long panel_end, const float *products, long product_step, ck_moments moments) {
  if (moments.mean)
    finish_tiles_summing(f, p, tile, tile_end, panel, panel_end, products, product_step, SUM_OUTPUTS, moments);
  else
    finish_tiles_summing(f, p, tile, tile_end, panel, panel_end, products, product_step, SUM_NOTHING, moments);
}

/// The points of weights that meet a point of patches.
CK_INLINE long weight_point(const ck_winograd_algorithm f, long point) {
  const long extent = extent_of(f), last = weight_extent_of(f) - 1;
  return at_most(point / extent, last) * (last + 1) + at_most(point % extent, last);
}

CK_INLINE void multiply_winograd(const ck_winograd_algorithm f, const ck_winograd_problem *p, long tile, long tile_end,
                                 long panel, long panel_end, const float *patches, long point_step, long group_rows,
                                 float *products, ck_moments moments) {
  const long points = extent_of(f) * extent_of(f), weight_points = weight_extent_of(f) * weight_extent_of(f);
  const long tiles = tile_end - tile;
  const long group_size = group_rows * ((p->channels + CK_VW - 1) / CK_VW * CK_VW);
  const long groups = (tiles + group_rows - 1) / group_rows;
  const long product_step = groups * group_rows * CK_TILE_COLUMNS + CK_POINT_GAP;
  const long panel_step = weight_points * (p->channels * CK_TILE_COLUMNS + CK_POINT_GAP);
  for (long point = 0; point < points; point++)
    for (long j = panel; j < panel_end; j++) {
      const long vectors = panel_vectors(p->columns, j), length = p->channels * vectors * CK_VW;
      const float *weights = p->weights + panel_step * j + weight_point(f, point) * (length + CK_POINT_GAP);
      // The groups of tiles share these weights and fetch the next ones between them.
      const float *next = j + 1 < panel_end
                              ? weights + panel_step
                              : p->weights + panel_step * panel +
                                    weight_point(f, at_most(point + 1, points - 1)) *
                                        (p->channels * panel_vectors(p->columns, panel) * CK_VW + CK_POINT_GAP);
      prefetching ahead = {(const char *)next, vectors * CK_VW * (long)sizeof(float) / groups};
      float *to = products + ((j - panel) * points + point) * product_step;
      const float *from = patches + point * point_step;
      for (long row = 0; row < tiles; row += group_rows, from += group_size) {
        const long rows = at_most(group_rows, tiles - row);
        blocked_tiles[tile_index(rows)][vectors - 1](from, weights, p->channels, to + row * vectors * CK_VW, 0,
                                                     CK_WINOGRAD_AHEAD, ahead);
        ahead.at += p->channels * ahead.step;
      }
    }
  finish_tiles(f, p, tile, tile_end, panel, panel_end, products, product_step, moments);
}

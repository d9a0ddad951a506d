// Convolutions of few output channels, of stride 1 along the width. The taps of a kernel line stand side by side as
// columns of one product, and so fill the vectors that the channels of a single tap would leave mostly empty. Multiplied
// with the positions of an input line they give what each position contributes through each tap; shifted by their taps,
// these shares add up to an output line (kn2row, after Vasudevan, Anderson and Gregg 2017). Nothing is copied.
//
// The weight gradient is the same the other way round: each position of an input line meets the outputs that its taps
// reach, which lie side by side in a line of dy.

/// Floats that a line's shares may take.
#define CK_LINE_FLOATS 8192

/// a: `runs` x `length` elements, a_run and a_step floats apart, for rows a_row apart; b: rows b_step apart.
typedef struct {
  long a_row, a_step, length, a_run, runs, b_step;
} line_operands;

/// c[rows][vectors] (+)= a * b, the rows of c lying c_row floats apart.
CK_INLINE void line_tile(const long rows, const long vectors, const line_operands *o, const float *a, const float *b,
                         float *c, long c_row, int accumulate) {
  vf sum[CK_TILE_ROWS][2];
#pragma clang loop unroll(full)
  for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (long j = 0; j < vectors; j++) sum[i][j] = accumulate ? vload(c + i * c_row + j * CK_VW) : (vf){0};

  const long a_row = o->a_row, a_step = o->a_step, b_step = o->b_step;
  for (long run = o->runs; run > 0; run--, a += o->a_run) {
    const float *at = a;
#pragma clang loop unroll(disable)
    for (long p = o->length; p > 0; p--, at += a_step, b += b_step) {
      vf row[2];
#pragma clang loop unroll(full)
      for (long j = 0; j < vectors; j++) row[j] = vload(b + j * CK_VW);
#pragma clang loop unroll(full)
      for (long i = 0; i < rows; i++) {
        const float value = at[i * a_row];
#pragma clang loop unroll(full)
        for (long j = 0; j < vectors; j++) sum[i][j] = value * row[j] + sum[i][j];
      }
    }
  }

#pragma clang loop unroll(full)
  for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (long j = 0; j < vectors; j++) vstore(c + i * c_row + j * CK_VW, sum[i][j]);
}

typedef void (*line_tile_function)(const line_operands *o, const float *a, const float *b, float *c, long c_row,
                                   int accumulate);

#define CK_LINE_TILE(rows, vectors)                                                                               \
  static void line_tile_##rows##x##vectors(const line_operands *o, const float *a, const float *b, float *c,      \
                                           long c_row, int accumulate) {                                          \
    line_tile(rows, vectors, o, a, b, c, c_row, accumulate);                                                      \
  }
#define CK_DEFINE_LINE_TILES(rows) CK_LINE_TILE(rows, 1) CK_LINE_TILE(rows, 2)
#define CK_LIST_LINE_TILES(rows) {line_tile_##rows##x1, line_tile_##rows##x2},
// Odd numbers of rows too: the lines of a kernel are often 3, 5 or 7.
#if CK_TILE_ROWS == 14
#define CK_EACH_LINE_TILE(with) \
  with(1) with(2) with(3) with(4) with(5) with(6) with(7) with(8) with(10) with(12) with(14)
#else
#define CK_EACH_LINE_TILE(with) with(1) with(2) with(3) with(4) with(5) with(6)
#endif
CK_EACH_LINE_TILE(CK_DEFINE_LINE_TILES)
static const line_tile_function line_tiles[][2] = {CK_EACH_LINE_TILE(CK_LIST_LINE_TILES)};

/// c[rows][columns] (+)= a * b in tiles; the columns are whole vectors.
static void line_tiles_of(const line_operands *o, const float *a, const float *b, float *c, long rows, long columns,
                          int accumulate) {
  const long tiles = (rows + CK_TILE_ROWS - 1) / CK_TILE_ROWS;
  const long even = tiles > 1 ? ((rows + tiles - 1) / tiles + 1) / 2 * 2 : rows;
  while (rows > 0) {
    long count = rows < even ? rows : even;
    if (count > 8) count -= count % 2;
    const line_tile_function *tile = line_tiles[count > 8 ? count / 2 + 3 : count - 1];
    for (long j = 0; j < columns; j += CK_TILE_COLUMNS)
      tile[columns - j > CK_VW](o, a, b + j, c + j, columns, accumulate);
    a += count * o->a_row, c += count * columns, rows -= count;
  }
}

/// Positions whose shares are added together.
#define CK_LINE_POSITIONS 4

/// `positions` neighbouring outputs, `count` at a time, that sum the same taps: `line` of them if that is not 0. Shares
/// lie `step` floats apart for the next position, and tap_step for the next tap of an output.
CK_INLINE void add_shares(const ck_product *p, const long count, const long line, const float *shares, long step,
                          long tap_step, long taps, long positions, long place) {
  const ck_epilogue epilogue = p->epilogue;
  const long columns = p->columns, y_step = p->strides.width;
  for (long c = 0; c < columns; c += CK_VW, shares += CK_VW) {
    const float *first = shares;
    for (long done = 0; done < positions; done += count, first += count * step) {
      vf sum[CK_LINE_POSITIONS];
#pragma clang loop unroll(full)
      for (long i = 0; i < count; i++) sum[i] = (vf){0};
      const float *at = first;
      if (line > 0) {
#pragma clang loop unroll(full)
        for (long t = 0; t < line; t++, at += tap_step)
#pragma clang loop unroll(full)
          for (long i = 0; i < count; i++) sum[i] += vload(at + i * step);
      } else {
#pragma clang loop unroll(disable)
        for (long t = 0; t < taps; t++, at += tap_step)
#pragma clang loop unroll(full)
          for (long i = 0; i < count; i++) sum[i] += vload(at + i * step);
      }
#pragma clang loop unroll(full)
      for (long i = 0; i < count; i++) {
        const long offset = place + (done + i) * y_step + c;
        store_part(p->y + offset, finish_vector(&epilogue, sum[i], offset, c), columns - c);
      }
    }
  }
}

#define CK_ADD_SHARES(name, count, line)                                                                          \
  static void name(const ck_product *p, const float *shares, long step, long tap_step, long taps, long positions, \
                   long place) {                                                                                  \
    add_shares(p, count, line, shares, step, tap_step, taps, positions, place);                                   \
  }
CK_ADD_SHARES(add_shares_one, 1, 0)
CK_ADD_SHARES(add_shares_any, CK_LINE_POSITIONS, 0)
CK_ADD_SHARES(add_shares_3, CK_LINE_POSITIONS, 3)
CK_ADD_SHARES(add_shares_5, CK_LINE_POSITIONS, 5)

static void line_product(const ck_product *p, long line, long line_end) {
  if (is_single_channel(p)) return single_channel_product(p, line, line_end);
  float shares[CK_LINE_FLOATS + CK_SPARE] __attribute__((aligned(64)));
  const ck_patches *g = &p->patches;
  const long taps = g->kernel.width, dilation = g->dilation.width, reach = (taps - 1) * dilation;
  const long columns = padded_channels(taps * p->columns);
  const long x_line = g->input.width * g->pixel, x_height = g->dilation.height * x_line;
  const long x_depth = g->dilation.depth * g->input.height * x_line;
  const long tap_step = dilation * columns + p->columns;
  void (*const several)(const ck_product *, const float *, long, long, long, long, long) =
      taps == 3 ? add_shares_3 : taps == 5 ? add_shares_5 : add_shares_any;
  // Output positions whose shares fit.
  const long block = CK_LINE_FLOATS / columns - reach;
  for (; line < line_end; line++) {
    const position at = position_of(g, line * g->output.width);
    const long front = at.depth * g->stride.depth - g->padding.depth;
    const long top = at.height * g->stride.height - g->padding.height;
    const tap_range depth = inside_taps(front, g->kernel.depth, g->dilation.depth, g->input.depth);
    const tap_range height = inside_taps(top, g->kernel.height, g->dilation.height, g->input.height);
    const int has_shares = depth.first < depth.last && height.first < height.last && g->channels > 0;
    const float *x = p->x + ((at.batch * g->input.depth + front) * g->input.height + top) * x_line +
                     height.first * x_height;
    const long place = at.batch * p->strides.batch + at.depth * p->strides.depth + at.height * p->strides.height;
    const long heights = height.last - height.first;
    // Runs over neighbouring channels, or over lines where there is but one channel.
    const line_operands operands =
        g->channels == 1 ? (line_operands){g->pixel, x_height, heights, 0, 1, columns}
                         : (line_operands){g->pixel, 1, g->channels, x_height, heights, columns};
    for (long w = 0; w < g->output.width; w += block) {
      const long w_end = g->output.width - w < block ? g->output.width : w + block;
      const long first = w > g->padding.width ? w - g->padding.width : 0;
      long last = w_end - g->padding.width + reach;
      if (last > g->input.width) last = g->input.width;
      if (has_shares && first < last)
        for (long kd = depth.first; kd < depth.last; kd++)
          line_tiles_of(&operands, x + kd * x_depth + first * g->pixel,
                        p->weights + (kd * g->kernel.height + height.first) * g->channels * columns, shares,
                        last - first, columns, kd > depth.first);
      for (long o = w; o < w_end;) {
        const long start = o - g->padding.width;
        const long from = (start - first) * columns;
        const long to = place + o * p->strides.width;
        if (has_shares && start >= 0 && start + reach < g->input.width) {
          // Up to here all taps lie inside.
          const long inside = g->input.width - reach + g->padding.width;
          const long positions = (inside < w_end ? inside : w_end) - o;
          const long most = positions - positions % CK_LINE_POSITIONS;
          several(p, shares + from, columns, tap_step, taps, most, to);
          add_shares_one(p, shares + from + most * columns, columns, tap_step, taps, positions - most,
                         to + most * p->strides.width);
          o += positions;
        } else {
          const tap_range width = inside_taps(start, taps, dilation, g->input.width);
          const long inside = has_shares && width.last > width.first ? width.last - width.first : 0;
          add_shares_one(p, shares + (inside > 0 ? from + width.first * tap_step : 0), columns, tap_step, inside, 1, to);
          o += 1;
        }
      }
    }
  }
}

static void line_outer_product(const ck_outer_product *p, long line, long line_end) {
  float dy[CK_LINE_FLOATS + CK_SPARE] __attribute__((aligned(64)));
  const ck_patches *g = &p->patches;
  const long taps = g->kernel.width, padding = g->padding.width;
  const long columns = padded_channels(taps * p->columns);
  const long x_line = g->input.width * g->pixel, x_height = g->dilation.height * x_line;
  const long block = CK_LINE_FLOATS / p->columns - (taps - 1);
  memset(p->partial, 0, g->kernel.depth * g->kernel.height * g->channels * columns * sizeof(float));
  // Input positions that any tap reaches.
  const long begin = padding < 0 ? -padding : 0;
  const long reached = g->output.width + taps - 1 - padding;
  const long end = reached < g->input.width ? reached : g->input.width;
  for (; line < line_end; line++) {
    const position at = position_of(g, line * g->output.width);
    const long front = at.depth * g->stride.depth - g->padding.depth;
    const long top = at.height * g->stride.height - g->padding.height;
    const tap_range depth = inside_taps(front, g->kernel.depth, g->dilation.depth, g->input.depth);
    const tap_range height = inside_taps(top, g->kernel.height, g->dilation.height, g->input.height);
    const float *dy_line = p->dy + line * g->output.width * p->columns;
    for (long w = begin; w < end; w += block) {
      const long w_end = end - w < block ? end : w + block;
      // The outputs that taps of positions [w, w_end) reach, zeros where there are none.
      const long first = w + padding - (taps - 1), last = w_end + padding;
      const long from = first < 0 ? 0 : first, until = last < g->output.width ? last : g->output.width;
      float *next = dy;
      if (first < from) next = zero_floats(next, (from - first) * p->columns);
      next = copy_floats(next, dy_line + from * p->columns, (until - from) * p->columns);
      if (until < last) zero_floats(next, (last - until) * p->columns);
      for (long kd = depth.first; kd < depth.last; kd++) {
        const long x_depth = at.batch * g->input.depth + front + kd * g->dilation.depth;
        const float *x = p->x + (x_depth * g->input.height + top) * x_line + w * g->pixel;
        float *partial = p->partial + kd * g->kernel.height * g->channels * columns;
        if (g->channels == 1) {
          const line_operands operands = {x_height, g->pixel, w_end - w, 0, 1, p->columns};
          line_tiles_of(&operands, x + height.first * x_height, dy, partial + height.first * columns,
                        height.last - height.first, columns, 1);
          continue;
        }
        const line_operands operands = {1, g->pixel, w_end - w, 0, 1, p->columns};
        for (long kh = height.first; kh < height.last; kh++)
          line_tiles_of(&operands, x + kh * x_height, dy, partial + kh * g->channels * columns, g->channels, columns,
                        1);
      }
    }
  }
}

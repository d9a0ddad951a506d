// Pooling over [batch, depth, height, width, channels], one row (along the width) of outputs or input gradients a call.

/// Taps t0 ..< t1 of output o along `axis` that fall inside the input.
typedef struct {
  long t0, t1, start;
} ck_window;

/// Divisions take longer than a whole window of few channels: most have nothing to divide.
CK_INLINE long divide_up(long a, long b) { return b == 1 ? a : (a + b - 1) / b; }

CK_INLINE ck_window window(const ck_pool *g, int axis, long o) {
  const long start = o * g->stride[axis] - g->padding_before[axis], d = g->dilation[axis];
  const long room = g->input[axis] - start;  // taps at start + t * d are inside while t * d < room
  ck_window w = {.t0 = start < 0 ? divide_up(-start, d) : 0, .t1 = room > 0 ? divide_up(room, d) : 0, .start = start};
  if (w.t1 > g->kernel[axis]) w.t1 = g->kernel[axis];
  if (w.t1 < w.t0) w.t1 = w.t0;
  return w;
}

/// Taps that the divisor of an average counts along one axis: those inside the input, or inside input and padding.
CK_INLINE long counted_taps(const ck_pool *g, int axis, long o) {
  ck_window w = window(g, axis, o);
  if (!g->counts_padding) return w.t1 - w.t0;
  const long d = g->dilation[axis], room = g->input[axis] + g->padding_after[axis] - w.start;
  const long taps = room > 0 ? divide_up(room, d) : 0;
  return taps < g->kernel[axis] ? taps : g->kernel[axis];
}

/// Moves outputs o0 ..< o1 on to those whose windows span position i along `axis` (with dilation, not all of them touch
/// it); i ascends from call to call.
CK_INLINE void cover(const ck_pool *g, int axis, long i, long *o0, long *o1) {
  const long shifted = i + g->padding_before[axis], reach = (g->kernel[axis] - 1) * g->dilation[axis];
  const long stride = g->stride[axis];
  while (*o0 * stride + reach < shifted) ++*o0;
  while (*o1 < g->output[axis] && *o1 * stride <= shifted) ++*o1;
}

CK_INLINE int touches(const ck_pool *g, int axis, long i, long o) {
  return g->dilation[axis] == 1 || (i + g->padding_before[axis] - o * g->stride[axis]) % g->dilation[axis] == 0;
}

/// Vectors of channels that a forward kernel takes together (measured: 128 bytes beat 256).
enum { pool_slab = CK_VW == 16 ? 2 : 4 };

// `width` is the number of taps along the width where it is a common one, so that their loop unrolls; else 0.

/// The input position of the first tap inside the input, in tap row (d, h).
CK_INLINE long first_tap(const ck_pool *g, ck_window wd, ck_window wh, ck_window ww, long d, long h) {
  const long row = (wd.start + d * g->dilation[0]) * g->input[1] + wh.start + h * g->dilation[1];
  return row * g->input[2] + ww.start + ww.t0 * g->dilation[2];
}

CK_INLINE void max_pool_slab(const int vectors, const int indexed, const int width, const ck_pool *g,
                             ck_window wd, ck_window wh, ck_window ww, const float *x, float *y, int32_t *indices,
                             long columns) {
  const long step = g->dilation[2] * g->x_pixel;
  vf best[4];
  vi where[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) best[v] = vset(-INFINITY), where[v] = (vi){0} - 1;
  for (long d = wd.t0; d < wd.t1; d++)
    for (long h = wh.t0; h < wh.t1; h++) {
      long position = first_tap(g, wd, wh, ww, d, h);
      const float *at = x + position * g->x_pixel;
      for (long taps = width ? width : ww.t1 - ww.t0; taps > 0; taps--, at += step, position += g->dilation[2]) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
          vf a = vload(at + v * CK_VW);
          vi wins = (vi)(a > best[v]) | (vi)(a != a);
          if (indexed) {
            wins |= where[v] < 0;  // a window of -inf still has a winner: its first tap
            where[v] = (wins & (int)position) | (~wins & where[v]);
          }
          best[v] = vselect(wins, a, best[v]);
        }
      }
    }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    store_slab(y, best[v], v * CK_VW, vectors > 1 ? vectors * CK_VW : columns);
    if (indexed) store_slab((float *)indices, (vf)where[v], v * CK_VW, vectors > 1 ? vectors * CK_VW : columns);
  }
}

CK_INLINE void max_pool_pixel(const int indexed, const int width, const ck_pool *g, ck_window wd, ck_window wh,
                              ck_window ww, const float *x, float *y, int32_t *indices) {
  long c = 0;
  for (; c + pool_slab * CK_VW <= g->channels; c += pool_slab * CK_VW)
    max_pool_slab(pool_slab, indexed, width, g, wd, wh, ww, x + c, y + c, indices + c, pool_slab * CK_VW);
  for (; c < g->channels; c += CK_VW)
    max_pool_slab(1, indexed, width, g, wd, wh, ww, x + c, y + c, indices + c, g->channels - c);
}

CK_INLINE void max_pool_row(const int indexed, const ck_pool *g, const long position[3], const float *x, float *y,
                            int32_t *indices) {
  const ck_window wd = window(g, 0, position[1]), wh = window(g, 1, position[2]);
  x += position[0] * g->input[0] * g->input[1] * g->input[2] * g->x_pixel;
  const long row = ((position[0] * g->output[0] + position[1]) * g->output[1] + position[2]) * g->output[2];
  y += row * g->y_pixel;
  if (indexed) indices += row * g->channels;
  for (long o = 0; o < g->output[2]; o++, y += g->y_pixel) {
    const ck_window ww = window(g, 2, o);
    if (ww.t1 - ww.t0 == 3)
      max_pool_pixel(indexed, 3, g, wd, wh, ww, x, y, indices);
    else if (ww.t1 - ww.t0 == 2)
      max_pool_pixel(indexed, 2, g, wd, wh, ww, x, y, indices);
    else
      max_pool_pixel(indexed, 0, g, wd, wh, ww, x, y, indices);
    if (indexed) indices += g->channels;
  }
}

/// Floats of an input row that is narrow enough for its columns to be pooled first.
enum { narrow_row = 4096 };

/// Fewer channels than a vector has lanes, of whole tensors, two dimensions, no dilation.
CK_INLINE int is_narrow(const ck_pool *g) {
  return g->channels < CK_VW && g->x_pixel == g->channels && g->y_pixel == g->channels && g->input[0] == 1 &&
         g->output[0] == 1 && g->kernel[0] == 1 && g->padding_before[0] == 0 && g->dilation[1] == 1 && g->dilation[2] == 1;
}

CK_INLINE int has_taps(const ck_pool *g, int axis, long o) {
  const ck_window w = window(g, axis, o);
  return w.t1 > w.t0;
}

/// Whether `i`, the position of a, comes before those of b where both are equal.
CK_INLINE vi beats(vf a, vi i, vf b, vi j) {
  const vi first = i < j;
  return (vi)(a > b) | ((vi)(a == b) & first) | ((vi)(a != a) & ((vi)(b == b) | ~first));
}

/// The same for few channels, in two dimensions without dilation: the maximum of each column, in vectors that span
/// neighbouring positions, and then those of neighbouring columns.
static void max_pool_narrow(const ck_pool *g, const long position[3], const float *x, float *y, int32_t *indices) {
  float best[narrow_row + CK_VW] __attribute__((aligned(64)));
  int32_t where[narrow_row + CK_VW] __attribute__((aligned(64)));
  const long channels = g->channels, width = g->input[2] * channels;
  const ck_window wh = window(g, 1, position[2]);
  x += position[0] * g->input[1] * width;
  const float *top = x + (wh.start + wh.t0) * width;
  for (long i = 0; i < width; i += CK_VW) {
    vf a = vload(top + i);
    vi row = (vi){0};
    for (long h = 1; h < wh.t1 - wh.t0; h++) {
      const vf b = vload(top + h * width + i);
      const vi wins = (vi)(b > a) | (vi)(b != b);
      a = vselect(wins, b, a);
      row = (wins & (int)h) | (~wins & row);
    }
    vstore(best + i, a);
    memcpy(where + i, &row, sizeof row);
  }
  const long out = (position[0] * g->output[1] + position[2]) * g->output[2] * channels;
  y += out;
  const int line = (int)g->input[2], first_row = (int)((wh.start + wh.t0) * g->input[2]);
  for (long o = 0; o < g->output[2]; o++, y += channels) {
    const ck_window ww = window(g, 2, o);
    const long start = ww.start + ww.t0;
    const float *from = best + start * channels;
    const int32_t *rows = where + start * channels;
    vf a = vload(from);
    vi i, row;
    memcpy(&row, rows, sizeof row);
    i = row * line + (int)(first_row + start);
    for (long t = 1; t < ww.t1 - ww.t0; t++) {
      const vf b = vload(from + t * channels);
      vi j;
      memcpy(&j, rows + t * channels, sizeof j);
      j = j * line + (int)(first_row + start + t);
      const vi wins = beats(b, j, a, i);
      a = vselect(wins, b, a);
      i = (wins & j) | (~wins & i);
    }
    vstore_first(y, a, channels);
    if (indices) vstore_first((float *)indices + out + o * channels, (vf)i, channels);
  }
}

static void max_pool(const ck_pool *g, const long position[3], const float *x, float *y, int32_t *indices) {
  if (is_narrow(g) && g->input[2] * g->channels <= narrow_row && has_taps(g, 1, position[2]) && has_taps(g, 2, 0) &&
      has_taps(g, 2, g->output[2] - 1))
    max_pool_narrow(g, position, x, y, indices);
  else if (indices)
    max_pool_row(1, g, position, x, y, indices);
  else
    max_pool_row(0, g, position, x, y, (int32_t *)y);
}

CK_INLINE void average_pool_slab(const int vectors, const int width, const ck_pool *g, ck_window wd,
                                 ck_window wh, ck_window ww, float divisor, const float *x, float *y, long columns) {
  const long step = g->dilation[2] * g->x_pixel;
  vf sum[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) sum[v] = vset(0);
  for (long d = wd.t0; d < wd.t1; d++)
    for (long h = wh.t0; h < wh.t1; h++) {
      const float *at = x + first_tap(g, wd, wh, ww, d, h) * g->x_pixel;
      for (long taps = width ? width : ww.t1 - ww.t0; taps > 0; taps--, at += step) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) sum[v] += vload(at + v * CK_VW);
      }
    }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) store_slab(y, sum[v] / divisor, v * CK_VW, vectors > 1 ? vectors * CK_VW : columns);
}

CK_INLINE void average_pool_pixel(const int width, const ck_pool *g, ck_window wd, ck_window wh, ck_window ww,
                                  float divisor, const float *x, float *y) {
  long c = 0;
  for (; c + pool_slab * CK_VW <= g->channels; c += pool_slab * CK_VW)
    average_pool_slab(pool_slab, width, g, wd, wh, ww, divisor, x + c, y + c, pool_slab * CK_VW);
  for (; c < g->channels; c += CK_VW)
    average_pool_slab(1, width, g, wd, wh, ww, divisor, x + c, y + c, g->channels - c);
}

static void average_pool(const ck_pool *g, const long position[3], const float *x, float *y) {
  const ck_window wd = window(g, 0, position[1]), wh = window(g, 1, position[2]);
  const long plane_taps = counted_taps(g, 0, position[1]) * counted_taps(g, 1, position[2]);
  x += position[0] * g->input[0] * g->input[1] * g->input[2] * g->x_pixel;
  y += ((position[0] * g->output[0] + position[1]) * g->output[1] + position[2]) * g->output[2] * g->y_pixel;
  for (long o = 0; o < g->output[2]; o++, y += g->y_pixel) {
    const ck_window ww = window(g, 2, o);
    const long taps = plane_taps * counted_taps(g, 2, o);
    const float divisor = taps > 0 ? (float)taps : 1.0f;
    if (ww.t1 - ww.t0 == 3)
      average_pool_pixel(3, g, wd, wh, ww, divisor, x, y);
    else if (ww.t1 - ww.t0 == 2)
      average_pool_pixel(2, g, wd, wh, ww, divisor, x, y);
    else
      average_pool_pixel(0, g, wd, wh, ww, divisor, x, y);
  }
}

/// Outputs whose windows may touch one input position.
typedef struct {
  long d0, d1, h0, h1, w0, w1;
} ck_cover;

CK_INLINE void pool_backward_slab(const int vectors, const int is_max, const ck_pool *g, const long at_input[3],
                                  ck_cover o, const float *dy, const int32_t *indices, float *dx, long columns) {
  const vi here = (vi){0} + (int)((at_input[0] * g->input[1] + at_input[1]) * g->input[2] + at_input[2]);
  vf sum[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) sum[v] = vset(0);
  for (long d = o.d0; d < o.d1; d++) {
    if (!touches(g, 0, at_input[0], d)) continue;
    for (long h = o.h0; h < o.h1; h++) {
      if (!touches(g, 1, at_input[1], h)) continue;
      const long plane_taps = is_max ? 1 : counted_taps(g, 0, d) * counted_taps(g, 1, h);
      for (long w = o.w0; w < o.w1; w++) {
        if (!touches(g, 2, at_input[2], w)) continue;
        const long at = ((d * g->output[1] + h) * g->output[2] + w) * g->channels;
        const float share = is_max ? 1 : 1 / (float)(plane_taps * counted_taps(g, 2, w));
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
          vf gradient = vload(dy + at + v * CK_VW);
          if (is_max)
            sum[v] += vselect((vi)vload((const float *)indices + at + v * CK_VW) == here, gradient, vset(0));
          else
            sum[v] = gradient * share + sum[v];
        }
      }
    }
  }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) store_slab(dx, sum[v], v * CK_VW, vectors > 1 ? 4 * CK_VW : columns);
}

/// One row of input gradients: each gathers from the outputs whose windows touch it, in ascending order of output.
CK_INLINE void pool_backward_row(const int is_max, const ck_pool *g, const long position[3], const float *dy,
                                 const int32_t *indices, float *dx) {
  const long channels = g->channels;
  const long batch = position[0] * g->output[0] * g->output[1] * g->output[2] * channels;
  ck_cover o = {0};
  cover(g, 0, position[1], &o.d0, &o.d1);
  cover(g, 1, position[2], &o.h0, &o.h1);
  dx += ((position[0] * g->input[0] + position[1]) * g->input[1] + position[2]) * g->input[2] * channels;
  dy += batch;
  indices = is_max ? indices + batch : NULL;
  for (long i = 0; i < g->input[2]; i++, dx += channels) {
    cover(g, 2, i, &o.w0, &o.w1);
    const long at[3] = {position[1], position[2], i};
    long c = 0;
    for (; c + 4 * CK_VW <= channels; c += 4 * CK_VW)
      pool_backward_slab(4, is_max, g, at, o, dy + c, is_max ? indices + c : NULL, dx + c, 4 * CK_VW);
    for (; c < channels; c += CK_VW)
      pool_backward_slab(1, is_max, g, at, o, dy + c, is_max ? indices + c : NULL, dx + c, channels - c);
  }
}

/// One row of input gradients where the channels are few and no windows overlap: each output's go to its own window.
CK_INLINE void pool_backward_narrow(const int is_max, const ck_pool *g, const long position[3], const float *dy,
                                    const int32_t *indices, float *dx) {
  const long channels = g->channels, width = g->input[2], h = position[2];
  const long line = (h + g->padding_before[1]) / g->stride[1];
  dx += (position[0] * g->input[1] + h) * width * channels;
  long next = 0;
  if (line < g->output[1]) {
    const long out = (position[0] * g->output[1] + line) * g->output[2] * channels;
    const long plane_taps = is_max ? 1 : counted_taps(g, 1, line);
    for (long o = 0; o < g->output[2]; o++) {
      const ck_window w = window(g, 2, o);
      const vf gradient = vload(dy + out + o * channels);
      const vi winner = is_max ? (vi)vload((const float *)indices + out + o * channels) : (vi){0};
      const float share = is_max ? 1 : 1 / (float)(plane_taps * counted_taps(g, 2, o));
      for (next = w.start + w.t0; next < w.start + w.t1; next++) {
        const vf value = is_max ? vset(0) + vselect(winner == (int)(h * width + next), gradient, vset(0))
                                : gradient * share + vset(0);
        // What a whole vector writes too far belongs to the positions that follow.
        if ((width - next) * channels >= CK_VW)
          vstore(dx + next * channels, value);
        else
          vstore_first(dx + next * channels, value, channels);
      }
    }
  }
  memset(dx + next * channels, 0, (width - next) * channels * sizeof(float));
}

CK_INLINE void pool_backward(const int is_max, const ck_pool *g, const long position[3], const float *dy,
                             const int32_t *indices, float *dx) {
  if (is_narrow(g) && g->stride[1] == g->kernel[1] && g->stride[2] == g->kernel[2] && has_taps(g, 2, 0) &&
      has_taps(g, 2, g->output[2] - 1))
    pool_backward_narrow(is_max, g, position, dy, indices, dx);
  else
    pool_backward_row(is_max, g, position, dy, indices, dx);
}

static void max_pool_backward(const ck_pool *g, const long position[3], const float *dy, const int32_t *indices,
                              float *dx) {
  pool_backward(1, g, position, dy, indices, dx);
}

static void average_pool_backward(const ck_pool *g, const long position[3], const float *dy, float *dx) {
  pool_backward(0, g, position, dy, NULL, dx);
}

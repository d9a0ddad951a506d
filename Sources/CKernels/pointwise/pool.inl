// Pooling over [batch, depth, height, width, channels], one row (along the width) of outputs or input gradients a call.

/// Taps t0 ..< t1 of output o along `axis` that fall inside the input.
typedef struct {
  long t0, t1, start;
} ck_window;

CK_INLINE ck_window window(const ck_pool *g, int axis, long o) {
  const long start = o * g->stride[axis] - g->padding_before[axis], d = g->dilation[axis];
  const long room = g->input[axis] - start;  // taps at start + t * d are inside while t * d < room
  ck_window w = {.t0 = start < 0 ? (-start + d - 1) / d : 0, .t1 = room > 0 ? (room + d - 1) / d : 0, .start = start};
  if (w.t1 > g->kernel[axis]) w.t1 = g->kernel[axis];
  if (w.t1 < w.t0) w.t1 = w.t0;
  return w;
}

/// Taps that the divisor of an average counts along one axis: those inside the input, or inside input and padding.
CK_INLINE long counted_taps(const ck_pool *g, int axis, long o) {
  ck_window w = window(g, axis, o);
  if (!g->counts_padding) return w.t1 - w.t0;
  const long d = g->dilation[axis], room = g->input[axis] + g->padding_after[axis] - w.start;
  const long taps = room > 0 ? (room + d - 1) / d : 0;
  return taps < g->kernel[axis] ? taps : g->kernel[axis];
}

/// Outputs o0 ..< o1 whose windows span position i along `axis` (with dilation, not all of them touch it).
CK_INLINE void covering(const ck_pool *g, int axis, long i, long *o0, long *o1) {
  const long shifted = i + g->padding_before[axis], reach = (g->kernel[axis] - 1) * g->dilation[axis];
  const long stride = g->stride[axis];
  *o0 = shifted > reach ? (shifted - reach + stride - 1) / stride : 0;
  *o1 = shifted / stride + 1;
  if (*o1 > g->output[axis]) *o1 = g->output[axis];
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

static void max_pool(const ck_pool *g, const long position[3], const float *x, float *y, int32_t *indices) {
  if (indices)
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
  ck_cover o;
  covering(g, 0, position[1], &o.d0, &o.d1);
  covering(g, 1, position[2], &o.h0, &o.h1);
  dx += ((position[0] * g->input[0] + position[1]) * g->input[1] + position[2]) * g->input[2] * channels;
  dy += batch;
  indices = is_max ? indices + batch : NULL;
  for (long i = 0; i < g->input[2]; i++, dx += channels) {
    covering(g, 2, i, &o.w0, &o.w1);
    const long at[3] = {position[1], position[2], i};
    long c = 0;
    for (; c + 4 * CK_VW <= channels; c += 4 * CK_VW)
      pool_backward_slab(4, is_max, g, at, o, dy + c, is_max ? indices + c : NULL, dx + c, 4 * CK_VW);
    for (; c < channels; c += CK_VW)
      pool_backward_slab(1, is_max, g, at, o, dy + c, is_max ? indices + c : NULL, dx + c, channels - c);
  }
}

static void max_pool_backward(const ck_pool *g, const long position[3], const float *dy, const int32_t *indices,
                              float *dx) {
  pool_backward_row(1, g, position, dy, indices, dx);
}

static void average_pool_backward(const ck_pool *g, const long position[3], const float *dy, float *dx) {
  pool_backward_row(0, g, position, dy, NULL, dx);
}

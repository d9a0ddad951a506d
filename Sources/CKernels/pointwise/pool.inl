// Pooling over [batch, depth, height, width, channels], one row (along the width) of outputs a call.

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

/// Vectors of channels that a forward kernel takes together (measured: 128 bytes beat 256).
enum { pool_slab = CK_VW == 16 ? 2 : 4 };

// `width` is the number of taps along the width where it is a common one, so that their loop unrolls; else 0.

/// Which tap won is kept as its number within the window, in order of depth, height and width, in so many bytes: 1 where
/// a window's taps have numbers that small, else 4; 0 stands for not at all.
typedef uint8_t vb __attribute__((vector_size(CK_VW)));

CK_INLINE vi load_taps(const int bytes, const void *taps, long at) {
  vi numbers;
  if (bytes == 4) {
    memcpy(&numbers, (const int32_t *)taps + at, sizeof numbers);
    return numbers;
  }
  vb narrow;
  memcpy(&narrow, (const uint8_t *)taps + at, sizeof narrow);
  return __builtin_convertvector(narrow, vi);
}

/// Stores the first `count` lanes, or all if there are fewer.
CK_INLINE void store_taps(const int bytes, void *taps, long at, vi numbers, long count) {
  if (bytes == 4) {
    store_slab((float *)taps + at, (vf)numbers, 0, count);
    return;
  }
  const vb narrow = __builtin_convertvector(numbers, vb);
  uint8_t *to = (uint8_t *)taps + at;
  if (count >= CK_VW)
    memcpy(to, &narrow, CK_VW);
  else
    for (long i = 0; i < count; i++) to[i] = narrow[i];
}

/// The input position of the first tap inside the input, in tap row (d, h).
CK_INLINE long first_tap(const ck_pool *g, ck_window wd, ck_window wh, ck_window ww, long d, long h) {
  const long row = (wd.start + d * g->dilation[0]) * g->input[1] + wh.start + h * g->dilation[1];
  return row * g->input[2] + ww.start + ww.t0 * g->dilation[2];
}

CK_INLINE void max_pool_slab(const int vectors, const int bytes, const int width, const ck_pool *g,
                             ck_window wd, ck_window wh, ck_window ww, const float *x, float *y, void *taps,
                             long at_taps, long columns) {
  const long step = g->dilation[2] * g->x_pixel;
  vf best[4];
  vi where[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) best[v] = vset(-INFINITY), where[v] = (vi){0} - 1;
  for (long d = wd.t0; d < wd.t1; d++)
    for (long h = wh.t0; h < wh.t1; h++) {
      const float *at = x + first_tap(g, wd, wh, ww, d, h) * g->x_pixel;
      long tap = (d * g->kernel[1] + h) * g->kernel[2] + ww.t0;
      for (long count = width ? width : ww.t1 - ww.t0; count > 0; count--, at += step, tap++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
          vf a = vload(at + v * CK_VW);
          vi wins = (vi)(a > best[v]) | (vi)(a != a);
          if (bytes) {
            wins |= where[v] < 0;  // a window of -inf still has a winner: its first tap
            where[v] = (wins & (int)tap) | (~wins & where[v]);
          }
          best[v] = vselect(wins, a, best[v]);
        }
      }
    }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    store_slab(y, best[v], v * CK_VW, vectors > 1 ? vectors * CK_VW : columns);
    if (bytes) store_taps(bytes, taps, at_taps + v * CK_VW, where[v], vectors > 1 ? CK_VW : columns);
  }
}

CK_INLINE void max_pool_pixel(const int bytes, const int width, const ck_pool *g, ck_window wd, ck_window wh,
                              ck_window ww, const float *x, float *y, void *taps, long at_taps) {
  long c = 0;
  for (; c + pool_slab * CK_VW <= g->channels; c += pool_slab * CK_VW)
    max_pool_slab(pool_slab, bytes, width, g, wd, wh, ww, x + c, y + c, taps, at_taps + c, pool_slab * CK_VW);
  for (; c < g->channels; c += CK_VW)
    max_pool_slab(1, bytes, width, g, wd, wh, ww, x + c, y + c, taps, at_taps + c, g->channels - c);
}

CK_INLINE void max_pool_row(const int bytes, const ck_pool *g, const long position[3], const float *x, float *y,
                            void *taps) {
  const ck_window wd = window(g, 0, position[1]), wh = window(g, 1, position[2]);
  x += position[0] * g->input[0] * g->input[1] * g->input[2] * g->x_pixel;
  const long row = ((position[0] * g->output[0] + position[1]) * g->output[1] + position[2]) * g->output[2];
  y += row * g->y_pixel;
  long at_taps = row * g->channels;
  for (long o = 0; o < g->output[2]; o++, y += g->y_pixel, at_taps += g->channels) {
    const ck_window ww = window(g, 2, o);
    if (ww.t1 - ww.t0 == 3)
      max_pool_pixel(bytes, 3, g, wd, wh, ww, x, y, taps, at_taps);
    else if (ww.t1 - ww.t0 == 2)
      max_pool_pixel(bytes, 2, g, wd, wh, ww, x, y, taps, at_taps);
    else
      max_pool_pixel(bytes, 0, g, wd, wh, ww, x, y, taps, at_taps);
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

/// Whether a, of tap `i`, wins over b, of tap `j`.
CK_INLINE vi beats(vf a, vi i, vf b, vi j) {
  const vi first = i < j;
  return (vi)(a > b) | ((vi)(a == b) & first) | ((vi)(a != a) & ((vi)(b == b) | ~first));
}

/// The same for few channels, in two dimensions without dilation: the maximum of each column, in vectors that span
/// neighbouring positions, and then those of neighbouring columns.
CK_INLINE void max_pool_narrow(const int bytes, const ck_pool *g, const long position[3], const float *x, float *y,
                               void *taps) {
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
  const int line = (int)g->kernel[2], first_row = (int)(wh.t0 * g->kernel[2]);
  for (long o = 0; o < g->output[2]; o++, y += channels) {
    const ck_window ww = window(g, 2, o);
    const long start = ww.start + ww.t0;
    const float *from = best + start * channels;
    const int32_t *rows = where + start * channels;
    vf a = vload(from);
    vi i, row;
    memcpy(&row, rows, sizeof row);
    i = row * line + (int)(first_row + ww.t0);
    for (long t = 1; t < ww.t1 - ww.t0; t++) {
      const vf b = vload(from + t * channels);
      vi j;
      memcpy(&j, rows + t * channels, sizeof j);
      j = j * line + (int)(first_row + ww.t0 + t);
      const vi wins = beats(b, j, a, i);
      a = vselect(wins, b, a);
      i = (wins & j) | (~wins & i);
    }
    vstore_first(y, a, channels);
    if (bytes) store_taps(bytes, taps, out + o * channels, i, channels);
  }
}

CK_INLINE void max_pool_of(const int bytes, const ck_pool *g, const long position[3], const float *x, float *y,
                           void *taps) {
  if (is_narrow(g) && g->input[2] * g->channels <= narrow_row && has_taps(g, 1, position[2]) && has_taps(g, 2, 0) &&
      has_taps(g, 2, g->output[2] - 1))
    max_pool_narrow(bytes, g, position, x, y, taps);
  else
    max_pool_row(bytes, g, position, x, y, taps);
}

static void max_pool(const ck_pool *g, const long position[3], const float *x, float *y, void *taps, int tap_bytes) {
  if (!taps)
    max_pool_of(0, g, position, x, y, NULL);
  else if (tap_bytes == 1)
    max_pool_of(1, g, position, x, y, taps);
  else
    max_pool_of(4, g, position, x, y, taps);
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

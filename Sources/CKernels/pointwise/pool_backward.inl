// Gradients of pooling, one row (along the width) of input gradients a call.

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

/// The tap, along `axis`, by which output o reads position i.
CK_INLINE long tap_of(const ck_pool *g, int axis, long i, long o) {
  const long reach = i + g->padding_before[axis] - o * g->stride[axis];
  return g->dilation[axis] == 1 ? reach : reach / g->dilation[axis];
}

/// Outputs whose windows may touch one input position.
typedef struct {
  long d0, d1, h0, h1, w0, w1;
} ck_cover;

/// Where ReLU or ReLU6, whose output y is, lets nothing through. NaN is let through.
CK_INLINE vi is_masked(vf y, float limit) { return (vi)(y <= vset(0)) | (vi)(y >= vset(limit)); }

static void mask_bits(ck_rows x, long rows, long channels, float limit, uint16_t *bits) {
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < channels; c += CK_VW) {
      const vi lanes = ~is_masked(vload(rows_at(x, r, c)), limit) & (1 << viota());
      *bits++ = (uint16_t)__builtin_reduce_or(lanes);
    }
}

/// What is added to a gradient, and what masks it: `at` is its position among all, c its first channel.
CK_INLINE vf finish_pool_gradient(const ck_pool *g, const ck_pool_gradient *p, vf gradient, long at, long c) {
  if (p->residual.start) gradient += vload(rows_at(p->residual, at, c));
  if (p->bits) {
    const int number = p->bits[at * ((g->channels + CK_VW - 1) / CK_VW) + c / CK_VW];
    return vselect((((vi){0} + number) & (1 << viota())) != 0, gradient, vset(0));
  }
  if (!p->mask.start) return gradient;
  return vselect(is_masked(vload(rows_at(p->mask, at, c)), p->limit), vset(0), gradient);
}

/// Channels from c on of the gradient at one input position, the `at`-th of all; `first` is the first of the image's
/// outputs.
CK_INLINE void pool_backward_slab(const int vectors, const int bytes, const ck_pool *g, const ck_pool_gradient *p,
                                  const long at_input[3], ck_cover o, long at, long first, long c, long columns) {
  vf sum[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) sum[v] = vset(0);
  for (long d = o.d0; d < o.d1; d++) {
    if (!touches(g, 0, at_input[0], d)) continue;
    for (long h = o.h0; h < o.h1; h++) {
      if (!touches(g, 1, at_input[1], h)) continue;
      const long plane_taps = bytes ? 1 : counted_taps(g, 0, d) * counted_taps(g, 1, h);
      const long line_tap = (tap_of(g, 0, at_input[0], d) * g->kernel[1] + tap_of(g, 1, at_input[1], h)) * g->kernel[2];
      for (long w = o.w0; w < o.w1; w++) {
        if (!touches(g, 2, at_input[2], w)) continue;
        const long from = first + (d * g->output[1] + h) * g->output[2] + w;
        const vi here = (vi){0} + (int)(line_tap + tap_of(g, 2, at_input[2], w));
        const float share = bytes ? 1 : 1 / (float)(plane_taps * counted_taps(g, 2, w));
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
          const vf gradient = vload(rows_at(p->dy, from, c + v * CK_VW));
          if (bytes) {
            const vi winner = load_taps(bytes, p->taps, from * g->channels + c + v * CK_VW);
            sum[v] += vselect(winner == here, gradient, vset(0));
          } else {
            sum[v] = gradient * share + sum[v];
          }
        }
      }
    }
  }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++)
    store_slab(p->dx + at * g->channels + c, finish_pool_gradient(g, p, sum[v], at, c + v * CK_VW), v * CK_VW,
               vectors > 1 ? 4 * CK_VW : columns);
}

/// Each input gradient gathers from the outputs whose windows touch it, in ascending order of output.
CK_INLINE void pool_backward_row(const int bytes, const ck_pool *g, const long position[3], const ck_pool_gradient *p) {
  const long first = position[0] * g->output[0] * g->output[1] * g->output[2];
  ck_cover o = {0};
  cover(g, 0, position[1], &o.d0, &o.d1);
  cover(g, 1, position[2], &o.h0, &o.h1);
  const long row = ((position[0] * g->input[0] + position[1]) * g->input[1] + position[2]) * g->input[2];
  for (long i = 0; i < g->input[2]; i++) {
    cover(g, 2, i, &o.w0, &o.w1);
    const long at[3] = {position[1], position[2], i};
    long c = 0;
    for (; c + 4 * CK_VW <= g->channels; c += 4 * CK_VW)
      pool_backward_slab(4, bytes, g, p, at, o, row + i, first, c, 4 * CK_VW);
    for (; c < g->channels; c += CK_VW)
      pool_backward_slab(1, bytes, g, p, at, o, row + i, first, c, g->channels - c);
  }
}

/// The same where the channels are few, no windows overlap, and nothing else happens to the gradient: each output's goes
/// to its own window.
CK_INLINE void pool_backward_narrow(const int bytes, const ck_pool *g, const long position[3],
                                    const ck_pool_gradient *p) {
  const long channels = g->channels, width = g->input[2], h = position[2];
  const long line = (h + g->padding_before[1]) / g->stride[1];
  float *dx = p->dx + (position[0] * g->input[1] + h) * width * channels;
  long next = 0;
  if (line < g->output[1]) {
    const long out = (position[0] * g->output[1] + line) * g->output[2];
    const long plane_taps = bytes ? 1 : counted_taps(g, 1, line);
    const long line_tap = tap_of(g, 1, h, line) * g->kernel[2];
    for (long o = 0; o < g->output[2]; o++) {
      const ck_window w = window(g, 2, o);
      const vf gradient = vload(rows_at(p->dy, out + o, 0));
      const vi winner = bytes ? load_taps(bytes, p->taps, (out + o) * channels) : (vi){0};
      const float share = bytes ? 1 : 1 / (float)(plane_taps * counted_taps(g, 2, o));
      for (next = w.start + w.t0; next < w.start + w.t1; next++) {
        const vf value = bytes ? vset(0) + vselect(winner == (int)(line_tap + next - w.start), gradient, vset(0))
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

CK_INLINE void pool_backward_of(const int bytes, const ck_pool *g, const long position[3], const ck_pool_gradient *p) {
  if (is_narrow(g) && g->stride[1] == g->kernel[1] && g->stride[2] == g->kernel[2] && has_taps(g, 2, 0) &&
      has_taps(g, 2, g->output[2] - 1) && !p->residual.start && !p->mask.start && !p->bits)
    pool_backward_narrow(bytes, g, position, p);
  else
    pool_backward_row(bytes, g, position, p);
}

static void pool_backward(const ck_pool *g, const long position[3], const ck_pool_gradient *p) {
  if (!p->taps)
    pool_backward_of(0, g, position, p);
  else if (p->tap_bytes == 1)
    pool_backward_of(1, g, position, p);
  else
    pool_backward_of(4, g, position, p);
}

// Batch normalisation over rows of channels: a slab of up to four vectors of channels at a time, walked down the rows,
// so that per-channel values stay in registers.

/// How many rows of a block give the shift of its statistics.
enum { moments_shift_rows = 8 };

/// Rows that all slabs walk before the next rows: few where rows are long, so that their pages stay mapped.
CK_INLINE long block_rows(long channels) { return channels < 512 ? 128 : 32; }

/// Mean and M2 of one block, merged into the running ones (Chan, Golub, LeVeque 1979). Deviations are taken from the
/// mean of the block's first rows, which is within sqrt(128 / 8) = 4 standard deviations of the block's mean
/// whatever the data, so that M2 = sum(d^2) - sum(d)^2 / n loses next to nothing by cancellation.
CK_INLINE void moments_slab(const int vectors, const float *x, long rows, long columns, long stride, long seen,
                            double *mean, double *m2) {
  const long shift_rows = rows < moments_shift_rows ? rows : moments_shift_rows;
  vf shift[4], s[4], q[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) shift[v] = s[v] = q[v] = vset(0);
  for (long r = 0; r < shift_rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) shift[v] += vload(x + r * stride + v * CK_VW);
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) shift[v] = shift[v] / (float)shift_rows;
  for (long r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      vf d = vload(x + r * stride + v * CK_VW) - shift[v];
      s[v] += d;
      q[v] = d * d + q[v];
    }
  float shifts[4 * CK_VW], sums[4 * CK_VW], squares[4 * CK_VW];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    vstore(shifts + v * CK_VW, shift[v]);
    vstore(sums + v * CK_VW, s[v]);
    vstore(squares + v * CK_VW, q[v]);
  }
  const double weight = (double)rows / (double)(seen + rows), cross = weight * (double)seen, inverse = 1 / (double)rows;
  for (long c = 0; c < columns; c++) {
    const double offset = (double)sums[c] * inverse, delta = (double)shifts[c] + offset - mean[c];
    mean[c] += delta * weight;
    m2[c] += (double)squares[c] - (double)sums[c] * offset + delta * delta * cross;
  }
}

static void moments(const float *x, long rows, long channels, long seen, double *mean, double *m2) {
  const long step = block_rows(channels);
  for (long r = 0; r < rows; r += step, seen += step) {
    const long block = rows - r < step ? rows - r : step;
    const float *at = x + r * channels;
    long c = 0;
    for (; c + 4 * CK_VW <= channels; c += 4 * CK_VW)
      moments_slab(4, at + c, block, 4 * CK_VW, channels, seen, mean + c, m2 + c);
    for (; c < channels; c += CK_VW)
      moments_slab(1, at + c, block, channels - c < CK_VW ? channels - c : CK_VW, channels, seen, mean + c, m2 + c);
  }
}

/// Stores whole vectors, or the valid lanes of a last, partial one.
CK_INLINE void store_slab(float *y, vf v, long offset, long columns) {
  if (offset + CK_VW <= columns)
    vstore(y + offset, v);
  else
    vstore_first(y + offset, v, columns - offset);
}

CK_INLINE void normalize_slab(const int vectors, const int relu, ck_normalize p, const float *x, float *y, long rows,
                              long c, long columns, long stride, long y_stride) {
  vf mean[4], scale[4], shift[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    mean[v] = vload(p.mean + c + v * CK_VW);
    scale[v] = vload(p.scale + c + v * CK_VW);
    shift[v] = vload(p.shift + c + v * CK_VW);
  }
  for (long r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      vf out = (vload(x + r * stride + c + v * CK_VW) - mean[v]) * scale[v] + shift[v];
      if (relu) out = vselect(out <= vset(0), vset(0), out);
      store_slab(y + r * y_stride + c, out, v * CK_VW, vectors > 1 ? 4 * CK_VW : columns);
    }
}

CK_INLINE void normalize_rows(const int relu, ck_normalize p, const float *x, float *y, long rows, long channels,
                              long y_stride) {
  long c = 0;
  for (; c + 4 * CK_VW <= channels; c += 4 * CK_VW)
    normalize_slab(4, relu, p, x, y, rows, c, 4 * CK_VW, channels, y_stride);
  for (; c < channels; c += CK_VW) normalize_slab(1, relu, p, x, y, rows, c, channels - c, channels, y_stride);
}

static void normalize(ck_normalize p, const float *x, float *y, long rows, long channels, long y_stride) {
  const long step = block_rows(channels);
  for (long r = 0; r < rows; r += step) {
    const long block = rows - r < step ? rows - r : step;
    if (p.relu)
      normalize_rows(1, p, x + r * channels, y + r * y_stride, block, channels, y_stride);
    else
      normalize_rows(0, p, x + r * channels, y + r * y_stride, block, channels, y_stride);
  }
}

CK_INLINE void sums_slab(const int vectors, const int masked, const float *dy, const float *x, const float *y,
                         const float *mean, long rows, long columns, long stride, double *sum, double *product_sum) {
  vf m[4], s[4], q[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) m[v] = vload(mean + v * CK_VW), s[v] = vset(0), q[v] = vset(0);
  for (long r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      const long at = r * stride + v * CK_VW;
      vf g = vload(dy + at);
      if (masked) g = vselect(vload(y + at) > vset(0), g, vset(0));
      s[v] += g;
      q[v] = g * (vload(x + at) - m[v]) + q[v];
    }
  float sums[4 * CK_VW], products[4 * CK_VW];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) vstore(sums + v * CK_VW, s[v]), vstore(products + v * CK_VW, q[v]);
  for (long c = 0; c < columns; c++) sum[c] += sums[c], product_sum[c] += products[c];
}

CK_INLINE void sums_rows(const int masked, const float *dy, const float *x, const float *y, const float *mean,
                         long rows, long channels, double *sum, double *product_sum) {
  long c = 0;
  for (; c + 4 * CK_VW <= channels; c += 4 * CK_VW)
    sums_slab(4, masked, dy + c, x + c, y + c, mean + c, rows, 4 * CK_VW, channels, sum + c, product_sum + c);
  for (; c < channels; c += CK_VW)
    sums_slab(1, masked, dy + c, x + c, y + c, mean + c, rows, channels - c < CK_VW ? channels - c : CK_VW, channels,
              sum + c, product_sum + c);
}

static void normalize_sums(const float *dy, const float *x, const float *y, const float *mean, long rows, long channels,
                           double *sum, double *product_sum) {
  const long step = block_rows(channels);
  for (long r = 0; r < rows; r += step) {
    const long block = rows - r < step ? rows - r : step, at = r * channels;
    if (y)
      sums_rows(1, dy + at, x + at, y + at, mean, block, channels, sum, product_sum);
    else
      sums_rows(0, dy + at, x + at, x + at, mean, block, channels, sum, product_sum);
  }
}

CK_INLINE void normalize_backward_slab(const int vectors, const int masked, ck_normalize_backward p, const float *dy,
                                       const float *x, const float *y, float *dx, long rows, long c, long columns,
                                       long stride) {
  vf mean[4], scale[4], center[4], slope[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    mean[v] = vload(p.mean + c + v * CK_VW);
    scale[v] = vload(p.scale + c + v * CK_VW);
    center[v] = vload(p.center + c + v * CK_VW);
    slope[v] = vload(p.slope + c + v * CK_VW);
  }
  for (long r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      const long at = r * stride + c + v * CK_VW;
      vf g = vload(dy + at);
      if (masked) g = vselect(vload(y + at) > vset(0), g, vset(0));
      vf out = (g - center[v]) * scale[v] + (vload(x + at) - mean[v]) * slope[v];
      store_slab(dx + r * stride + c, out, v * CK_VW, vectors > 1 ? 4 * CK_VW : columns);
    }
}

CK_INLINE void normalize_backward_rows(const int masked, ck_normalize_backward p, const float *dy, const float *x,
                                       const float *y, float *dx, long rows, long channels) {
  long c = 0;
  for (; c + 4 * CK_VW <= channels; c += 4 * CK_VW)
    normalize_backward_slab(4, masked, p, dy, x, y, dx, rows, c, 4 * CK_VW, channels);
  for (; c < channels; c += CK_VW)
    normalize_backward_slab(1, masked, p, dy, x, y, dx, rows, c, channels - c, channels);
}

static void normalize_backward(ck_normalize_backward p, const float *dy, const float *x, const float *y, float *dx,
                               long rows, long channels) {
  const long step = block_rows(channels);
  for (long r = 0; r < rows; r += step) {
    const long block = rows - r < step ? rows - r : step, at = r * channels;
    if (y)
      normalize_backward_rows(1, p, dy + at, x + at, y + at, dx + at, block, channels);
    else
      normalize_backward_rows(0, p, dy + at, x + at, x + at, dx + at, block, channels);
  }
}

/// The sum of the lanes by halves: few additions wait for one another.
CK_INLINE float vsum_halves(vf v) {
  float lanes[CK_VW];
  vstore(lanes, v);
#pragma clang loop unroll(full)
  for (int half = CK_VW / 2; half > 0; half /= 2)
#pragma clang loop unroll(full)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}

/// Elements that a row may have, so that its sums, of deviations from about its mean, may stay in single precision.
#define CK_STANDARDIZED_COUNT 4096

static void standardize_rows(const float *x, float *y, float *inverse, long rows, long count, double epsilon) {
  const long whole = count / CK_VW * CK_VW, rest = count - whole;
  const float share = 1.0f / (float)count;
  for (; rows > 0; rows--, x += count, y += count, inverse++) {
    vf sums[2] = {{0}, {0}}, squares[2] = {{0}, {0}};
    for (long i = 0; i < whole; i += CK_VW) sums[i / CK_VW % 2] += vload(x + i);
    if (rest) sums[1] += vload_first(x + whole, rest, 0);
    // About the mean; what it lacks is found below.
    const float centre = vsum_halves(sums[0] + sums[1]) * share;
    sums[0] = sums[1] = (vf){0};
    for (long i = 0; i < whole; i += CK_VW) {
      const vf deviation = vload(x + i) - centre;
      sums[i / CK_VW % 2] += deviation;
      squares[i / CK_VW % 2] = deviation * deviation + squares[i / CK_VW % 2];
    }
    if (rest) {
      const vf deviation = vload_first(x + whole, rest, centre) - centre;
      sums[1] += deviation;
      squares[1] = deviation * deviation + squares[1];
    }
    const double mean = vsum_halves(sums[0] + sums[1]) * share;
    const double variance = (double)vsum_halves(squares[0] + squares[1]) / (double)count - mean * mean;
    const float scale = (float)(1 / __builtin_sqrt((variance < 0 ? 0 : variance) + epsilon));
    const float shift = (float)-mean * scale;
    *inverse = scale;
    for (long i = 0; i < count; i += CK_VW) vstore_upto(y, i, count, (vload(x + i) - centre) * scale + shift);
  }
}

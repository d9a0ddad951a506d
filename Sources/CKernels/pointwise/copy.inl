// Moving numbers: fill, accumulate, transpose.

static void fill(float *y, long n, float value) {
  for (long i = 0; i < n; i++) y[i] = value;
}

static void accumulate(const float *xs, float *ys, long n) {
  CK_EACH(n, ys, vf x = vload(xs + i); vf old = vload(ys + i), y = old + x)
}

/// The sum of some rows; each element stays in a register for all its taps.
CK_INLINE void resample_row(const long taps, const float *x, const long *sources, const float *weights, long inner,
                            float *y) {
  for (long i = 0; i < inner; i += CK_VW) {
    vf sum = {0};
    for (long t = 0; t < taps; t++) sum = weights[t] * vload(x + sources[t] * inner + i) + sum;
    if (inner - i >= CK_VW)
      vstore(y + i, sum);
    else
      vstore_first(y + i, sum, inner - i);
  }
}

static void resample(const ck_resampling *map, const float *x, long first, long last, long inner, float *y) {
  const long *sources = map->sources;
  const float *weights = map->weights;
  for (long o = first; o < last; o++, y += inner) {
    const long begin = map->starts[o], end = map->starts[o + 1];
    if (inner == 1) {
      float sum = 0;
      for (long t = begin; t < end; t++) sum += weights[t] * x[sources[t]];
      *y = sum;
      continue;
    }
    // Linear interpolation has two.
    if (end - begin == 2)
      resample_row(2, x, sources + begin, weights + begin, inner, y);
    else
      resample_row(end - begin, x, sources + begin, weights + begin, inner, y);
  }
}

typedef float vf4 __attribute__((vector_size(16)));
typedef float vf4_unaligned __attribute__((vector_size(16), aligned(4), may_alias));

/// A 4 x 4 block, in registers.
CK_INLINE void transpose_block(const float *x, long x_stride, float *y, long y_stride) {
  vf4 a = *(const vf4_unaligned *)x, b = *(const vf4_unaligned *)(x + x_stride);
  vf4 c = *(const vf4_unaligned *)(x + 2 * x_stride), d = *(const vf4_unaligned *)(x + 3 * x_stride);
  vf4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  vf4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  *(vf4_unaligned *)y = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
  *(vf4_unaligned *)(y + y_stride) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  *(vf4_unaligned *)(y + 2 * y_stride) = __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5);
  *(vf4_unaligned *)(y + 3 * y_stride) = __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7);
}

/// Three dense rows to pixels of three: 4-wide stores overlap the next pixel, which is stored after; the last is exact.
static void interleave3(const float *x, long x_stride, float *y, long columns) {
  long c = 0;
  for (; c + 5 <= columns; c += 4) {
    const float *at = x + c;
    vf4 a = *(const vf4_unaligned *)at, b = *(const vf4_unaligned *)(at + x_stride);
    vf4 d = *(const vf4_unaligned *)(at + 2 * x_stride);
    vf4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    *(vf4_unaligned *)(y + 3 * c) = __builtin_shufflevector(ab, d, 0, 1, 4, 4);
    *(vf4_unaligned *)(y + 3 * c + 3) = __builtin_shufflevector(ab, d, 2, 3, 5, 5);
    *(vf4_unaligned *)(y + 3 * c + 6) = __builtin_shufflevector(ab2, d, 0, 1, 6, 6);
    *(vf4_unaligned *)(y + 3 * c + 9) = __builtin_shufflevector(ab2, d, 2, 3, 7, 7);
  }
  for (; c < columns; c++)
    for (long r = 0; r < 3; r++) y[3 * c + r] = x[r * x_stride + c];
}

/// In tiles, of whole cache lines on both sides, that are long along the rows of y (measured: the safest of nine).
static void transpose(const float *x, long x_stride, float *y, long y_stride, long rows, long columns) {
  if (rows == 3 && y_stride == 3) return interleave3(x, x_stride, y, columns);
  const long height = 64, width = 16;
  for (long r0 = 0; r0 < rows; r0 += height)
    for (long c0 = 0; c0 < columns; c0 += width) {
      const long r1 = r0 + height < rows ? r0 + height : rows, c1 = c0 + width < columns ? c0 + width : columns;
      const long whole_rows = r0 + (r1 - r0) / 4 * 4, whole_columns = c0 + (c1 - c0) / 4 * 4;
      for (long c = c0; c < whole_columns; c += 4)
        for (long r = r0; r < whole_rows; r += 4)
          transpose_block(x + r * x_stride + c, x_stride, y + c * y_stride + r, y_stride);
      for (long c = c0; c < c1; c++)
        for (long r = c < whole_columns ? whole_rows : r0; r < r1; r++) y[c * y_stride + r] = x[r * x_stride + c];
    }
}

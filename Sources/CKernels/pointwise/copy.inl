// Moving numbers: fill, accumulate, transpose.

static void fill(float *y, long n, float value) {
  for (long i = 0; i < n; i++) y[i] = value;
}

static void accumulate(const float *xs, float *ys, long n) {
  CK_EACH(n, ys, vf x = vload(xs + i); vf old = vload(ys + i), y = old + x)
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

static void transpose(const float *x, long x_stride, float *y, long y_stride, long rows, long columns) {
  const long tile = 32;  // a tile of both sides fits the first-level cache
  for (long r0 = 0; r0 < rows; r0 += tile)
    for (long c0 = 0; c0 < columns; c0 += tile) {
      long r1 = r0 + tile < rows ? r0 + tile : rows, c1 = c0 + tile < columns ? c0 + tile : columns;
      long r = r0;
      for (; r + 4 <= r1; r += 4) {
        long c = c0;
        for (; c + 4 <= c1; c += 4) transpose_block(x + r * x_stride + c, x_stride, y + c * y_stride + r, y_stride);
        for (; c < c1; c++)
          for (long k = r; k < r + 4; k++) y[c * y_stride + k] = x[k * x_stride + c];
      }
      for (long c = c0; c < c1; c++)
        for (long k = r; k < r1; k++) y[c * y_stride + k] = x[k * x_stride + c];
    }
}

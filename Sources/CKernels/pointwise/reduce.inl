// Reductions. Sums run in Float32 lanes within short blocks and in double across blocks, in a fixed order.

/// Elements (or rows, when reducing columns) whose lanes are summed in single precision.
enum { reduce_block = 32 };

/// x in the first n lanes, `other` in the rest.
CK_INLINE vf vload_first(const float *x, long n, float other) {
  return vselect(viota() < ((vi){0} + (int)n), vload(x), vset(other));
}

#define CK_REDUCE_SUM(NAME, TERM)                                             \
  static double reduce_##NAME(const float *xs, long n) {                      \
    double total = 0;                                                         \
    long i = 0;                                                               \
    while (i + 4 * CK_VW <= n) {                                              \
      vf s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};                              \
      for (int k = 0; k < reduce_block && i + 4 * CK_VW <= n; k++) {          \
        vf x = vload(xs + i);                                                 \
        s0 += TERM;                                                           \
        x = vload(xs + i + CK_VW);                                            \
        s1 += TERM;                                                           \
        x = vload(xs + i + 2 * CK_VW);                                        \
        s2 += TERM;                                                           \
        x = vload(xs + i + 3 * CK_VW);                                        \
        s3 += TERM;                                                           \
        i += 4 * CK_VW;                                                       \
      }                                                                       \
      total += vsum((s0 + s1) + (s2 + s3));                                   \
    }                                                                         \
    for (; i < n; i += CK_VW) {                                               \
      vf x = i + CK_VW <= n ? vload(xs + i) : vload_first(xs + i, n - i, 0);  \
      total += vsum(TERM);                                                    \
    }                                                                         \
    return total;                                                             \
  }
CK_REDUCE_SUM(sum, x)
CK_REDUCE_SUM(sum_of_squares, x *x)

static double reduce_product(const float *x, long n) {
  double product = 1;
  for (long i = 0; i < n; i++) product *= x[i];
  return product;
}

CK_INLINE float vlargest(vf v) {
  float best = v[0];
  for (int i = 1; i < CK_VW; i++) best = v[i] > best || v[i] != v[i] ? v[i] : best;
  return best;
}

static float reduce_max(const float *x, long n) {
  vf best = vset(-INFINITY), second = best;
  long i = 0;
  for (; i + 2 * CK_VW <= n; i += 2 * CK_VW) {
    best = vmax_nan(best, vload(x + i));
    second = vmax_nan(second, vload(x + i + CK_VW));
  }
  best = vmax_nan(best, second);
  for (; i < n; i += CK_VW) best = vmax_nan(best, vload_first(x + i, n - i < CK_VW ? n - i : CK_VW, -INFINITY));
  return vlargest(best);
}

static float reduce_min(const float *x, long n) {
  vf best = vset(INFINITY);
  long i = 0;
  for (; i + CK_VW <= n; i += CK_VW) best = vmin_nan(best, vload(x + i));
  if (i < n) best = vmin_nan(best, vload_first(x + i, n - i, INFINITY));
  return -vlargest(-best);
}

static double reduce(ck_reduce_op op, const float *x, long n) {
  switch (op) {
    case CK_SUM: return reduce_sum(x, n);
    case CK_SUM_OF_SQUARES: return reduce_sum_of_squares(x, n);
    case CK_PRODUCT: return reduce_product(x, n);
    case CK_MAX: return reduce_max(x, n);
    case CK_MIN: return reduce_min(x, n);
  }
  return 0;
}

/// Up to reduce_block rows of up to four vectors of columns.
CK_INLINE void reduce_slab(ck_reduce_op op, const int vectors, const float *x, long rows, long columns, long stride,
                           double *accumulator) {
  vf s[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) s[v] = vset(op == CK_MAX ? -INFINITY : op == CK_MIN ? INFINITY : 0);
  for (long r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      vf a = vload(x + r * stride + v * CK_VW);
      s[v] = op == CK_SUM   ? s[v] + a
             : op == CK_MAX ? vmax_nan(s[v], a)
             : op == CK_MIN ? vmin_nan(s[v], a)
                            : s[v] + a * a;
    }
  float lanes[4 * CK_VW];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) vstore(lanes + v * CK_VW, s[v]);
  for (long c = 0; c < columns; c++) {
    double old = accumulator[c], new = lanes[c];
    if (op == CK_MAX)
      accumulator[c] = new > old || new != new ? new : old;
    else if (op == CK_MIN)
      accumulator[c] = new < old || new != new ? new : old;
    else
      accumulator[c] = old + new;
  }
}

CK_INLINE void reduce_columns_of(ck_reduce_op op, const float *x, long rows, long columns, long stride,
                                 double *accumulator) {
  for (long r = 0; r < rows; r += reduce_block) {
    long block = rows - r < reduce_block ? rows - r : reduce_block;
    long c = 0;
    for (; c + 4 * CK_VW <= columns; c += 4 * CK_VW)
      reduce_slab(op, 4, x + r * stride + c, block, 4 * CK_VW, stride, accumulator + c);
    for (; c < columns; c += CK_VW)
      reduce_slab(op, 1, x + r * stride + c, block, columns - c < CK_VW ? columns - c : CK_VW, stride, accumulator + c);
  }
}

static void reduce_columns(ck_reduce_op op, const float *x, long rows, long columns, long stride, double *accumulator) {
  switch (op) {
    case CK_SUM: reduce_columns_of(CK_SUM, x, rows, columns, stride, accumulator); break;
    case CK_SUM_OF_SQUARES: reduce_columns_of(CK_SUM_OF_SQUARES, x, rows, columns, stride, accumulator); break;
    case CK_MAX: reduce_columns_of(CK_MAX, x, rows, columns, stride, accumulator); break;
    case CK_MIN: reduce_columns_of(CK_MIN, x, rows, columns, stride, accumulator); break;
    case CK_PRODUCT:
      for (long r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++) accumulator[c] *= x[r * stride + c];
  }
}

/// x * 0 is 0 exactly where x is finite.
static int all_finite(const float *x, long n) {
  vf s0 = {0}, s1 = {0};
  long i = 0;
  for (; i + 2 * CK_VW <= n; i += 2 * CK_VW) {
    s0 += vload(x + i) * 0.0f;
    s1 += vload(x + i + CK_VW) * 0.0f;
  }
  for (; i < n; i += CK_VW) s0 += vload_first(x + i, n - i < CK_VW ? n - i : CK_VW, 0) * 0.0f;
  return vsum(s0 + s1) == 0;
}

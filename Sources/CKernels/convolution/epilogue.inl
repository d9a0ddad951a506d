// What happens between the registers and the output.

/// Stores the first `count` lanes, or all if there are fewer.
CK_INLINE void store_part(float *to, vf value, long count) {
  if (count >= CK_VW)
    vstore(to, value);
  else
    vstore_first(to, value, count);
}

/// dy where y, the output of ReLU or ReLU6, lies inside its bounds, else 0. NaN counts as inside.
CK_INLINE vf activation_gradient(const int activation, vf dy, vf y) {
  vi is_flat = (vi)(y <= 0.0f);
  if (activation == CK_EPILOGUE_RELU6_GRADIENT) is_flat |= (vi)(y >= 6.0f);
  return vselect(is_flat, (vf){0}, dy);
}

/// Finishes one vector of columns that starts at `offset` in the output and at `column` in the bias.
CK_INLINE vf finish_vector(const ck_epilogue *e, vf value, long offset, long column) {
  if (e->bias) value += vload(e->bias + column);
  if (e->residual) value += vload(e->residual + offset);
  if (e->mask) return activation_gradient(e->activation, value, vload(e->mask + offset));
  // A comparison that is false for NaN keeps it: an activation must not hide a broken network.
  if (e->activation != CK_EPILOGUE_NONE) value = vselect(value < 0.0f, (vf){0}, value);
  if (e->activation == CK_EPILOGUE_RELU6) value = vselect(value > 6.0f, 6.0f - (vf){0}, value);
  return value;
}

/// Finishes the sums of `rows` positions, `y_step` floats apart in the output, of neighbouring vectors each, in place:
/// finish_vector for many at once, which decides once instead of for each.
CK_INLINE void finish_tile(const ck_epilogue *e, const long rows, const long vectors, const long sum_step, vf *sum,
                           long offset, long y_step, long column) {
  if (e->bias)
#pragma clang loop unroll(full)
    for (long j = 0; j < vectors; j++) {
      const vf bias = vload(e->bias + column + j * CK_VW);
#pragma clang loop unroll(full)
      for (long i = 0; i < rows; i++) sum[i * sum_step + j] += bias;
    }
  if (e->residual)
#pragma clang loop unroll(full)
    for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
      for (long j = 0; j < vectors; j++)
        sum[i * sum_step + j] += vload(e->residual + offset + i * y_step + j * CK_VW);
  if (e->mask) {
#pragma clang loop unroll(full)
    for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
      for (long j = 0; j < vectors; j++) {
        const vf y = vload(e->mask + offset + i * y_step + j * CK_VW);
        sum[i * sum_step + j] = activation_gradient(e->activation, sum[i * sum_step + j], y);
      }
    return;
  }
  if (e->activation != CK_EPILOGUE_NONE)
#pragma clang loop unroll(full)
    for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
      for (long j = 0; j < vectors; j++) {
        vf *value = sum + i * sum_step + j;
        *value = vselect(*value < 0.0f, (vf){0}, *value);
      }
  if (e->activation == CK_EPILOGUE_RELU6)
#pragma clang loop unroll(full)
    for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
      for (long j = 0; j < vectors; j++) {
        vf *value = sum + i * sum_step + j;
        *value = vselect(*value > 6.0f, 6.0f - (vf){0}, *value);
      }
}

/// Stores such a tile; `left` columns from its first on are the output's.
CK_INLINE void store_tile(const long rows, const long vectors, const long sum_step, const vf *sum, float *y,
                          long y_step, long left) {
  if (left >= vectors * CK_VW) {
#pragma clang loop unroll(full)
    for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
      for (long j = 0; j < vectors; j++) vstore(y + i * y_step + j * CK_VW, sum[i * sum_step + j]);
  } else {
#pragma clang loop unroll(full)
    for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
      for (long j = 0; j < vectors; j++)
        store_part(y + i * y_step + j * CK_VW, sum[i * sum_step + j], left - j * CK_VW);
  }
}

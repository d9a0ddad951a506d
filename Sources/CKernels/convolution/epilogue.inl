// What happens between the registers and the output.

/// Stores the first `count` lanes, or all if there are fewer.
CK_INLINE void store_part(float *to, vf value, long count) {
  if (count >= CK_VW)
    vstore(to, value);
  else
    vstore_first(to, value, count);
}

/// Finishes one vector of columns that starts at `offset` in the output and at `column` in the bias.
CK_INLINE vf finish_vector(const ck_epilogue *e, vf value, long offset, long column) {
  if (e->bias) value += vload(e->bias + column);
  if (e->residual) value += vload(e->residual + offset);
  // A comparison that is false for NaN keeps it: an activation must not hide a broken network.
  if (e->activation != CK_EPILOGUE_NONE) value = vselect(value < 0.0f, (vf){0}, value);
  if (e->activation == CK_EPILOGUE_RELU6) value = vselect(value > 6.0f, 6.0f - (vf){0}, value);
  return value;
}

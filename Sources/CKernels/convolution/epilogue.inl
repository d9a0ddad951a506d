// What happens between the registers and the output.

/// Stores the first `count` lanes, or all if there are fewer.
CK_INLINE void store_part(float *to, vf value, long count) {
  if (count >= CK_VW) {
    vstore(to, value);
    return;
  }
  float lanes[CK_VW];
  vstore(lanes, value);
  const float *from = lanes;
  // Powers of two: each copy is one instruction.
  if (CK_VW > 8 && count & 8) memcpy(to, from, 32), to += 8, from += 8;
  if (CK_VW > 4 && count & 4) memcpy(to, from, 16), to += 4, from += 4;
  if (count & 2) memcpy(to, from, 8), to += 2, from += 2;
  if (count & 1) *to = *from;
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

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
  if (e->activation == CK_EPILOGUE_NONE) return value;
  if (e->activation >= CK_EPILOGUE_RELU_GRADIENT)
    return activation_gradient(e->activation, value, vload(e->mask + offset));
  // A comparison that is false for NaN keeps it: an activation must not hide a broken network.
  value = vselect(value < 0.0f, (vf){0}, value);
  if (e->activation == CK_EPILOGUE_RELU6) value = vselect(value > 6.0f, 6.0f - (vf){0}, value);
  return value;
}

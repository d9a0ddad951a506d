// Mean 0 and variance 1 in each row: layer norm.

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

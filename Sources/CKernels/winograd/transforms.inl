// The transforms along one axis, for tiles of m = 4 or 6 outputs: matrices of small constants, with common terms
// shared. The interpolation points are 0, 1, -1, 2, -2 and infinity for m = 4, and 1/2, -1/2 besides for m = 6 (Lavin
// and Gray, 2015). Elements are vectors (of channels) a given step apart.

/// The most elements along an axis.
#define CK_WINOGRAD_MOST 8
/// Floats between the points of any buffer: a line, so that they are not a power of two apart and evict one another.
#define CK_POINT_GAP 16

/// Of a patch: m + 2 elements to m + 2.
CK_INLINE void transform_input_axis(const long m, const vf *d, long step, vf *r, long to) {
  if (m == 4) {
    const vf d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    const vf a = d4 - 4 * d2, b = d3 - 4 * d1, c = d4 - d2, e = 2 * (d3 - d1);
    r[0] = 4 * d0 + (d4 - 5 * d2);
    r[to] = a + b;
    r[2 * to] = a - b;
    r[3 * to] = c + e;
    r[4 * to] = c - e;
    r[5 * to] = 4 * d1 + (d5 - 5 * d3);
  } else {
    const vf d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    const vf d6 = d[6 * step], d7 = d[7 * step];
    r[0] = 5.25f * (d4 - d2) + (d0 - d6);
    r[7 * to] = 5.25f * (d3 - d5) + (d7 - d1);
    vf even = (d2 + d6) - 4.25f * d4, odd = (d1 + d5) - 4.25f * d3;
    r[to] = even + odd;
    r[2 * to] = even - odd;
    even = (0.25f * d2 + d6) - 1.25f * d4, odd = 2 * d5 + (0.5f * d1 - 2.5f * d3);
    r[3 * to] = even + odd;
    r[4 * to] = even - odd;
    even = 4 * (d2 - 1.25f * d4) + d6, odd = 0.5f * d5 + (2 * d1 - 2.5f * d3);
    r[5 * to] = even + odd;
    r[6 * to] = even - odd;
  }
}

/// Of products back to outputs: m + 2 elements to m.
CK_INLINE void transform_output_axis(const long m, const vf *d, long step, vf *r, long to) {
  const vf plus1 = d[step] + d[2 * step], minus1 = d[step] - d[2 * step];
  const vf plus2 = d[3 * step] + d[4 * step], minus2 = d[3 * step] - d[4 * step];
  if (m == 4) {
    r[0] = d[0] + (plus1 + plus2);
    r[to] = 2 * minus2 + minus1;
    r[2 * to] = 4 * plus2 + plus1;
    r[3 * to] = d[5 * step] + (8 * minus2 + minus1);
  } else {
    const vf plus3 = d[5 * step] + d[6 * step], minus3 = d[5 * step] - d[6 * step];
    r[0] = (d[0] + plus1) + (32 * plus3 + plus2);
    r[to] = 16 * minus3 + (2 * minus2 + minus1);
    r[2 * to] = 8 * plus3 + (4 * plus2 + plus1);
    r[3 * to] = 4 * minus3 + (8 * minus2 + minus1);
    r[4 * to] = 2 * plus3 + (16 * plus2 + plus1);
    r[5 * to] = (d[7 * step] + minus1) + (32 * minus2 + minus3);
  }
}

/// Of the gradient of outputs: the transpose of transform_output_axis, for m = 4.
CK_INLINE void transform_gradient_axis(const vf *d, long step, vf *r, long to) {
  const vf d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
  const vf even = d0 + d2, odd = d1 + d3, even2 = 4 * d2 + d0, odd2 = 8 * d3 + 2 * d1;
  r[0] = d0;
  r[to] = even + odd;
  r[2 * to] = even - odd;
  r[3 * to] = even2 + odd2;
  r[4 * to] = even2 - odd2;
  r[5 * to] = d3;
}

/// Of weights: 3 elements to m + 2.
CK_INLINE void transform_weights_axis(const long m, const vf *d, long step, vf *r, long to) {
  const vf d0 = d[0], d1 = d[step], d2 = d[2 * step];
  const vf outer = d0 + d2;
  if (m == 4) {
    const vf even = (1.0f / 24) * d0 + (1.0f / 6) * d2, odd = (1.0f / 12) * d1;
    r[0] = 0.25f * d0;
    r[to] = (-1.0f / 6) * (outer + d1);
    r[2 * to] = (-1.0f / 6) * (outer - d1);
    r[3 * to] = even + odd;
    r[4 * to] = even - odd;
    r[5 * to] = d2;
  } else {
    vf even = (1.0f / 90) * d0 + (2.0f / 45) * d2, odd = (1.0f / 45) * d1;
    r[0] = d0;
    r[to] = (-2.0f / 9) * (outer + d1);
    r[2 * to] = (-2.0f / 9) * (outer - d1);
    r[3 * to] = even + odd;
    r[4 * to] = even - odd;
    even = (1.0f / 45) * d0 + (1.0f / 180) * d2, odd = (1.0f / 90) * d1;
    r[5 * to] = even + odd;
    r[6 * to] = even - odd;
    r[7 * to] = d2;
  }
}

/// Of products back to the gradient of weights: the transpose of transform_weights_axis, for m = 4.
CK_INLINE void transform_weight_gradient_axis(const vf *d, long step, vf *r, long to) {
  const vf plus1 = d[step] + d[2 * step], minus1 = d[step] - d[2 * step];
  const vf plus2 = d[3 * step] + d[4 * step], minus2 = d[3 * step] - d[4 * step];
  r[0] = (0.25f * d[0] - (1.0f / 6) * plus1) + (1.0f / 24) * plus2;
  r[to] = (1.0f / 12) * minus2 - (1.0f / 6) * minus1;
  r[2 * to] = (d[5 * step] - (1.0f / 6) * plus1) + (1.0f / 6) * plus2;
}

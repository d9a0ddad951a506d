// The transforms along one axis of the algorithms F(m, r), which compute m outputs of r taps: matrices of small
// constants, with common terms shared. Elements are vectors (of channels) a given step apart.
//
// The interpolation points are 0, 1, -1, 2, -2 and infinity for F(4, 3), and 1/2, -1/2 besides for F(6, 3) and F(5, 4),
// which have the transform of inputs in common (Lavin and Gray, 2015). With stride 2 the outer two taps meet elements at
// even places and the middle one those between: F(4, 2), with the points 0, 1, -1, 2 and infinity, and beside it four
// products of the middle tap, which join it in the transform of outputs.

#define F4_3 CK_WINOGRAD_4_3
#define F5_4 CK_WINOGRAD_5_4
#define F6_3 CK_WINOGRAD_6_3
#define F4_3_STRIDED CK_WINOGRAD_4_3_STRIDED

CK_INLINE long tile_of(const ck_winograd_algorithm f) { return f == F5_4 ? 5 : f == F6_3 ? 6 : 4; }
CK_INLINE long taps_of(const ck_winograd_algorithm f) { return f == F5_4 ? 4 : 3; }
CK_INLINE long stride_of(const ck_winograd_algorithm f) { return f == F4_3_STRIDED ? 2 : 1; }
/// Elements of a patch along an axis, which become as many points.
CK_INLINE long extent_of(const ck_winograd_algorithm f) { return f == F4_3 ? 6 : f == F4_3_STRIDED ? 9 : 8; }
/// Points of weights along an axis: the last one serves all that follow.
CK_INLINE long weight_extent_of(const ck_winograd_algorithm f) { return f == F4_3_STRIDED ? 6 : extent_of(f); }

/// The most elements along an axis, and the most taps.
#define CK_WINOGRAD_MOST 9
#define CK_WINOGRAD_MOST_TAPS 4
/// Floats between the points of any buffer: a line, so that they are not a power of two apart and evict one another.
#define CK_POINT_GAP 16

/// Of a patch: as many elements as points.
CK_INLINE void transform_input_axis(const ck_winograd_algorithm f, const vf *d, long step, vf *r, long to) {
  if (f == F4_3) {
    const vf d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    const vf a = d4 - 4 * d2, b = d3 - 4 * d1, c = d4 - d2, e = 2 * (d3 - d1);
    r[0] = 4 * d0 + (d4 - 5 * d2);
    r[to] = a + b;
    r[2 * to] = a - b;
    r[3 * to] = c + e;
    r[4 * to] = c - e;
    r[5 * to] = 4 * d1 + (d5 - 5 * d3);
  } else if (f == F4_3_STRIDED) {
    const vf d0 = d[0], d2 = d[2 * step], d4 = d[4 * step], d6 = d[6 * step], d8 = d[8 * step];
    const vf difference = d6 - d2;
    r[0] = 2 * (d0 - d4) + difference;
    r[to] = (d6 - d4) - 2 * d2;
    r[2 * to] = (d6 - 3 * d4) + 2 * d2;
    r[3 * to] = difference;
    r[4 * to] = (d8 - d4) - 2 * difference;
    for (long i = 0; i < 4; i++) r[(5 + i) * to] = d[(2 * i + 1) * step];
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

/// Of products back to outputs: m elements.
CK_INLINE void transform_output_axis(const ck_winograd_algorithm f, const vf *d, long step, vf *r, long to) {
  const vf plus1 = d[step] + d[2 * step], minus1 = d[step] - d[2 * step];
  if (f == F4_3_STRIDED) {
    const vf d3 = d[3 * step];
    r[0] = (d[0] + plus1) + (d3 + d[5 * step]);
    r[to] = (2 * d3 + minus1) + d[6 * step];
    r[2 * to] = (4 * d3 + plus1) + d[7 * step];
    r[3 * to] = (8 * d3 + minus1) + (d[4 * step] + d[8 * step]);
    return;
  }
  const vf plus2 = d[3 * step] + d[4 * step], minus2 = d[3 * step] - d[4 * step];
  if (f == F4_3) {
    r[0] = d[0] + (plus1 + plus2);
    r[to] = 2 * minus2 + minus1;
    r[2 * to] = 4 * plus2 + plus1;
    r[3 * to] = d[5 * step] + (8 * minus2 + minus1);
  } else {
    const vf plus3 = d[5 * step] + d[6 * step], minus3 = d[5 * step] - d[6 * step], last = d[7 * step];
    r[0] = (d[0] + plus1) + (32 * plus3 + plus2);
    r[to] = 16 * minus3 + (2 * minus2 + minus1);
    r[2 * to] = 8 * plus3 + (4 * plus2 + plus1);
    r[3 * to] = 4 * minus3 + (8 * minus2 + minus1);
    r[4 * to] = 2 * plus3 + (16 * plus2 + plus1);
    if (f == F5_4)
      r[4 * to] += last;
    else
      r[5 * to] = (last + minus1) + (32 * minus2 + minus3);
  }
}

/// Of the gradient of outputs: the transpose of transform_output_axis, for F(4, 3).
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

/// Of weights: taps to points.
CK_INLINE void transform_weights_axis(const ck_winograd_algorithm f, const vf *d, long step, vf *r, long to) {
  const vf d0 = d[0], d1 = d[step], d2 = d[2 * step];
  if (f == F4_3) {
    const vf outer = d0 + d2, even = (1.0f / 24) * d0 + (1.0f / 6) * d2, odd = (1.0f / 12) * d1;
    r[0] = 0.25f * d0;
    r[to] = (-1.0f / 6) * (outer + d1);
    r[2 * to] = (-1.0f / 6) * (outer - d1);
    r[3 * to] = even + odd;
    r[4 * to] = even - odd;
    r[5 * to] = d2;
  } else if (f == F4_3_STRIDED) {
    r[0] = 0.5f * d0;
    r[to] = -0.5f * (d0 + d2);
    r[2 * to] = (1.0f / 6) * (d2 - d0);
    r[3 * to] = (1.0f / 6) * d0 + (1.0f / 3) * d2;
    r[4 * to] = d2;
    r[5 * to] = d1;
  } else {
    const vf d3 = f == F5_4 ? d[3 * step] : (vf){0};
    vf even = d0 + d2, odd = d1 + d3;
    r[0] = d0;
    r[to] = (-2.0f / 9) * (even + odd);
    r[2 * to] = (-2.0f / 9) * (even - odd);
    even = (1.0f / 90) * d0 + (2.0f / 45) * d2, odd = (1.0f / 45) * d1 + (4.0f / 45) * d3;
    r[3 * to] = even + odd;
    r[4 * to] = even - odd;
    even = (1.0f / 45) * d0 + (1.0f / 180) * d2, odd = (1.0f / 90) * d1 + (1.0f / 360) * d3;
    r[5 * to] = even + odd;
    r[6 * to] = even - odd;
    r[7 * to] = f == F5_4 ? d3 : d2;
  }
}

/// Of products back to the gradient of weights: the transpose of transform_weights_axis, for F(4, 3).
CK_INLINE void transform_weight_gradient_axis(const vf *d, long step, vf *r, long to) {
  const vf plus1 = d[step] + d[2 * step], minus1 = d[step] - d[2 * step];
  const vf plus2 = d[3 * step] + d[4 * step], minus2 = d[3 * step] - d[4 * step];
  r[0] = (0.25f * d[0] - (1.0f / 6) * plus1) + (1.0f / 24) * plus2;
  r[to] = (1.0f / 12) * minus2 - (1.0f / 6) * minus1;
  r[2 * to] = (d[5 * step] - (1.0f / 6) * plus1) + (1.0f / 6) * plus2;
}

// Helpers that every element-wise kernel shares.

/// Stores lanes i ..< min(i + CK_VW, n).
CK_INLINE void vstore_upto(float *p, long i, long n, vf v) {
  if (i + CK_VW <= n)
    vstore(p + i, v);
  else
    vstore_first(p + i, v, n - i);
}

/// Runs a body that assigns y from the vectors loaded at i. The last, partial vector takes the same path: it reads
/// into the slack behind the inputs and stores only its valid lanes, so its bits are those of a full vector.
#define CK_EACH(n, ys, loads, body)              \
  {                                              \
    long i = 0;                                  \
    for (; i + CK_VW <= (n); i += CK_VW) {       \
      loads;                                     \
      vf y;                                      \
      body;                                      \
      vstore((ys) + i, y);                       \
    }                                            \
    if (i < (n)) {                               \
      loads;                                     \
      vf y;                                      \
      body;                                      \
      vstore_first((ys) + i, y, (n)-i);          \
    }                                            \
  }

/// 0, 1, 2, ... in the lanes.
CK_INLINE vi viota(void) {
  vi v;
  for (int i = 0; i < CK_VW; i++) v[i] = i;
  return v;
}

/// The sum of the lanes, in lane order, in double.
CK_INLINE double vsum(vf v) {
  float lanes[CK_VW];
  vstore(lanes, v);
  double sum = 0;
  for (int i = 0; i < CK_VW; i++) sum += lanes[i];
  return sum;
}

/// The larger, NaN if either is; the left one where they are equal.
CK_INLINE vf vmax_nan(vf a, vf b) { return vselect((vi)(b > a) | (vi)(b != b), b, a); }
CK_INLINE vf vmin_nan(vf a, vf b) { return vselect((vi)(b < a) | (vi)(b != b), b, a); }

CK_INLINE vf vabs(vf x) { return (vf)((vi)x & 0x7fffffff); }
CK_INLINE vf vsqrt(vf x) { return __builtin_elementwise_sqrt(x); }

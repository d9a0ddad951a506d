// exp, log, tanh, erf and relatives on vectors; errors of about 1 to 3 units in the last place, NaN propagated, right
// at the infinities.

/// 2^n for -126 <= n <= 127.
CK_INLINE vf vpow2(vi n) { return (vf)((n + 127) << 23); }

/// Cody and Waite's reduction by ln 2, a polynomial of degree 6 (minimax coefficients of Cephes' expf).
CK_INLINE vf vexp(vf x) {
  x = vselect(x > vset(89.0f), vset(89.0f), x);
  x = vselect(x < vset(-104.0f), vset(-104.0f), x);
  const float rounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  vf t = x * 1.44269504088896341f + rounder;
  vf n = t - rounder;
  vf r = n * -0.693359375f + x;
  r = n * 2.12194440e-4f + r;
  vf p = vset(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  vi k = (vi)t - (vi)vset(rounder);
  vi half = k >> 1;  // two factors, since 2^k itself may overflow or be denormal
  return p * vpow2(half) * vpow2(k - half);
}

/// exp(x) - 1 without cancellation near 0.
CK_INLINE vf vexpm1(vf x) {
  vf p = vset(1.0f / 40320);
  p = p * x + 1.0f / 5040;
  p = p * x + 1.0f / 720;
  p = p * x + 1.0f / 120;
  p = p * x + 1.0f / 24;
  p = p * x + 1.0f / 6;
  p = p * x + 0.5f;
  p = p * (x * x) + x;
  return vselect(vabs(x) < vset(0.5f), p, vexp(x) - 1.0f);
}

/// Cephes' logf.
CK_INLINE vf vlog(vf x) {
  const vf smallest = vset(1.17549435e-38f);
  vi tiny = x < smallest;
  vf scaled = vselect(tiny, x * 8388608.0f, x);
  vi bits = (vi)scaled;
  vi exponent = ((bits >> 23) & 0xff) - 126;
  vf e = __builtin_convertvector(exponent, vf) - vselect(tiny, vset(23.0f), vset(0.0f));
  vf m = (vf)((bits & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
  vi low = m < vset(0.707106781186547524f);
  e = vselect(low, e - 1.0f, e);
  vf r = vselect(low, m + m, m) - 1.0f;
  vf z = r * r;
  vf p = vset(7.0376836292e-2f);
  p = p * r - 1.1514610310e-1f;
  p = p * r + 1.1676998740e-1f;
  p = p * r - 1.2420140846e-1f;
  p = p * r + 1.4249322787e-1f;
  p = p * r - 1.6668057665e-1f;
  p = p * r + 2.0000714765e-1f;
  p = p * r - 2.4999993993e-1f;
  p = p * r + 3.3333331174e-1f;
  p = p * r * z;
  p = e * -2.12194440e-4f + p;
  p = z * -0.5f + p;
  vf y = e * 0.693359375f + (r + p);
  y = vselect(x == vset(INFINITY), x, y);
  y = vselect(x == vset(0.0f), vset(-INFINITY), y);
  y = vselect(x < vset(0.0f), vset(NAN), y);
  return vselect(x != x, x, y);
}

/// log(1 + x) for x in [0, 1].
CK_INLINE vf vlog1p(vf x) {
  vf w = x + 1.0f;
  return vlog(w) + (x - (w - 1.0f)) / w;
}

CK_INLINE vf vcopysign(vf magnitude, vf sign) { return (vf)(((vi)sign & (vi)vset(-0.0f)) | (vi)magnitude); }

CK_INLINE vf vsigmoid(vf x) { return 1.0f / (1.0f + vexp(-x)); }

/// Cephes' tanhf: a polynomial below 0.625, the exponential above.
CK_INLINE vf vtanh(vf x) {
  vf a = vabs(x), z = x * x;
  vf p = vset(-5.70498872745e-3f);
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  vf near = p * z * x + x;
  vf far = vcopysign(1.0f - 2.0f / (vexp(a + a) + 1.0f), x);
  return vselect(a < vset(0.625f), near, far);
}

/// Two minimax approximations (N. Juffa): x + x P(x^2) near 0, 1 - exp(-Q(|x|)) beyond.
CK_INLINE vf verf(vf x) {
  vf s = x * x;
  vf p = vset(-5.96761703e-4f);
  p = p * s + 4.99119423e-3f;
  p = p * s - 2.67681349e-2f;
  p = p * s + 1.12819925e-1f;
  p = p * s - 3.76125336e-1f;
  p = p * s + 1.28379166e-1f;
  p = p * x + x;
  vf t = vabs(x);
  t = vselect(t > vset(4.0f), vset(4.0f), t);  // erf rounds to 1 from 3.92 on
  vf q = t * -1.72853470e-5f + 3.83197126e-4f;
  vf u = t * -3.88396438e-3f + 2.42546219e-2f;
  q = q * (t * t) + u;
  q = q * t - 1.06777877e-1f;
  q = q * t - 6.34846687e-1f;
  q = q * t - 1.28717512e-1f;
  q = q * t - t;
  return vselect(t > vset(0.927734375f), vcopysign(1.0f - vexp(q), x), p);
}

/// The normal distribution function, 1/2 + x P(x^2) / Q(x^2): a rational minimax fit up to where it rounds to 1. The
/// second term errs by 4e-7 of itself at most.
CK_INLINE vf vnormal(vf x) {
  const vf limit = vset(5.5437171f);
  vf t = vselect(x > limit, limit, x);
  t = vselect(t < -limit, -limit, t);
  vf s = t * t;
  vf p = vset(1.1006708738880988e-10f);
  p = p * s - 2.1631217705930794e-8f;
  p = p * s + 3.1344711715064477e-6f;
  p = p * s + 1.635886001167819e-4f;
  p = p * s + 4.47008665651083e-3f;
  p = p * s + 3.534190356731415e-2f;
  p = p * s + 0.3989422619342804f;
  vf q = vset(5.97521175222937e-5f);
  q = q * s + 1.7941448604688048e-3f;
  q = q * s + 2.874954789876938e-2f;
  q = q * s + 0.2552548348903656f;
  q = q * s + 1.0f;
  vf y = t * p / q + 0.5f;
  y = vselect(x <= -limit, vset(0), y);
  return vselect(x >= limit, vset(1), y);
}

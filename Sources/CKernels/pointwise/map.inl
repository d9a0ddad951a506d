// Functions of one variable, and the backward of those that serve as activations.

#define CK_INV_SQRT_2PI 0.39894228040143267794f
#define CK_SQRT_2_OVER_PI 0.79788456080286535588f
#define CK_SELU_SCALE 1.0507009873554804934193349852946f
#define CK_SELU_ALPHA 1.6732632423543772848170429916717f

/// x limited to [low, high]; NaN stays.
CK_INLINE vf vclip(vf x, float low, float high) {
  x = vselect(x < vset(low), vset(low), x);
  return vselect(x > vset(high), vset(high), x);
}

// Rare enough for the C library, lane by lane.
CK_INLINE vf vsin(vf x) {
  for (int i = 0; i < CK_VW; i++) x[i] = sinf(x[i]);
  return x;
}

CK_INLINE vf vcos(vf x) {
  for (int i = 0; i < CK_VW; i++) x[i] = cosf(x[i]);
  return x;
}

CK_INLINE vf gelu_tanh_inner(vf x) { return vtanh(CK_SQRT_2_OVER_PI * (x + 0.044715f * x * x * x)); }

CK_INLINE vf gelu_tanh_derivative(vf x) {
  vf t = gelu_tanh_inner(x);
  vf inner = CK_SQRT_2_OVER_PI * (1.0f + 3.0f * 0.044715f * x * x);
  return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner;
}

CK_INLINE vf silu_derivative(vf x) {
  vf s = vsigmoid(x);
  return s * (1.0f + x * (1.0f - s));
}

CK_INLINE vf softplus(vf x, float beta, float threshold) {
  vf z = x * beta;
  vf soft = (vselect(z > vset(0), z, vset(0)) + vlog1p(vexp(-vabs(z)))) / beta;
  return vselect(z > vset(threshold), x, vselect(z != z, z, soft));
}

/// tanh(softplus(x)) = n / (n + 2) with n = e^x (e^x + 2); from 20 on it is 1.
CK_INLINE vf mish_gate(vf x) {
  vf e = vexp(vselect(x > vset(20), vset(20), x));
  vf n = e * (e + 2.0f);
  return n / (n + 2.0f);
}

CK_INLINE vf mish_derivative(vf x) {
  vf e = vexp(vselect(x > vset(20), vset(20), x));
  vf n = e * (e + 2.0f), d = n + 2.0f;
  return n / d + x * (4.0f * e * (1.0f + e)) / (d * d);
}

CK_INLINE vf elu(vf x, float alpha) { return vselect(x <= vset(0), alpha * vexpm1(x), x); }

#define CK_MAP(NAME, EXPRESSION)                                                        \
  static void map_##NAME(const float *xs, float *ys, long n, float a, float b) {        \
    (void)a, (void)b;                                                                   \
    CK_EACH(n, ys, vf x = vload(xs + i), y = EXPRESSION)                                \
  }
#define CK_MAP_BACKWARD(NAME, EXPRESSION)                                                                       \
  static void map_backward_##NAME(const float *dys, const float *xs, float *dxs, long n, float a, float b) {    \
    (void)a, (void)b;                                                                                           \
    CK_EACH(n, dxs, vf x = vload(xs + i); vf dy = vload(dys + i), y = EXPRESSION)                               \
  }

CK_MAP(relu, vselect(x <= vset(0), vset(0), x))
CK_MAP_BACKWARD(relu, vselect(x <= vset(0), vset(0), dy))
CK_MAP(relu6, vclip(x, 0, 6))
CK_MAP_BACKWARD(relu6, vselect((vi)(x <= vset(0)) | (vi)(x >= vset(6)), vset(0), dy))
CK_MAP(leaky_relu, vselect(x > vset(0), x, x * a))
CK_MAP_BACKWARD(leaky_relu, vselect(x > vset(0), dy, dy * a))
CK_MAP(sigmoid, vsigmoid(x))
CK_MAP_BACKWARD(sigmoid, dy * (vsigmoid(x) * vsigmoid(-x)))
CK_MAP(tanh, vtanh(x))
CK_MAP_BACKWARD(tanh, dy * (1.0f - vtanh(x) * vtanh(x)))
CK_MAP(gelu, x * vnormal(x))
CK_MAP_BACKWARD(gelu, dy * (vnormal(x) + x * CK_INV_SQRT_2PI * vexp(-0.5f * x * x)))
CK_MAP(gelu_tanh, 0.5f * x * (1.0f + gelu_tanh_inner(x)))
CK_MAP_BACKWARD(gelu_tanh, dy * gelu_tanh_derivative(x))
CK_MAP(silu, x / (1.0f + vexp(-x)))
CK_MAP_BACKWARD(silu, dy * silu_derivative(x))
CK_MAP(hard_swish, x * vclip(x + 3.0f, 0, 6) / 6.0f)
CK_MAP_BACKWARD(hard_swish,
                vselect(x <= vset(-3), vset(0), vselect(x >= vset(3), dy, dy * (x / 3.0f + 0.5f))))
CK_MAP(hard_sigmoid, vclip(x + 3.0f, 0, 6) / 6.0f)
CK_MAP_BACKWARD(hard_sigmoid, vselect((vi)(x > vset(-3)) & (vi)(x < vset(3)), dy / 6.0f, vset(0)))
CK_MAP(elu, elu(x, a))
CK_MAP_BACKWARD(elu, vselect(x <= vset(0), dy * a * vexp(x), dy))
CK_MAP(selu, CK_SELU_SCALE * elu(x, CK_SELU_ALPHA))
CK_MAP_BACKWARD(selu, CK_SELU_SCALE * vselect(x <= vset(0), dy * CK_SELU_ALPHA * vexp(x), dy))
CK_MAP(softplus, softplus(x, a, b))
CK_MAP_BACKWARD(softplus, vselect(x * a > vset(b), dy, dy * vsigmoid(x * a)))
CK_MAP(mish, x * mish_gate(x))
CK_MAP_BACKWARD(mish, dy * mish_derivative(x))
CK_MAP(clip, vclip(x, a, b))
CK_MAP_BACKWARD(clip, vselect((vi)(x <= vset(a)) | (vi)(x >= vset(b)), vset(0), dy))
CK_MAP(exp, vexp(x))
CK_MAP(log, vlog(x))
CK_MAP(sqrt, vsqrt(x))
CK_MAP(negate, -x)
CK_MAP(abs, vabs(x))
CK_MAP(square, x *x)
CK_MAP(reciprocal, 1.0f / x)
CK_MAP(sign, vselect(x > vset(0), vset(1), vselect(x < vset(0), vset(-1), vset(0))))
CK_MAP(erf, verf(x))
CK_MAP(sin, vsin(x))
CK_MAP(cos, vcos(x))
CK_MAP(floor, __builtin_elementwise_floor(x))
CK_MAP(ceil, __builtin_elementwise_ceil(x))
CK_MAP(round, __builtin_elementwise_roundeven(x))
CK_MAP(not, vselect(x == vset(0), vset(1), vset(0)))
CK_MAP(affine, x *a + b)

typedef void (*map_function)(const float *, float *, long, float, float);
typedef void (*map_backward_function)(const float *, const float *, float *, long, float, float);

static void map(ck_map_op op, const float *x, float *y, long n, float a, float b) {
  static const map_function functions[] = {
      map_relu, map_relu6,      map_leaky_relu, map_sigmoid, map_tanh, map_gelu, map_gelu_tanh, map_silu,
      map_hard_swish, map_hard_sigmoid, map_elu, map_selu,   map_softplus, map_mish, map_clip, map_exp,  map_log,
      map_sqrt, map_negate,     map_abs,        map_square,  map_reciprocal, map_sign, map_erf,
      map_sin,  map_cos,        map_floor,      map_ceil,    map_round, map_not, map_affine,
  };
  functions[op](x, y, n, a, b);
}

static void map_backward(ck_map_op op, const float *dy, const float *x, float *dx, long n, float a, float b) {
  static const map_backward_function functions[] = {
      map_backward_relu,       map_backward_relu6,        map_backward_leaky_relu, map_backward_sigmoid,
      map_backward_tanh,       map_backward_gelu,         map_backward_gelu_tanh,  map_backward_silu,
      map_backward_hard_swish, map_backward_hard_sigmoid, map_backward_elu,        map_backward_selu,
      map_backward_softplus,   map_backward_mish,         map_backward_clip,
  };
  functions[op](dy, x, dx, n, a, b);
}

// Functions of two variables, with either side possibly one number for all elements.

CK_INLINE vf vpower(vf a, vf b) {
  for (int i = 0; i < CK_VW; i++) a[i] = powf(a[i], b[i]);
  return a;
}

CK_INLINE vf vtruth(vi mask) { return vselect(mask, vset(1), vset(0)); }

#define CK_ZIP(NAME, EXPRESSION)                                                                               \
  static void zip_##NAME(const float *as, long a_step, const float *bs, long b_step, float *ys, long n) {      \
    if (a_step && b_step) {                                                                                    \
      CK_EACH(n, ys, vf a = vload(as + i); vf b = vload(bs + i), y = EXPRESSION)                               \
    } else if (a_step) {                                                                                       \
      const vf b = vset(*bs);                                                                                  \
      CK_EACH(n, ys, vf a = vload(as + i), y = EXPRESSION)                                                     \
    } else if (b_step) {                                                                                       \
      const vf a = vset(*as);                                                                                  \
      CK_EACH(n, ys, vf b = vload(bs + i), y = EXPRESSION)                                                     \
    } else {                                                                                                   \
      const vf a = vset(*as), b = vset(*bs);                                                                   \
      CK_EACH(n, ys, , y = EXPRESSION)                                                                         \
    }                                                                                                          \
  }

CK_ZIP(add, a + b)
CK_ZIP(subtract, a - b)
CK_ZIP(multiply, a *b)
CK_ZIP(divide, a / b)
CK_ZIP(maximum, vmax_nan(a, b))
CK_ZIP(minimum, vmin_nan(a, b))
CK_ZIP(power, vpower(a, b))
CK_ZIP(greater, vtruth(a > b))
CK_ZIP(less, vtruth(a < b))
CK_ZIP(equal, vtruth(a == b))
CK_ZIP(greater_or_equal, vtruth(a >= b))
CK_ZIP(less_or_equal, vtruth(a <= b))
CK_ZIP(and, vtruth((vi)(a != vset(0)) & (vi)(b != vset(0))))
CK_ZIP(or, vtruth((vi)(a != vset(0)) | (vi)(b != vset(0))))
CK_ZIP(xor, vtruth((vi)(a != vset(0)) ^ (vi)(b != vset(0))))

static void zip(ck_zip_op op, const float *a, long a_step, const float *b, long b_step, float *y, long n) {
  static void (*const functions[])(const float *, long, const float *, long, float *, long) = {
      zip_add,     zip_subtract, zip_multiply, zip_divide, zip_maximum,
      zip_minimum, zip_power,    zip_greater,  zip_less,   zip_equal,
      zip_greater_or_equal, zip_less_or_equal, zip_and, zip_or, zip_xor,
  };
  functions[op](a, a_step, b, b_step, y, n);
}

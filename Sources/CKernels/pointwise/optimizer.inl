// One pass over a parameter's elements for each optimizer's step; PyTorch's formulas.

/// Sutskever et al. 2013, in PyTorch's form: the learning rate multiplies the velocity, not its increment.
static void sgd(ck_sgd p, const float *gradient, float *parameter, float *velocity, long n) {
  if (velocity == NULL) {
    CK_EACH(n, parameter, vf w = vload(parameter + i); vf g = vload(gradient + i) * p.gradient_scale,
            g = w * p.coupled_decay + g;
            y = w * p.keep - g * p.rate)
    return;
  }
  CK_EACH(n, parameter, vf w = vload(parameter + i); vf g = vload(gradient + i) * p.gradient_scale,
          g = w * p.coupled_decay + g;
          vf v = vload(velocity + i) * p.momentum + g;
          vstore_upto(velocity, i, n, v);
          if (p.nesterov) v = v * p.momentum + g;
          y = w * p.keep - v * p.rate)
}

/// Kingma and Ba 2015; with `keep` below 1, Loshchilov and Hutter's AdamW (2019).
static void adam(ck_adam p, const float *gradient, float *parameter, float *mean, float *variance, long n) {
  CK_EACH(n, parameter, vf w = vload(parameter + i); vf g = vload(gradient + i) * p.gradient_scale,
          g = w * p.coupled_decay + g;
          vf m = vload(mean + i);
          m = (g - m) * p.one_minus_beta1 + m;
          vf v = vload(variance + i) * p.beta2 + g * g * p.one_minus_beta2;
          vstore_upto(mean, i, n, m);
          vstore_upto(variance, i, n, v);
          y = w * p.keep - p.step * (m / (vsqrt(v) / p.root_correction + p.epsilon)))
}

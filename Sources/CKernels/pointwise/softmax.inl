// Softmax, log-softmax and cross-entropy, with the largest logit subtracted first.

/// The sum of exp(x - largest); also written to y if given.
static double exp_sum(const float *x, float *y, long n, float largest) {
  double total = 0;
  for (long i = 0; i < n;) {
    vf sum = vset(0);
    for (int k = 0; k < reduce_block && i < n; k++, i += CK_VW) {
      vf e = vexp((n - i < CK_VW ? vload_first(x + i, n - i, -INFINITY) : vload(x + i)) - largest);
      if (n - i < CK_VW) e = vselect(viota() < (vi){0} + (int)(n - i), e, vset(0));
      if (y) vstore_upto(y, i, n, e);
      sum += e;
    }
    total += vsum(sum);
  }
  return total;
}

static void softmax_row(const float *xs, float *ys, long n, int logarithm) {
  const float largest = reduce_max(xs, n);
  if (logarithm) {
    const double sum = exp_sum(xs, NULL, n, largest);
    const float log_sum = (float)log(sum);
    CK_EACH(n, ys, vf x = vload(xs + i), y = x - largest - log_sum)
  } else {
    const float scale = (float)(1 / exp_sum(xs, ys, n, largest));
    CK_EACH(n, ys, vf x = vload(ys + i), y = x * scale)
  }
}

static void softmax(const float *x, float *y, long n, long inner, int logarithm) {
  if (inner == 1) return softmax_row(x, y, n, logarithm);
  for (long c = 0; c < inner; c += CK_VW) {
    vf largest = vset(-INFINITY), sum = vset(0);
    for (long k = 0; k < n; k++) largest = vmax_nan(largest, vload(x + k * inner + c));
    for (long k = 0; k < n; k++) sum += vexp(vload(x + k * inner + c) - largest);
    const vf log_sum = vlog(sum);
    for (long k = 0; k < n; k++) {
      vf d = vload(x + k * inner + c) - largest;
      vstore_upto(y + k * inner, c, inner, logarithm ? d - log_sum : vexp(d) / sum);
    }
  }
}

/// dx = y (dy - sum(dy y)), or for the logarithm dx = dy - exp(y) sum(dy).
static void softmax_backward(const float *dys, const float *ys, float *dxs, long n, long inner, int logarithm) {
  if (inner == 1) {
    double total = 0;
    if (logarithm)
      total = reduce_sum(dys, n);
    else
      for (long i = 0; i < n;) {
        vf sum = vset(0);
        for (int k = 0; k < reduce_block && i < n; k++, i += CK_VW) {
          const long lanes = n - i < CK_VW ? n - i : CK_VW;
          sum += vload_first(dys + i, lanes, 0) * vload_first(ys + i, lanes, 0);
        }
        total += vsum(sum);
      }
    const float s = (float)total;
    CK_EACH(n, dxs, vf dy = vload(dys + i); vf p = vload(ys + i), y = logarithm ? dy - vexp(p) * s : p * (dy - s))
    return;
  }
  for (long c = 0; c < inner; c += CK_VW) {
    vf sum = vset(0);
    for (long k = 0; k < n; k++) {
      vf dy = vload(dys + k * inner + c);
      sum += logarithm ? dy : dy * vload(ys + k * inner + c);
    }
    for (long k = 0; k < n; k++) {
      vf dy = vload(dys + k * inner + c), p = vload(ys + k * inner + c);
      vstore_upto(dxs + k * inner, c, inner, logarithm ? dy - vexp(p) * sum : p * (dy - sum));
    }
  }
}

/// (1 - s) w[label] (lse - x[label]) + s / K sum(w (lse - x)), where lse is the logarithm of the sum of exponentials.
static double cross_entropy(ck_cross_entropy p, const float *logits, int32_t label) {
  const float largest = reduce_max(logits, p.classes);
  const double lse = (double)largest + log(exp_sum(logits, NULL, p.classes, largest));
  double loss = (1 - p.smoothing) * (p.weights ? p.weights[label] : 1) * (lse - logits[label]);
  if (p.smoothing > 0) {
    double weighted = 0;
    if (p.weights)
      for (long c = 0; c < p.classes; c++) weighted += (double)p.weights[c] * logits[c];
    else
      weighted = reduce_sum(logits, p.classes);
    loss += p.smoothing / (double)p.classes * (p.weight_sum * lse - weighted);
  }
  return loss;
}

static void cross_entropy_backward(ck_cross_entropy p, const float *logits, int32_t label, float scale,
                                   float *dlogits) {
  const double own = (1 - p.smoothing) * (p.weights ? p.weights[label] : 1);
  const double spread = p.smoothing / (double)p.classes;
  const float *weights = p.weights ? p.weights : logits;
  const int weighted = p.weights != NULL;
  const double sum = exp_sum(logits, dlogits, p.classes, reduce_max(logits, p.classes));
  const float probability_scale = (float)((own + spread * p.weight_sum) * scale / sum);
  const float smoothing_scale = (float)(spread * scale);
  const double at_label = dlogits[label];
  CK_EACH(p.classes, dlogits, vf e = vload(dlogits + i); vf w = weighted ? vload(weights + i) : vset(1),
          y = e * probability_scale - w * smoothing_scale)
  // The probability of a confident label is almost 1: what is missing to 1 is taken before rounding.
  const double own_weight = weighted ? weights[label] : 1;
  dlogits[label] = (float)(scale * (own * (at_label - sum) + spread * (p.weight_sum * at_label - own_weight * sum)) / sum);
}

// Rows of a few classes, as many at a time as a vector has lanes, one in each: without weights or smoothing.

/// The logits of one class in `count` rows from x on; the first row's in lanes beyond.
CK_INLINE vf class_of_rows(const float *x, long classes, long c, long count) {
  vf logits;
  for (long i = 0; i < CK_VW; i++) logits[i] = x[(i < count ? i : 0) * classes + c];
  return logits;
}

/// The largest logits, those of the labels, and the sums of the exponentials of all others, less the largest.
typedef struct {
  vf largest, at_label, others;
  vi labels;
} narrow_rows;

CK_INLINE narrow_rows sum_narrow_rows(const float *x, const int32_t *labels, long classes, long count) {
  narrow_rows r = {.largest = vset(-INFINITY), .at_label = vset(0), .others = vset(0), .labels = {0}};
  for (long i = 0; i < count; i++) r.labels[i] = labels[i];
  for (long c = 0; c < classes; c++) {
    const vf logits = class_of_rows(x, classes, c, count);
    r.largest = vmax_nan(r.largest, logits);
    r.at_label = vselect(r.labels == (int)c, logits, r.at_label);
  }
  for (long c = 0; c < classes; c++) {
    const vf e = vexp(class_of_rows(x, classes, c, count) - r.largest);
    r.others += vselect(r.labels == (int)c, vset(0), e);
  }
  return r;
}

static void cross_entropy_narrow(const float *x, const int32_t *labels, long rows, long classes, double *losses) {
  for (long row = 0; row < rows; row += CK_VW, x += CK_VW * classes, labels += CK_VW) {
    const long count = rows - row < CK_VW ? rows - row : CK_VW;
    const narrow_rows r = sum_narrow_rows(x, labels, classes, count);
    const vf distance = r.at_label - r.largest;
    // A confident label's probability is almost 1: what is missing is not rounded with it.
    const vf loss = vselect(distance == vset(0), vlog1p(r.others), vlog(r.others + vexp(distance)) - distance);
    for (long i = 0; i < count; i++) losses[row + i] = loss[i];
  }
}

static void cross_entropy_backward_narrow(const float *x, const int32_t *labels, long rows, long classes, float scale,
                                          float *dx) {
  for (long row = 0; row < rows; row += CK_VW, x += CK_VW * classes, dx += CK_VW * classes, labels += CK_VW) {
    const long count = rows - row < CK_VW ? rows - row : CK_VW;
    const narrow_rows r = sum_narrow_rows(x, labels, classes, count);
    const vf factor = scale / (r.others + vexp(r.at_label - r.largest));
    for (long c = 0; c < classes; c++) {
      const vf e = vexp(class_of_rows(x, classes, c, count) - r.largest);
      const vf gradient = factor * vselect(r.labels == (int)c, -r.others, e);
      for (long i = 0; i < count; i++) dx[i * classes + c] = gradient[i];
    }
  }
}

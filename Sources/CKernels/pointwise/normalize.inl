// Batch normalisation over rows of channels: a slab of up to four vectors of channels at a time, walked down the rows,
// so that per-channel values stay in registers.

/// How many rows of a block give the shift of its statistics.
enum { moments_shift_rows = 8 };

/// Rows that all slabs walk before the next rows: few where rows are long, so that their pages stay mapped.
CK_INLINE long block_rows(long channels) { return channels < 512 ? 128 : 32; }

/// Mean and M2 of one block, merged into the running ones (Chan, Golub, LeVeque 1979). Deviations are taken from the
/// mean of the block's first rows, which is within sqrt(128 / 8) = 4 standard deviations of the block's mean
/// whatever the data, so that M2 = sum(d^2) - sum(d)^2 / n loses next to nothing by cancellation.
CK_INLINE void moments_slab(const int vectors, const float *x, long rows, long columns, long stride, long seen,
                            double *mean, double *m2) {
  const long shift_rows = rows < moments_shift_rows ? rows : moments_shift_rows;
  vf shift[4], s[4], q[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) shift[v] = s[v] = q[v] = vset(0);
  for (long r = 0; r < shift_rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) shift[v] += vload(x + r * stride + v * CK_VW);
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) shift[v] = shift[v] / (float)shift_rows;
  for (long r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      vf d = vload(x + r * stride + v * CK_VW) - shift[v];
      s[v] += d;
      q[v] = d * d + q[v];
    }
  float shifts[4 * CK_VW], sums[4 * CK_VW], squares[4 * CK_VW];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    vstore(shifts + v * CK_VW, shift[v]);
    vstore(sums + v * CK_VW, s[v]);
    vstore(squares + v * CK_VW, q[v]);
  }
  const double weight = (double)rows / (double)(seen + rows), cross = weight * (double)seen, inverse = 1 / (double)rows;
  for (long c = 0; c < columns; c++) {
    const double offset = (double)sums[c] * inverse, delta = (double)shifts[c] + offset - mean[c];
    mean[c] += delta * weight;
    m2[c] += (double)squares[c] - (double)sums[c] * offset + delta * delta * cross;
  }
}

static void moments(ck_rows x, long rows, long channels, long seen, double *mean, double *m2) {
  const long step = block_rows(channels);
  for (long r = 0; r < rows; r += step, seen += step) {
    const long block = rows - r < step ? rows - r : step;
    const float *at = x.start + r * x.pixel;
    long c = 0;
    for (; c + 4 * CK_VW <= channels; c += 4 * CK_VW)
      moments_slab(4, at + c, block, 4 * CK_VW, x.pixel, seen, mean + c, m2 + c);
    for (; c < channels; c += CK_VW)
      moments_slab(1, at + c, block, channels - c < CK_VW ? channels - c : CK_VW, x.pixel, seen, mean + c, m2 + c);
  }
}

/// Stores whole vectors, or the valid lanes of a last, partial one.
CK_INLINE void store_slab(float *y, vf v, long offset, long columns) {
  if (offset + CK_VW <= columns)
    vstore(y + offset, v);
  else
    vstore_first(y + offset, v, columns - offset);
}

/// The rows from the r-th on, and their channels from c on.
CK_INLINE const float *rows_at(ck_rows rows, long r, long c) { return rows.start + r * rows.pixel + c; }

CK_INLINE void normalize_slab(const int vectors, const int clips, const int adds, ck_normalize p, ck_rows x, float *y,
                              long y_pixel, long first, long end, long c, long columns) {
  vf mean[4], scale[4], shift[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    mean[v] = vload(p.mean + c + v * CK_VW);
    scale[v] = vload(p.scale + c + v * CK_VW);
    shift[v] = vload(p.shift + c + v * CK_VW);
  }
  for (long r = first; r < end; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      vf out = (vload(rows_at(x, r, c + v * CK_VW)) - mean[v]) * scale[v] + shift[v];
      if (adds) out = out + vload(rows_at(p.residual, r, c + v * CK_VW));
      if (clips) out = vselect(out <= vset(0), vset(0), vselect(out >= vset(p.limit), vset(p.limit), out));
      store_slab(y + r * y_pixel + c, out, v * CK_VW, vectors > 1 ? 4 * CK_VW : columns);
    }
}

CK_INLINE void normalize_rows(const int clips, const int adds, ck_normalize p, ck_rows x, float *y, long y_pixel,
                              long rows, long channels) {
  const long step = block_rows(channels);
  for (long r = 0; r < rows; r += step) {
    const long end = rows - r < step ? rows : r + step;
    long c = 0;
    for (; c + 4 * CK_VW <= channels; c += 4 * CK_VW)
      normalize_slab(4, clips, adds, p, x, y, y_pixel, r, end, c, 4 * CK_VW);
    for (; c < channels; c += CK_VW) normalize_slab(1, clips, adds, p, x, y, y_pixel, r, end, c, channels - c);
  }
}

static void normalize(ck_normalize p, ck_rows x, float *y, long y_pixel, long rows, long channels) {
  switch ((p.clips ? 2 : 0) + (p.residual.start ? 1 : 0)) {
    case 0: return normalize_rows(0, 0, p, x, y, y_pixel, rows, channels);
    case 1: return normalize_rows(0, 1, p, x, y, y_pixel, rows, channels);
    case 2: return normalize_rows(1, 0, p, x, y, y_pixel, rows, channels);
    default: return normalize_rows(1, 1, p, x, y, y_pixel, rows, channels);
  }
}

/// The rows and channels of a slab.
typedef struct {
  long first, end, c, columns;
} slab_range;

/// dy where y lies between 0 and the limit. `centered` is x - mean.
CK_INLINE vf masked_gradient(const ck_mask mask, const ck_normalize_backward *p, long r, long c, vf centered, vf scale,
                             vf shift) {
  const vf g = vload(rows_at(p->dy, r, c));
  if (mask == CK_MASK_NONE) return g;
  // As in normalize_slab, so that it rounds as it did there.
  const vf y = mask == CK_MASK_OUTPUT ? vload(rows_at(p->y, r, c)) : centered * scale + shift;
  return vselect((y > vset(0)) & (y < vset(p->limit)), g, vset(0));
}

CK_INLINE void sums_slab(const int vectors, const ck_mask mask, const int writes, const ck_normalize_backward *p,
                         float *masked, long channels, slab_range at, double *sum, double *product_sum) {
  vf mean[4], scale[4], shift[4], s[4], q[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    mean[v] = vload(p->mean + at.c + v * CK_VW);
    scale[v] = mask == CK_MASK_INPUT ? vload(p->scale + at.c + v * CK_VW) : vset(0);
    shift[v] = mask == CK_MASK_INPUT ? vload(p->shift + at.c + v * CK_VW) : vset(0);
    s[v] = q[v] = vset(0);
  }
  for (long r = at.first; r < at.end; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      const long c = at.c + v * CK_VW;
      const vf centered = vload(rows_at(p->x, r, c)) - mean[v];
      const vf g = masked_gradient(mask, p, r, c, centered, scale[v], shift[v]);
      if (writes) store_slab(masked + r * channels + at.c, g, v * CK_VW, at.columns);
      s[v] += g;
      q[v] = g * centered + q[v];
    }
  float sums[4 * CK_VW], products[4 * CK_VW];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) vstore(sums + v * CK_VW, s[v]), vstore(products + v * CK_VW, q[v]);
  const long columns = at.columns < vectors * CK_VW ? at.columns : vectors * CK_VW;
  for (long c = 0; c < columns; c++) sum[at.c + c] += sums[c], product_sum[at.c + c] += products[c];
}

/// Vectors of a slab such that what it keeps of each channel stays in registers.
CK_INLINE int slab_vectors(const ck_mask mask) { return mask == CK_MASK_INPUT ? 2 : 4; }

CK_INLINE void sums_rows(const ck_mask mask, const int writes, ck_normalize_backward p, float *masked, long rows,
                         long channels, double *sum, double *product_sum) {
  const long step = block_rows(channels), width = slab_vectors(mask) * CK_VW;
  for (long r = 0; r < rows; r += step) {
    slab_range at = {r, rows - r < step ? rows : r + step, 0, width};
    for (; at.c + width <= channels; at.c += width)
      sums_slab(slab_vectors(mask), mask, writes, &p, masked, channels, at, sum, product_sum);
    for (; at.c < channels; at.c += CK_VW) {
      at.columns = channels - at.c;
      sums_slab(1, mask, writes, &p, masked, channels, at, sum, product_sum);
    }
  }
}

static void normalize_sums(ck_normalize_backward p, float *masked, long rows, long channels, double *sum,
                           double *product_sum) {
  switch (p.mask) {
    case CK_MASK_NONE: return sums_rows(CK_MASK_NONE, 0, p, masked, rows, channels, sum, product_sum);
    case CK_MASK_INPUT: return sums_rows(CK_MASK_INPUT, 0, p, masked, rows, channels, sum, product_sum);
    case CK_MASK_OUTPUT:
      if (masked) return sums_rows(CK_MASK_OUTPUT, 1, p, masked, rows, channels, sum, product_sum);
      return sums_rows(CK_MASK_OUTPUT, 0, p, masked, rows, channels, sum, product_sum);
  }
}

CK_INLINE void normalize_backward_slab(const int vectors, const ck_mask mask, const int adds,
                                       const ck_normalize_backward *p, float *dx, long channels, slab_range at) {
  vf mean[4], scale[4], shift[4], center[4], slope[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    mean[v] = vload(p->mean + at.c + v * CK_VW);
    scale[v] = vload(p->scale + at.c + v * CK_VW);
    shift[v] = mask == CK_MASK_INPUT ? vload(p->shift + at.c + v * CK_VW) : vset(0);
    center[v] = vload(p->center + at.c + v * CK_VW);
    slope[v] = vload(p->slope + at.c + v * CK_VW);
  }
  for (long r = at.first; r < at.end; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      const long c = at.c + v * CK_VW;
      const vf centered = vload(rows_at(p->x, r, c)) - mean[v];
      const vf g = masked_gradient(mask, p, r, c, centered, scale[v], shift[v]);
      vf out = (g - center[v]) * scale[v] + centered * slope[v];
      if (adds) out = out + vload(rows_at(p->residual, r, c));
      store_slab(dx + r * channels + at.c, out, v * CK_VW, at.columns);
    }
}

CK_INLINE void normalize_backward_rows(const ck_mask mask, const int adds, ck_normalize_backward p, float *dx,
                                       long rows, long channels) {
  const long step = block_rows(channels), width = slab_vectors(mask) * CK_VW;
  for (long r = 0; r < rows; r += step) {
    slab_range at = {r, rows - r < step ? rows : r + step, 0, width};
    for (; at.c + width <= channels; at.c += width)
      normalize_backward_slab(slab_vectors(mask), mask, adds, &p, dx, channels, at);
    for (; at.c < channels; at.c += CK_VW) {
      at.columns = channels - at.c;
      normalize_backward_slab(1, mask, adds, &p, dx, channels, at);
    }
  }
}

static void normalize_backward(ck_normalize_backward p, float *dx, long rows, long channels) {
  switch (p.mask * 2 + (p.residual.start ? 1 : 0)) {
    case 2 * CK_MASK_NONE: return normalize_backward_rows(CK_MASK_NONE, 0, p, dx, rows, channels);
    case 2 * CK_MASK_NONE + 1: return normalize_backward_rows(CK_MASK_NONE, 1, p, dx, rows, channels);
    case 2 * CK_MASK_OUTPUT: return normalize_backward_rows(CK_MASK_OUTPUT, 0, p, dx, rows, channels);
    case 2 * CK_MASK_OUTPUT + 1: return normalize_backward_rows(CK_MASK_OUTPUT, 1, p, dx, rows, channels);
    case 2 * CK_MASK_INPUT: return normalize_backward_rows(CK_MASK_INPUT, 0, p, dx, rows, channels);
    default: return normalize_backward_rows(CK_MASK_INPUT, 1, p, dx, rows, channels);
  }
}

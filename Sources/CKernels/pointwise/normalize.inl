// Batch normalisation over rows of channels: a slab of up to four vectors of channels at a time, walked down the rows,
// so that per-channel values stay in registers.

/// How many rows of a block give the shift of its statistics.
enum { moments_shift_rows = 8 };

/// Rows that all slabs walk before the next rows: few where rows are long, so that their pages stay mapped.
CK_INLINE long block_rows(long channels) { return channels < 512 ? 128 : 32; }

/// Mean and M2 of one block, merged into the running ones. Deviations are taken from the mean of the block's first rows,
/// which is within sqrt(128 / 8) = 4 standard deviations of the block's mean whatever the data.
CK_INLINE void moments_slab(const int vectors, const float *x, long rows, long columns, long stride, long seen,
                            double *mean, double *m2) {
  const long shift_rows = rows < moments_shift_rows ? rows : moments_shift_rows;
  shifted_sums s[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) s[v] = (shifted_sums){.rows = rows};
  for (long r = 0; r < shift_rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) s[v].shift += vload(x + r * stride + v * CK_VW);
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) s[v].shift = s[v].shift / (float)shift_rows;
  for (long r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      vf d = vload(x + r * stride + v * CK_VW) - s[v].shift;
      s[v].sum += d;
      s[v].squares = d * d + s[v].squares;
    }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    const long c = v * CK_VW;
    merge_sums(s + v, columns - c < CK_VW ? columns - c : CK_VW, seen, mean + c, m2 + c);
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
    for (; c + 2 * CK_VW <= channels; c += 2 * CK_VW)
      moments_slab(2, at + c, block, 2 * CK_VW, x.pixel, seen, mean + c, m2 + c);
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

/// Which bounds an activation has: none, 0, or 0 and a limit.
enum { CLIPS_NOTHING, CLIPS_BELOW, CLIPS_BOTH };

CK_INLINE int clips_of(int clips, float limit) {
  return !clips ? CLIPS_NOTHING : limit < INFINITY ? CLIPS_BOTH : CLIPS_BELOW;
}

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
      if (clips == CLIPS_BOTH) out = vselect(out >= vset(p.limit), vset(p.limit), out);
      if (clips) out = vselect(out <= vset(0), vset(0), out);
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
    for (; c + 2 * CK_VW <= channels; c += 2 * CK_VW)
      normalize_slab(2, clips, adds, p, x, y, y_pixel, r, end, c, 2 * CK_VW);
    for (; c < channels; c += CK_VW) normalize_slab(1, clips, adds, p, x, y, y_pixel, r, end, c, channels - c);
  }
}

CK_INLINE void normalize_clipped(const int clips, ck_normalize p, ck_rows x, float *y, long y_pixel, long rows,
                                 long channels) {
  if (p.residual.start)
    normalize_rows(clips, 1, p, x, y, y_pixel, rows, channels);
  else
    normalize_rows(clips, 0, p, x, y, y_pixel, rows, channels);
}

static void normalize(ck_normalize p, ck_rows x, float *y, long y_pixel, long rows, long channels) {
  switch (clips_of(p.clips, p.limit)) {
    case CLIPS_NOTHING: return normalize_clipped(CLIPS_NOTHING, p, x, y, y_pixel, rows, channels);
    case CLIPS_BELOW: return normalize_clipped(CLIPS_BELOW, p, x, y, y_pixel, rows, channels);
    default: return normalize_clipped(CLIPS_BOTH, p, x, y, y_pixel, rows, channels);
  }
}

/// The rows and channels of a slab.
typedef struct {
  long first, end, c, columns;
} slab_range;

/// dy where y lies between 0 and the limit. `centered` is x - mean.
CK_INLINE vf masked_gradient(const ck_mask mask, const int clips, const ck_normalize_backward *p, long r, long c,
                             vf centered, vf scale, vf shift) {
  const vf g = vload(rows_at(p->dy, r, c));
  if (mask == CK_MASK_NONE) return g;
  // As in normalize_slab, so that it rounds as it did there.
  const vf y = mask == CK_MASK_OUTPUT ? vload(rows_at(p->y, r, c)) : centered * scale + shift;
  const vi inside = clips == CLIPS_BOTH ? (y > vset(0)) & (y < vset(p->limit)) : y > vset(0);
  return vselect(inside, g, vset(0));
}

CK_INLINE void sums_slab(const int vectors, const ck_mask mask, const int clips, const int writes,
                         const ck_normalize_backward *p, float *masked, long channels, slab_range at, double *sum,
                         double *product_sum) {
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
      const vf g = masked_gradient(mask, clips, p, r, c, centered, scale[v], shift[v]);
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

/// Most vectors of a slab such that what it keeps of each channel stays in registers.
CK_INLINE int slab_vectors(const ck_mask mask) { return mask == CK_MASK_INPUT ? 2 : 4; }

CK_INLINE void sums_rows(const ck_mask mask, const int clips, const int writes, ck_normalize_backward p, float *masked,
                         long rows, long channels, double *sum, double *product_sum) {
  const long step = block_rows(channels);
  for (long r = 0; r < rows; r += step) {
    const long end = rows - r < step ? rows : r + step;
    long c = 0;
    for (; slab_vectors(mask) == 4 && c + 4 * CK_VW <= channels; c += 4 * CK_VW)
      sums_slab(4, mask, clips, writes, &p, masked, channels, (slab_range){r, end, c, 4 * CK_VW}, sum, product_sum);
    for (; c + 2 * CK_VW <= channels; c += 2 * CK_VW)
      sums_slab(2, mask, clips, writes, &p, masked, channels, (slab_range){r, end, c, 2 * CK_VW}, sum, product_sum);
    for (; c < channels; c += CK_VW)
      sums_slab(1, mask, clips, writes, &p, masked, channels, (slab_range){r, end, c, channels - c}, sum, product_sum);
  }
}

CK_INLINE void masked_sums(const int clips, ck_normalize_backward p, float *masked, long rows, long channels,
                           double *sum, double *product_sum) {
  if (p.mask == CK_MASK_INPUT)
    sums_rows(CK_MASK_INPUT, clips, 0, p, masked, rows, channels, sum, product_sum);
  else if (masked)
    sums_rows(CK_MASK_OUTPUT, clips, 1, p, masked, rows, channels, sum, product_sum);
  else
    sums_rows(CK_MASK_OUTPUT, clips, 0, p, masked, rows, channels, sum, product_sum);
}

static void normalize_sums(ck_normalize_backward p, float *masked, long rows, long channels, double *sum,
                           double *product_sum) {
  switch (clips_of(p.mask != CK_MASK_NONE, p.limit)) {
    case CLIPS_NOTHING:
      return sums_rows(CK_MASK_NONE, CLIPS_NOTHING, 0, p, masked, rows, channels, sum, product_sum);
    case CLIPS_BELOW: return masked_sums(CLIPS_BELOW, p, masked, rows, channels, sum, product_sum);
    default: return masked_sums(CLIPS_BOTH, p, masked, rows, channels, sum, product_sum);
  }
}

CK_INLINE void normalize_backward_slab(const int vectors, const ck_mask mask, const int clips, const int adds,
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
      const vf g = masked_gradient(mask, clips, p, r, c, centered, scale[v], shift[v]);
      vf out = (g - center[v]) * scale[v] + centered * slope[v];
      if (adds) out = out + vload(rows_at(p->residual, r, c));
      store_slab(dx + r * channels + at.c, out, v * CK_VW, at.columns);
    }
}

CK_INLINE void normalize_backward_rows(const ck_mask mask, const int clips, const int adds, ck_normalize_backward p,
                                       float *dx, long rows, long channels) {
  const long step = block_rows(channels);
  for (long r = 0; r < rows; r += step) {
    const long end = rows - r < step ? rows : r + step;
    long c = 0;
    for (; slab_vectors(mask) == 4 && c + 4 * CK_VW <= channels; c += 4 * CK_VW)
      normalize_backward_slab(4, mask, clips, adds, &p, dx, channels, (slab_range){r, end, c, 4 * CK_VW});
    for (; c + 2 * CK_VW <= channels; c += 2 * CK_VW)
      normalize_backward_slab(2, mask, clips, adds, &p, dx, channels, (slab_range){r, end, c, 2 * CK_VW});
    for (; c < channels; c += CK_VW)
      normalize_backward_slab(1, mask, clips, adds, &p, dx, channels, (slab_range){r, end, c, channels - c});
  }
}

CK_INLINE void adding_backward(const ck_mask mask, const int clips, ck_normalize_backward p, float *dx, long rows,
                               long channels) {
  if (p.residual.start)
    normalize_backward_rows(mask, clips, 1, p, dx, rows, channels);
  else
    normalize_backward_rows(mask, clips, 0, p, dx, rows, channels);
}

static void normalize_backward(ck_normalize_backward p, float *dx, long rows, long channels) {
  const int clips = clips_of(p.mask != CK_MASK_NONE, p.limit);
  if (clips == CLIPS_NOTHING) return adding_backward(CK_MASK_NONE, CLIPS_NOTHING, p, dx, rows, channels);
  if (p.mask == CK_MASK_INPUT) {
    if (clips == CLIPS_BELOW) return adding_backward(CK_MASK_INPUT, CLIPS_BELOW, p, dx, rows, channels);
    return adding_backward(CK_MASK_INPUT, CLIPS_BOTH, p, dx, rows, channels);
  }
  if (clips == CLIPS_BELOW) return adding_backward(CK_MASK_OUTPUT, CLIPS_BELOW, p, dx, rows, channels);
  return adding_backward(CK_MASK_OUTPUT, CLIPS_BOTH, p, dx, rows, channels);
}

// Means and sums of squared deviations of columns, in one pass: of values less a shift near their mean, so that
// M2 = sum(d^2) - sum(d)^2 / n loses next to nothing by cancellation.

/// Of some rows of one vector of columns.
typedef struct {
  vf shift, sum, squares;
  long rows;
} shifted_sums;

/// Adds the rows of a tile; the mean of the first tile is the shift of all.
CK_INLINE void add_tile(shifted_sums *to, const vf *values, const long step, const long rows) {
  if (to->rows == 0) {
    vf sum = {0};
    for (long i = 0; i < rows; i++) sum += values[i * step];
    *to = (shifted_sums){.shift = sum / (float)rows};
  }
  // The tile's own, so that few numbers are added one to another.
  const vf shift = to->shift;
  vf sum = {0}, squares = {0};
#pragma clang loop unroll(full)
  for (long i = 0; i < rows; i++) {
    const vf d = values[i * step] - shift;
    sum += d;
    squares = d * d + squares;
  }
  to->sum += sum;
  to->squares += squares;
  to->rows += rows;
}

/// Merges sums into mean and M2 of the `seen` rows before (Chan, Golub and LeVeque 1979), which are not read if there
/// were none.
CK_INLINE void merge_sums(const shifted_sums *from, long columns, long seen, double *mean, double *m2) {
  float shifts[CK_VW], sums[CK_VW], squares[CK_VW];
  vstore(shifts, from->shift);
  vstore(sums, from->sum);
  vstore(squares, from->squares);
  const double rows = (double)from->rows, inverse = 1 / rows;
  const double weight = rows / ((double)seen + rows), cross = weight * (double)seen;
  for (long c = 0; c < columns; c++) {
    const double offset = (double)sums[c] * inverse, added = (double)squares[c] - (double)sums[c] * offset;
    const double center = (double)shifts[c] + offset;
    if (seen == 0) {
      mean[c] = center;
      m2[c] = added;
    } else {
      const double delta = center - mean[c];
      mean[c] += delta * weight;
      m2[c] += added + delta * delta * cross;
    }
  }
}

/// Rows after which sums are merged and another shift is chosen, so that it stays near the mean of what follows.
#define CK_MOMENTS_ROWS 1024

/// Merges the sums of panels, two vectors for each, into the moments of the `seen` rows before, and begins anew.
CK_INLINE void store_moments(shifted_sums *sums, long columns, long panel, long panel_end, long seen, ck_moments to) {
  if (panel == 0 && to.rows) *to.rows = (double)(seen + sums->rows);
  for (; panel < panel_end; panel++, sums += 2)
    for (long v = 0; v < panel_vectors(columns, panel); v++) {
      const long column = panel * CK_TILE_COLUMNS + v * CK_VW, left = columns - column;
      merge_sums(sums + v, left < CK_VW ? left : CK_VW, seen, to.mean + column, to.m2 + column);
      sums[v].rows = 0;
    }
}

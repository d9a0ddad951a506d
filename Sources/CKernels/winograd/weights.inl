// Weights to points. Lanes are columns (output channels).

/// Rows of one call.
#define CK_WINOGRAD_PACK_ROWS 16

CK_INLINE void pack_winograd(const long m, const float *weights, long row_step, long column_step, int is_rotated,
                             long rows, long columns, float *packed, long width, long point_step) {
  const long extent = m + 2;
  // Gathered column by column: taps of neighbouring rows are neighbours, those of columns often a power of two apart.
  float taps[CK_WINOGRAD_PACK_ROWS][9][CK_TILE_COLUMNS] __attribute__((aligned(64)));
  for (long c = 0; c < width; c++)
    for (long row = 0; row < rows; row++) {
      const float *from = weights + row * row_step + c * column_step;
      for (long t = 0; t < 9; t++) taps[row][t][c] = c < columns ? from[is_rotated ? 8 - t : t] : 0;
    }
  for (long row = 0; row < rows; row++, packed += width)
    for (long v = 0; v < width; v += CK_VW) {
      vf half[CK_WINOGRAD_MOST * 3];
      for (long j = 0; j < 3; j++) {
        vf line[3];
        for (long i = 0; i < 3; i++) line[i] = vload(&taps[row][3 * i + j][v]);
        transform_weights_axis(m, line, 1, half + j, 3);
      }
      for (long i = 0; i < extent; i++) {
        vf line[CK_WINOGRAD_MOST];
        transform_weights_axis(m, half + i * 3, 1, line, 1);
        for (long j = 0; j < extent; j++) vstore(packed + (i * extent + j) * point_step + v, line[j]);
      }
    }
}

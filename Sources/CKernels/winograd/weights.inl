// Weights to points. Lanes are columns (output channels).

/// Rows of one call.
#define CK_WINOGRAD_PACK_ROWS 16

CK_INLINE void pack_winograd(const ck_winograd_algorithm f, const int is_halfway, const float *weights, long row_step,
                             long column_step, const long *tap_offsets, long rows, long columns, float *packed,
                             long width, long point_step) {
  const long extent = weight_extent_of(f), side = taps_of(f), taps = side * side;
  // Gathered column by column: taps of neighbouring rows are neighbours, those of columns often a power of two apart.
  float gathered[CK_WINOGRAD_PACK_ROWS][CK_WINOGRAD_MOST_TAPS * CK_WINOGRAD_MOST_TAPS][CK_TILE_COLUMNS]
      __attribute__((aligned(64)));
  for (long c = 0; c < width; c++)
    for (long row = 0; row < rows; row++) {
      const float *from = weights + row * row_step + c * column_step;
      for (long t = 0; t < taps; t++)
        gathered[row][t][c] = c < columns && tap_offsets[t] >= 0 ? from[tap_offsets[t]] : 0;
    }
  for (long row = 0; row < rows; row++, packed += is_halfway ? side * width : width)
    for (long v = 0; v < width; v += CK_VW) {
      vf half[CK_WINOGRAD_MOST * CK_WINOGRAD_MOST_TAPS];
      for (long j = 0; j < side; j++) {
        vf line[CK_WINOGRAD_MOST_TAPS];
        for (long i = 0; i < side; i++) line[i] = vload(&gathered[row][side * i + j][v]);
        transform_weights_axis(f, line, 1, half + j, side);
      }
      for (long i = 0; i < extent; i++) {
        if (is_halfway) {
          for (long j = 0; j < side; j++) vstore(packed + i * point_step + j * width + v, half[i * side + j]);
          continue;
        }
        vf line[CK_WINOGRAD_MOST];
        transform_weights_axis(f, half + i * side, 1, line, 1);
        for (long j = 0; j < extent; j++) vstore(packed + (i * extent + j) * point_step + v, line[j]);
      }
    }
}

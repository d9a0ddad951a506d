// Panels, and how matrices get into them and out.

/// Vectors in the panel that starts at `column`.
CK_INLINE long panel_vectors(long columns, long panel) {
  return columns - panel * CK_TILE_COLUMNS <= CK_VW ? 1 : 2;
}

/// packed[r * packed_step + c] = source[r * row_step + c * column_step], with zeros from `columns` to `packed_step`.
static void pack_block(const float *source, long row_step, long column_step, long rows, long columns, float *packed,
                       long packed_step) {
  if (column_step == 1) {
    for (long r = 0; r < rows; r++) memcpy(packed + r * packed_step, source + r * row_step, columns * sizeof(float));
  } else {
    for (long c = 0; c < columns; c++)
      for (long r = 0; r < rows; r++) packed[r * packed_step + c] = source[r * row_step + c * column_step];
  }
  for (long r = 0; r < rows; r++)
    for (long c = columns; c < packed_step; c++) packed[r * packed_step + c] = 0;
}

/// The inverse of pack_block for all taps of some rows, of the sum of several packed matrices, added in place.
/// Elements are written in the order in which they lie: scattered writes, at distances near powers of two, would evict
/// one another.
static void unpack_block(float *packed, long packed_step, long tap_step, long taps, long chunks, long chunk_step,
                         long rows, long columns, float *matrix, long row_step, long column_step) {
  for (long t = 0; t < taps && chunks > 1; t++)
    for (long r = 0; r < rows; r++)
      for (long c = 0; c < columns; c += CK_VW) {
        float *to = packed + t * tap_step + r * packed_step + c;
        vf sum = vload(to);
        for (long chunk = 1; chunk < chunks; chunk++) sum += vload(to + chunk * chunk_step);
        vstore(to, sum);
      }
  if (column_step == 1) {
    for (long r = 0; r < rows; r++) memcpy(matrix + r * row_step, packed + r * packed_step, columns * sizeof(float));
    return;
  }
  for (long c = 0; c < columns; c++)
    for (long r = 0; r < rows; r++)
      for (long t = 0; t < taps; t++)
        matrix[t + r * row_step + c * column_step] = packed[t * tap_step + r * packed_step + c];
}

static void column_sums(const float *matrix, long rows, long row_step, long columns, float *sums) {
  for (long c = 0; c < columns; c += CK_VW) {
    // Four chains hide the latency of addition.
    vf s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    const float *at = matrix + c;
    long r = 0;
    for (; r + 4 <= rows; r += 4, at += 4 * row_step) {
      s0 += vload(at), s1 += vload(at + row_step), s2 += vload(at + 2 * row_step), s3 += vload(at + 3 * row_step);
    }
    for (; r < rows; r++, at += row_step) s0 += vload(at);
    store_part(sums + c, (s0 + s1) + (s2 + s3), columns - c);
  }
}

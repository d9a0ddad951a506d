// The matrix products at each point: the tile of registers, on operands that need no copy because the transforms wrote
// them as it reads them.

/// Floats from an element of `a` to the one whose line is fetched with it. Patches come from the last-level cache if they
/// are many, and blocks of this layout are too short for the processor's own prefetching.
#define CK_WINOGRAD_AHEAD 1792

/// c[rows][vectors] = a * b, or is increased by it, with `a` in blocks of a vector's columns and `rows` rows. `a_ahead`
/// floats from each element of `a` lies the one whose line is fetched meanwhile.
CK_INLINE void blocked_tile(const long rows, const long vectors, const float *a, const float *b, long depth, float *c,
                            int accumulate, long a_ahead, prefetching ahead) {
  vf sum[CK_TILE_ROWS][2];
#pragma clang loop unroll(full)
  for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (long j = 0; j < vectors; j++)
      sum[i][j] = accumulate ? vload(c + (i * vectors + j) * CK_VW) : (vf){0};

  for (; depth > 0; depth -= CK_VW, a += rows * CK_VW) {
    const long count = depth < CK_VW ? depth : CK_VW;
#pragma clang loop unroll(disable)
    for (long p = 0; p < count; p++, b += vectors * CK_VW) {
      __builtin_prefetch(ahead.at, 0, 2);
      ahead.at += ahead.step;
      __builtin_prefetch(a + a_ahead + p * rows);
      vf row[2];
#pragma clang loop unroll(full)
      for (long j = 0; j < vectors; j++) row[j] = vload(b + j * CK_VW);
#pragma clang loop unroll(full)
      for (long i = 0; i < rows; i++) {
        const float value = a[i * CK_VW + p];
#pragma clang loop unroll(full)
        for (long j = 0; j < vectors; j++) sum[i][j] = value * row[j] + sum[i][j];
      }
    }
  }

#pragma clang loop unroll(full)
  for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (long j = 0; j < vectors; j++) vstore(c + (i * vectors + j) * CK_VW, sum[i][j]);
}

typedef void (*blocked_tile_function)(const float *a, const float *b, long depth, float *c, int accumulate,
                                      long a_ahead, prefetching ahead);
/// The transposed product: rows of c are columns of `a`, whose rows are `step` floats apart.
typedef void (*transposed_tile_function)(const float *a, long step, const float *b, long depth, float *c);

#define CK_WINOGRAD_TILE(rows, vectors)                                                                              \
  static void blocked_tile_##rows##x##vectors(const float *a, const float *b, long depth, float *c, int accumulate,  \
                                              long a_ahead, prefetching ahead) {                                     \
    blocked_tile(rows, vectors, a, b, depth, c, accumulate, a_ahead, ahead);                                         \
  }                                                                                                                  \
  static void transposed_tile_##rows##x##vectors(const float *a, long step, const float *b, long depth, float *c) {  \
    /* Narrow tiles are for few channels, whose operands are near. */                                                \
    const int fetches = (rows) * (vectors) >= CK_TILE_ROWS ? CK_FETCH_OPERANDS : CK_FETCH_NOTHING;                    \
    tile(rows, vectors, 1, step, fetches, a, b, depth, c, 0, CK_NO_PREFETCHING);                                     \
  }
#define CK_WINOGRAD_DEFINE_TILES(rows, unused) CK_WINOGRAD_TILE(rows, 1) CK_WINOGRAD_TILE(rows, 2)
CK_EACH_ROW_COUNT(CK_WINOGRAD_DEFINE_TILES, )

static const blocked_tile_function blocked_tiles[CK_TILE_ROWS / 2 + 1][2] = {
    CK_EACH_ROW_COUNT(CK_LIST_TILES, blocked_tile)};
static const transposed_tile_function transposed_tiles[CK_TILE_ROWS / 2 + 1][2] = {
    CK_EACH_ROW_COUNT(CK_LIST_TILES, transposed_tile)};

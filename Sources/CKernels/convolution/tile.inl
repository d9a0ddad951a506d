// The innermost loop of every matrix product: a tile of rows x (1 or 2) vectors that stays in registers.
//
// Where an element of A lies is known at compile time (A was copied to a small buffer of fixed row length), so that the
// loop spends no registers on addresses: all operands are one pointer plus constants.

#if CK_VW == 16 || defined(__aarch64__)
#define CK_TILE_ROWS 14
#else
#define CK_TILE_ROWS 6
#endif
#define CK_TILE_COLUMNS (2 * CK_VW)

/// Memory that will be read soon, fetched into the second-level cache little by little while something else is computed:
/// `step` bytes in each round of the innermost loop.
typedef struct {
  const char *at;
  long step;
} prefetching;

#define CK_NO_PREFETCHING ((prefetching){0, 0})

/// What a tile fetches: nothing, what it is given, or its own operands some rounds ahead, rows of memory too far apart
/// for the processor to foresee.
enum { CK_FETCH_NOTHING = 0, CK_FETCH_GIVEN = 1, CK_FETCH_OPERANDS = 2 };
#define CK_FETCH_DISTANCE 16

/// c[rows][vectors] (+)= sum over p < depth of a[i * row_step + p * depth_step] * b[p][vectors].
CK_INLINE void tile(const long rows, const long vectors, const long row_step, const long depth_step,
                    const int fetches, const float *a, const float *b, long depth, float *c, int accumulate,
                    prefetching ahead) {
  vf sum[CK_TILE_ROWS][2];
#pragma clang loop unroll(full)
  for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (long j = 0; j < vectors; j++)
      sum[i][j] = accumulate ? vload(c + (i * vectors + j) * CK_VW) : (vf){0};

#pragma clang loop unroll(disable)
  for (long p = 0; p < depth; p++) {
    if (fetches == CK_FETCH_GIVEN) {
      __builtin_prefetch(ahead.at, 0, 2);
      ahead.at += ahead.step;
    }
    if (fetches == CK_FETCH_OPERANDS) {
      const float *next = a + CK_FETCH_DISTANCE * depth_step;
      __builtin_prefetch(next);
      __builtin_prefetch(next + rows - 1);
#pragma clang loop unroll(full)
      for (long j = 0; j < vectors; j++) __builtin_prefetch(b + (CK_FETCH_DISTANCE * vectors + j) * CK_VW);
    }
    vf row[2];
#pragma clang loop unroll(full)
    for (long j = 0; j < vectors; j++) row[j] = vload(b + j * CK_VW);
#pragma clang loop unroll(full)
    for (long i = 0; i < rows; i++) {
      const float value = a[i * row_step];
#pragma clang loop unroll(full)
      for (long j = 0; j < vectors; j++) sum[i][j] = value * row[j] + sum[i][j];
    }
    a += depth_step;
    b += vectors * CK_VW;
  }

#pragma clang loop unroll(full)
  for (long i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (long j = 0; j < vectors; j++) vstore(c + (i * vectors + j) * CK_VW, sum[i][j]);
}

typedef void (*tile_function)(const float *a, const float *b, long depth, float *c, int accumulate, prefetching ahead);

// Each kind of product gets one function per number of rows: 1, and the even numbers up to a tile.
#define CK_TILE(kind, rows, vectors, row_step, depth_step, fetches)                                        \
  static void kind##_##rows##x##vectors(const float *a, const float *b, long depth, float *c, int accumulate, \
                                        prefetching ahead) {                                                  \
    tile(rows, vectors, row_step, depth_step, fetches, a, b, depth, c, accumulate, ahead);                 \
  }
#if CK_TILE_ROWS == 14
#define CK_EACH_ROW_COUNT(with, ...)                                                             \
  with(1, __VA_ARGS__) with(2, __VA_ARGS__) with(4, __VA_ARGS__) with(6, __VA_ARGS__)            \
      with(8, __VA_ARGS__) with(10, __VA_ARGS__) with(12, __VA_ARGS__) with(14, __VA_ARGS__)
#else
#define CK_EACH_ROW_COUNT(with, ...) \
  with(1, __VA_ARGS__) with(2, __VA_ARGS__) with(4, __VA_ARGS__) with(6, __VA_ARGS__)
#endif

#define CK_DEFINE_TILES(rows, kind, row_step, depth_step, fetches) \
  CK_TILE(kind, rows, 1, row_step, depth_step, fetches) CK_TILE(kind, rows, 2, row_step, depth_step, fetches)
#define CK_LIST_TILES(rows, kind) {kind##_##rows##x1, kind##_##rows##x2},

/// Defines the functions of one kind and the table kind[(rows + 1) / 2][vectors - 1] of them.
#define CK_TILES(kind, row_step, depth_step, fetches)                         \
  CK_EACH_ROW_COUNT(CK_DEFINE_TILES, kind, row_step, depth_step, fetches)     \
  static const tile_function kind[CK_TILE_ROWS / 2 + 1][2] = {CK_EACH_ROW_COUNT(CK_LIST_TILES, kind)};

/// The table's row for a number of rows.
CK_INLINE long tile_index(long rows) { return rows / 2 + (rows > 1 ? rows % 2 : 0); }

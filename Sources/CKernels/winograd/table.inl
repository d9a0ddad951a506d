// The table of this variant's Winograd kernels, one row for each algorithm.
#include "transforms.inl"
#include "weights.inl"
#include "patches.inl"
#include "tiles.inl"
#include "forward.inl"
#include "halfway.inl"
#include "gradient.inl"

#define CK_WINOGRAD_KERNELS(name, f)                                                                                 \
  static void pack_##name(const float *weights, long row_step, long column_step, const long *tap_offsets, long rows, \
                          long columns, float *packed, long width, long point_step) {                                \
    pack_winograd(f, 0, weights, row_step, column_step, tap_offsets, rows, columns, packed, width, point_step);      \
  }                                                                                                                  \
  static void transform_input_##name(const ck_winograd_problem *p, long tile, long tile_end, ck_winograd_patches to, \
                                     long row) {                                                                     \
    transform_input_tiles(f, p, tile, tile_end, to, row);                                                            \
  }                                                                                                                  \
  static void multiply_##name(const ck_winograd_problem *p, long tile, long tile_end, long panel, long panel_end,    \
                              const float *patches, long point_step, long group_rows, float *products,               \
                              ck_moments moments) {                                                                  \
    multiply_winograd(f, p, tile, tile_end, panel, panel_end, patches, point_step, group_rows, products, moments);   \
  }

CK_WINOGRAD_KERNELS(f4_3, F4_3)
CK_WINOGRAD_KERNELS(f5_4, F5_4)
CK_WINOGRAD_KERNELS(f6_3, F6_3)
CK_WINOGRAD_KERNELS(f4_3_strided, F4_3_STRIDED)

static void pack_halfway_f4_3(const float *weights, long row_step, long column_step, const long *tap_offsets, long rows,
                              long columns, float *packed, long width, long point_step) {
  pack_winograd(F4_3, 1, weights, row_step, column_step, tap_offsets, rows, columns, packed, width, point_step);
}

static void transform_gradient_f4_3(const ck_winograd_problem *p, long tile, long tile_end, ck_winograd_patches to,
                                    long row) {
  transform_gradient_tiles(F4_3, p, tile, tile_end, to, row);
}

#define CK_WINOGRAD_FIELDS(name, m, points_, weight_points_)                                                         \
  .tile = m, .points = points_, .weight_points = weight_points_, .pack_rows = CK_WINOGRAD_PACK_ROWS,                 \
  .outer_block = CK_WINOGRAD_OUTER_BLOCK, .pack = pack_##name, .split_phases = split_winograd_phases,                \
  .transform_input = transform_input_##name, .multiply = multiply_##name

const ck_winograd_kernels CK_FN(ck_winograd)[] = {
    [F4_3] = {CK_WINOGRAD_FIELDS(f4_3, 4, 36, 36),
              .pack_halfway = pack_halfway_f4_3,
              .halfway_size = CK_WINOGRAD_HALFWAY_SIZE,
              .multiply_halfway = multiply_halfway,
              .transform_gradient = transform_gradient_f4_3,
              .outer_product = winograd_outer_product},
    [F5_4] = {CK_WINOGRAD_FIELDS(f5_4, 5, 64, 64)},
    [F6_3] = {CK_WINOGRAD_FIELDS(f6_3, 6, 64, 64)},
    [F4_3_STRIDED] = {CK_WINOGRAD_FIELDS(f4_3_strided, 4, 81, 36)},
};

// The tables of this variant's Winograd kernels, one for each size of tile.
#include "transforms.inl"
#include "weights.inl"
#include "patches.inl"
#include "tiles.inl"
#include "forward.inl"
#include "gradient.inl"

#define CK_WINOGRAD_KERNELS(m)                                                                                      \
  static void pack_winograd_##m(const float *weights, long row_step, long column_step, int is_rotated, long rows,   \
                                long columns, float *packed, long width, long point_step) {                         \
    pack_winograd(m, weights, row_step, column_step, is_rotated, rows, columns, packed, width, point_step);         \
  }                                                                                                                 \
  static void transform_input_##m(const ck_winograd_problem *p, long tile, long tile_end, ck_winograd_patches to,   \
                                  long row) {                                                                       \
    transform_input_tiles(m, p, tile, tile_end, to, row);                                                           \
  }                                                                                                                 \
  static void multiply_##m(const ck_winograd_problem *p, long tile, long tile_end, long panel, long panel_end,      \
                           const float *patches, long point_step, long group_rows, float *products) {               \
    multiply_winograd(m, p, tile, tile_end, panel, panel_end, patches, point_step, group_rows, products);           \
  }

CK_WINOGRAD_KERNELS(4)
CK_WINOGRAD_KERNELS(6)

static void transform_gradient_4(const ck_winograd_problem *p, long tile, long tile_end, ck_winograd_patches to,
                                 long row) {
  transform_gradient_tiles(4, p, tile, tile_end, to, row);
}

const ck_winograd_kernels CK_FN(ck_winograd4) = {
    .tile = 4,
    .points = 36,
    .pack_rows = CK_WINOGRAD_PACK_ROWS,
    .outer_block = CK_WINOGRAD_OUTER_BLOCK,
    .pack = pack_winograd_4,
    .transform_input = transform_input_4,
    .multiply = multiply_4,
    .transform_gradient = transform_gradient_4,
    .outer_product = winograd_outer_product,
};

// For inference only: no gradients.
const ck_winograd_kernels CK_FN(ck_winograd6) = {
    .tile = 6,
    .points = 64,
    .pack_rows = CK_WINOGRAD_PACK_ROWS,
    .outer_block = CK_WINOGRAD_OUTER_BLOCK,
    .pack = pack_winograd_6,
    .transform_input = transform_input_6,
    .multiply = multiply_6,
};

// The table of this variant's matrix and convolution kernels.
#include "tile.inl"
#include "patches.inl"
#include "epilogue.inl"
#include "panels.inl"
#include "moments.inl"
#include "direct.inl"
#include "product.inl"
#include "outer_product.inl"
#include "depthwise.inl"
#include "depthwise_gradient.inl"
#include "grouped.inl"
#include "channelwise.inl"
#include "single_channel.inl"
#include "lines.inl"

const ck_convolution_kernels CK_FN(ck_convolution) = {
    .vector_width = CK_VW,
    .tile_rows = CK_TILE_ROWS,
    .tile_columns = CK_TILE_COLUMNS,
    .crowded_rows = CK_CROWDED_ROWS,
    .product_panels = CK_PRODUCT_PANELS,
    .product_depth = CK_PRODUCT_DEPTH,
    .direct_depth = CK_DIRECT_DEPTH,
    .outer_depth = CK_OUTER_DEPTH,
    .product = product,
    .outer_product = outer_product,
    .line_floats = CK_LINE_FLOATS,
    .line_product = line_product,
    .line_outer_product = line_outer_product,
    .widest_group = CK_VW / 2,
    .depthwise = depthwise,
    .depthwise_weight_gradient = depthwise_weight_gradient,
    .pack = pack_block,
    .unpack = unpack_block,
    .column_sums = column_sums,
};

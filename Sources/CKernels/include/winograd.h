#pragma once

#include "convolution.h"

typedef struct {
  long height, width;
} ck_plane;

/// Volumes are slices along the depth, each an image of its own; an image is a volume of one. Slice d of an output meets
/// slices first + d, first + d + 1, ... of the input, one for each tap, whose channels follow one another in products.
/// Those that do not exist are zeros.
typedef struct {
  long input, output;
  long first, taps;
} ck_slices;

/// A convolution of r x r taps, computed by tiles of the output: a tile of m x m positions takes (m + r - 1)^2 products
/// for each pair of channels instead of r^2 m^2 (Winograd 1980; Lavin and Gray, 2015).
///
/// Tiles are numbered by image, then row by row. The transformed elements of a patch are its points; at each point,
/// transformed patches and weights are ordinary matrices.
typedef struct {
  ck_plane input, output;
  ck_slices slices;
  /// Positions before the input's first that the first patch starts at; negative when it starts inside.
  ck_plane padding;
  /// Tiles along each axis of one image.
  ck_plane tiles;
  /// Channels of products: those of x for each tap along the depth, whole vectors if there are several; and those of y.
  long channels, columns;
  /// Floats between neighbouring positions of x, and of y.
  long x_pixel, y_pixel;
  ck_epilogue epilogue;
  const float *x, *weights;
  float *y;
  /// Whether to write y past the caches: for one that is larger than they are.
  int streams;
} ck_winograd_problem;

/// Where transformed patches lie: at each point, blocks of `block` channels (the last may be narrower), each holding
/// `rows` tiles.
typedef struct {
  float *base;
  /// Floats between points.
  long point_step;
  long rows, block;
} ck_winograd_patches;

/// The algorithms F(m, r): m by m outputs of r by r taps, of stride 1 unless strided, which means 2.
typedef enum {
  CK_WINOGRAD_4_3,
  CK_WINOGRAD_5_4,
  CK_WINOGRAD_6_3,
  CK_WINOGRAD_4_3_STRIDED,
} ck_winograd_algorithm;

/// The kernels for one algorithm.
typedef struct {
  /// m.
  long tile;
  /// Of patches, and of weights: some of the latter may serve several of the former.
  long points, weight_points;
  /// Most rows that one call of `pack` may take.
  long pack_rows;
  /// Channels of a block in `outer_product`'s first operand.
  long outer_block;
  /// Floats of scratch that `multiply_halfway` takes beside its products.
  long halfway_size;

  /// Transforms weights[column * column_step + row * row_step + tap_offsets[tap]], 0 where that offset is negative, of
  /// rows [0, rows) and `columns` columns to packed[weight_point * point_step + row * width + column]; zeros fill the
  /// width, a number of vectors.
  void (*pack)(const float *weights, long row_step, long column_step, const long *tap_offsets, long rows, long columns,
               float *packed, long width, long point_step);
  /// Writes lines [line, line_end) of images of `split` positions with 4 * channels channels: position (i, j) holds
  /// those of x at (2i, 2j), (2i, 2j + 1), (2i + 1, 2j), (2i + 1, 2j + 1), less the padding, and zeros outside.
  void (*split_phases)(const float *x, ck_plane input, ck_plane padding, long channels, ck_plane split, long line,
                       long line_end, float *to);
  /// Transforms the patches of x of tiles [tile, tile_end), which become rows [row, ...) of `to`.
  void (*transform_input)(const ck_winograd_problem *p, long tile, long tile_end, ck_winograd_patches to, long row);
  /// The tiles [tile, tile_end) of y in the columns of panels [panel, panel_end), from transformed patches in groups of
  /// `group_rows` (even, at most tile_rows, or 1) tiles: blocks of a vector's channels, each holding the group's tiles,
  /// in the last group as many as there are, rounded up to an even number if there is more than one. The weights are
  /// [panel][weight point][channel][column], 16 floats between points. `products` has room for (panel_end - panel) *
  /// points * (tiles, rounded up to group_rows, * tile_columns + 16) floats. At most two panels; `moments` is of all
  /// columns.
  void (*multiply)(const ck_winograd_problem *p, long tile, long tile_end, long panel, long panel_end,
                   const float *patches, long point_step, long group_rows, float *products, ck_moments moments);
  /// As `pack`, but only along the taps' columns: of F(4, 3), to packed[point row * point_step + (row * 3 + tap column) *
  /// width + column].
  void (*pack_halfway)(const float *weights, long row_step, long column_step, const long *tap_offsets, long rows,
                       long columns, float *packed, long width, long point_step);
  /// As `multiply`, for one panel and from weights [panel][point row][channel][tap column][column], whose transform is
  /// completed on the way. `products` has room for `halfway_size` floats more.
  void (*multiply_halfway)(const ck_winograd_problem *p, long tile, long tile_end, long panel, const float *patches,
                           long point_step, long group_rows, float *products, ck_moments moments);
  /// Transforms the gradient of y at tiles [tile, tile_end), given as the problem's y.
  void (*transform_gradient)(const ck_winograd_problem *p, long tile, long tile_end, ck_winograd_patches to, long row);
  /// The weight gradient of `tiles` tiles for channels [channel, channel_end) and one panel, written or added to `sums`,
  /// which are [tap][channel][column] with taps `tap_step` apart. x is in blocks of `outer_block` channels, dy in panels.
  /// `channel` is a multiple of tile_rows; `products` has room for points * (channels, rounded up to tile_rows, *
  /// tile_columns + 16) floats.
  void (*outer_product)(const ck_winograd_problem *p, ck_winograd_patches x, ck_winograd_patches dy, long tiles,
                        long channel, long channel_end, long panel, float *products, float *sums, long tap_step,
                        int accumulate);
} ck_winograd_kernels;

#pragma once

#include <stddef.h>

typedef struct {
  long depth, height, width;
} ck_extents;

/// How a convolution reads its input: the matrix of patches, never stored whole. A row belongs to one output position
/// (batch, depth, height, width in that order), a column to one (tap, channel), the channel running fastest.
typedef struct {
  /// Spatial extents of the input, and of the output positions.
  ck_extents input, output;
  ck_extents kernel, stride, dilation;
  /// Positions before the input's first that the first patch starts at; negative when it starts inside.
  ck_extents padding;
  /// Channels read, and floats between neighbouring input positions (more than `channels` for grouped convolution).
  long channels, pixel;
} ck_patches;

/// Where an output position lies in memory: floats between neighbours along each axis.
typedef struct {
  long batch, depth, height, width;
} ck_strides;

/// An activation, or the gradient of one, which is told from the activation's output.
enum {
  CK_EPILOGUE_NONE = 0,
  CK_EPILOGUE_RELU = 1,
  CK_EPILOGUE_RELU6 = 2,
  CK_EPILOGUE_RELU_GRADIENT = 3,
  CK_EPILOGUE_RELU6_GRADIENT = 4,
};

/// What happens to a result before it is stored: activation(result + bias + residual).
typedef struct {
  /// One value per column; may be null.
  const float *bias;
  /// As large and laid out as the output; may be null.
  const float *residual;
  /// Of the gradient of an activation, that activation's output, as large and laid out as the output; else null.
  const float *mask;
  int activation;
} ck_epilogue;

/// Where a kernel leaves the mean and the sum of squared deviations of what it writes to each column, and how many rows
/// it has written if the first column was among them; null if nowhere.
typedef struct {
  double *rows, *mean, *m2;
} ck_moments;

/// y = epilogue(patches(x) * weights), with weights in panels (see `tile_columns`) and y placed by `strides`.
typedef struct {
  ck_patches patches;
  ck_strides strides;
  ck_epilogue epilogue;
  const float *x, *weights;
  float *y;
  /// Columns of the product: output channels of one group.
  long columns;
  /// Of all columns, for `product` of patches that are not empty.
  ck_moments moments;
} ck_product;

/// partial = patches(x)^T * dy: the weight gradient in panels, of `depth` = taps * channels rows rounded up to
/// `tile_rows` each.
typedef struct {
  ck_patches patches;
  const float *x, *dy;
  float *partial;
  /// Columns of dy that are read, and floats between its rows.
  long columns, dy_pixel;
  /// Of `outer_product`: the patch column and the panel at which `partial` begins, and rows for which it has room in each
  /// panel, a multiple of tile_rows.
  long partial_k, partial_panel, partial_depth;
} ck_outer_product;

/// One convolution per channel, or per narrow group with as many channels out as in; weights and partial are
/// [channel of the group][tap][channels rounded up to vector_width].
typedef struct {
  ck_patches patches;
  ck_strides strides;
  /// Channels of a group: 1, or a power of two up to `widest_group`.
  long group;
  ck_epilogue epilogue;
  const float *x, *weights;
  float *y;
  /// Whether x lies in the second-level cache, so that there is nothing to fetch from memory ahead of its time.
  int is_cached;
} ck_depthwise;

/// Matrix-product tiles and the convolution kernels built like them.
///
/// A panel holds `tile_columns` neighbouring columns of a matrix, row after row; the last panel is a single vector wide
/// if that suffices. Columns that do not exist are zeros.
typedef struct {
  long vector_width;
  /// Rows and columns of one tile, held in registers.
  long tile_rows, tile_columns;
  /// Rows of a tile that reads them where they lie, at multiples of 4 kB.
  long crowded_rows;
  /// Most panels that one call of `product` may span.
  long product_panels;
  /// Patch columns that `product` copies at a time, and the most that it reads where they lie if they are dense.
  long product_depth, direct_depth;
  /// Most patch columns that one call of `outer_product` may span.
  long outer_depth;

  /// Rows [row, row_end) of the product in the columns of panels [panel, panel_end).
  void (*product)(const ck_product *p, long row, long row_end, long panel, long panel_end);
  /// Patch columns [k, k_end) times panels [panel, panel_end) of dy, summed over rows [row, row_end) and written (not
  /// added) to `partial`; k is a multiple of tile_rows.
  void (*outer_product)(const ck_outer_product *p, long row, long row_end, long k, long k_end, long panel,
                        long panel_end);

  /// Floats that the positions of a line may take in `line_product` and `line_outer_product`: a kernel line's columns (or
  /// the channels of dy) times the positions that it spans must be fewer.
  long line_floats;
  /// Output lines [line, line_end) of a convolution of stride 1 along the width, where the taps of a kernel line stand
  /// side by side. Weights are [tap depth][tap height][channel][tap width][output channel], the last two rounded up
  /// together to vector_width. All columns at once, so for few of them.
  void (*line_product)(const ck_product *p, long line, long line_end);
  /// The weight gradient of such a convolution, also of dilation 1 along the width, summed over output lines
  /// [line, line_end) and written to `partial`: laid out like the weights, but with the taps along the width in reverse.
  /// Columns and pixels of dy are the same.
  void (*line_outer_product)(const ck_outer_product *p, long line, long line_end);

  /// Most channels of a narrow group: half a vector, but not more than 8.
  long widest_group;
  /// Output lines [line, line_end) of a depthwise convolution; a line is one row along the width.
  void (*depthwise)(const ck_depthwise *p, long line, long line_end);
  /// Its weight gradient, with groups of `group` channels, summed over output lines [line, line_end), written to
  /// `partial` for channels [channel, channel_end); `channel` is a multiple of vector_width.
  void (*depthwise_weight_gradient)(const ck_patches *patches, long group, const float *x, const float *dy,
                                    float *partial, long line, long line_end, long channel, long channel_end);

  /// packed[r * packed_step + c] = source[r * row_step + c * column_step] for c in [0, columns), then zeros to
  /// packed_step.
  void (*pack)(const float *source, long row_step, long column_step, long rows, long columns, float *packed,
               long packed_step);
  /// matrix[tap + r * row_step + c * column_step] = sum over chunks of
  /// packed[chunk * chunk_step + tap * tap_step + r * packed_step + c]; one tap only if column_step is 1. The sums are
  /// left in `packed`.
  void (*unpack)(float *packed, long packed_step, long tap_step, long taps, long chunks, long chunk_step, long rows,
                 long columns, float *matrix, long row_step, long column_step);
  /// sums[c] = sum over rows of matrix[row * row_step + c], for c in [0, columns).
  void (*column_sums)(const float *matrix, long rows, long row_step, long columns, float *sums);
} ck_convolution_kernels;

#pragma once

#include <stddef.h>

/// Matrix-product tiles and the convolution kernels built like them.
typedef struct {
  /// Rows and columns of one GEMM tile.
  long tile_rows, tile_columns;
} ck_convolution_kernels;

#pragma once

#include <stddef.h>
#include <stdint.h>

/// Element-wise, reduction, pooling and normalisation kernels.
typedef struct {
  long vector_width;
} ck_pointwise_kernels;

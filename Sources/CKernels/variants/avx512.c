// All kernels, compiled for avx512.
#if defined(__x86_64__)
#define CK_VARIANT avx512
#define CK_VW 16
#include "../include/ckernels.h"
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,prfchw"))), apply_to = function)
#include "../vector.h"
#include "../convolution/table.inl"
#include "../winograd/table.inl"
#include "../pointwise/table.inl"
#include "../pixels/table.inl"
#pragma clang attribute pop
#endif

#include "ckernels.h"

#define CK_DECLARE(variant)                                       \
  extern const ck_convolution_kernels ck_convolution_##variant; \
  extern const ck_pointwise_kernels ck_pointwise_##variant;   \
  extern const ck_pixel_kernels ck_pixels_##variant;          \
  extern const ck_winograd_kernels ck_winograd_##variant[];

CK_DECLARE(portable)
#if defined(__x86_64__)
CK_DECLARE(avx2)
CK_DECLARE(avx512)
#endif

ck_isa ck_best_isa(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma"))
    return CK_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CK_AVX2;
#endif
  return CK_PORTABLE;
}

const ck_convolution_kernels *ck_convolution(ck_isa isa) {
#if defined(__x86_64__)
  if (isa > ck_best_isa()) isa = CK_PORTABLE;
  if (isa == CK_AVX512) return &ck_convolution_avx512;
  if (isa == CK_AVX2) return &ck_convolution_avx2;
#endif
  return &ck_convolution_portable;
}

const ck_pointwise_kernels *ck_pointwise(ck_isa isa) {
#if defined(__x86_64__)
  if (isa > ck_best_isa()) isa = CK_PORTABLE;
  if (isa == CK_AVX512) return &ck_pointwise_avx512;
  if (isa == CK_AVX2) return &ck_pointwise_avx2;
#endif
  return &ck_pointwise_portable;
}

const ck_pixel_kernels *ck_pixels(ck_isa isa) {
#if defined(__x86_64__)
  if (isa > ck_best_isa()) isa = CK_PORTABLE;
  if (isa == CK_AVX512) return &ck_pixels_avx512;
  if (isa == CK_AVX2) return &ck_pixels_avx2;
#endif
  return &ck_pixels_portable;
}

const ck_winograd_kernels *ck_winograd(ck_isa isa, ck_winograd_algorithm algorithm) {
#if defined(__x86_64__)
  if (isa > ck_best_isa()) isa = CK_PORTABLE;
  if (isa == CK_AVX512) return &ck_winograd_avx512[algorithm];
  if (isa == CK_AVX2) return &ck_winograd_avx2[algorithm];
#endif
  return &ck_winograd_portable[algorithm];
}

#include "ckernels.h"

#define CK_DECLARE(variant)                                       \
  extern const ck_convolution_kernels ck_convolution_##variant; \
  extern const ck_pointwise_kernels ck_pointwise_##variant;   \
  extern const ck_pixel_kernels ck_pixels_##variant;          \
  extern const ck_winograd_kernels ck_winograd4_##variant;    \
  extern const ck_winograd_kernels ck_winograd6_##variant;

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

const ck_winograd_kernels *ck_winograd(ck_isa isa, long tile) {
#if defined(__x86_64__)
  if (isa > ck_best_isa()) isa = CK_PORTABLE;
  if (isa == CK_AVX512) return tile == 4 ? &ck_winograd4_avx512 : &ck_winograd6_avx512;
  if (isa == CK_AVX2) return tile == 4 ? &ck_winograd4_avx2 : &ck_winograd6_avx2;
#endif
  return tile == 4 ? &ck_winograd4_portable : &ck_winograd6_portable;
}

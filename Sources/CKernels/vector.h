// The vector type that kernels are written over. A variant file defines CK_VW (floats in a vector) and CK_VARIANT (the
// suffix of its symbols) before including this; everything here is static to that file.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#define CK_PASTE_(a, b) a##_##b
#define CK_PASTE(a, b) CK_PASTE_(a, b)
/// The name of a symbol in this variant: CK_FN(gemm) is gemm_avx2.
#define CK_FN(name) CK_PASTE(name, CK_VARIANT)

#define CK_INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(CK_VW * 4)));
typedef int32_t vi __attribute__((vector_size(CK_VW * 4)));
/// The same vector at an address of any alignment.
typedef float vf_unaligned __attribute__((vector_size(CK_VW * 4), aligned(4), may_alias));
typedef float vf_aligned __attribute__((vector_size(CK_VW * 4), may_alias));

CK_INLINE long at_least(long a, long b) { return a > b ? a : b; }
CK_INLINE long at_most(long a, long b) { return a < b ? a : b; }

CK_INLINE vf vload(const float *p) { return *(const vf_unaligned *)p; }
/// Elements [first, last) of those at p, as far as there are lanes, and zeros; reads nothing else.
CK_INLINE vf vload_between(const float *p, long first, long last) {
  const long begin = at_most(at_least(first, 0), CK_VW), end = at_least(at_most(last, CK_VW), begin);
#if CK_VW == 16 && defined(__x86_64__)
  return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << end) - (1u << begin)), p);
#else
  float lanes[CK_VW] = {0};
  for (long i = begin; i < end; i++) lanes[i] = p[i];
  return *(const vf_unaligned *)lanes;
#endif
}
CK_INLINE void vstore(float *p, vf v) { *(vf_unaligned *)p = v; }
/// Stores to an aligned address, past the caches; vstream_end() lets other threads see it.
CK_INLINE void vstream(float *p, vf v) { __builtin_nontemporal_store(v, (vf_aligned *)p); }
CK_INLINE void vstream_end(void) {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}
/// x in every lane (x - 0 is x, while x + 0 would lose the sign of -0 and cost an addition).
CK_INLINE vf vset(float x) { return x - (vf){0}; }
/// a * b + c; one rounding where the instruction set has it (contraction within the expression).
CK_INLINE vf vfma(vf a, vf b, vf c) { return a * b + c; }
CK_INLINE vf vmax(vf a, vf b) { return __builtin_elementwise_max(a, b); }
CK_INLINE vf vmin(vf a, vf b) { return __builtin_elementwise_min(a, b); }
/// Lane-wise mask ? a : b, where the mask's lanes are 0 or -1 (the result of a comparison).
CK_INLINE vf vselect(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }

/// Stores the first n (< CK_VW) lanes.
CK_INLINE void vstore_first(float *p, vf v, long n) {
#if CK_VW == 16 && defined(__x86_64__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
  float lanes[CK_VW];
  vstore(lanes, v);
  const float *from = lanes;
  // Powers of two: each copy is one instruction.
  if (CK_VW > 8 && n & 8) memcpy(p, from, 32), p += 8, from += 8;
  if (CK_VW > 4 && n & 4) memcpy(p, from, 16), p += 4, from += 4;
  if (n & 2) memcpy(p, from, 8), p += 2, from += 2;
  if (n & 1) *p = *from;
#endif
}

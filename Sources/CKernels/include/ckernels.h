// SIMD micro-kernels: no threads, no allocation, no knowledge of shapes beyond what each needs.
//
// Every kernel is written once over a vector width (vector.h) and compiled per instruction set (variants/); a table of
// function pointers per instruction set is chosen once at run time.
#pragma once

#include "convolution.h"
#include "pixels.h"
#include "pointwise.h"
#include "processor.h"
#include "winograd.h"

typedef enum { CK_PORTABLE = 0, CK_AVX2 = 1, CK_AVX512 = 2 } ck_isa;

/// The widest instruction set that both this build and this processor have.
ck_isa ck_best_isa(void);

/// The kernels for one instruction set; an instruction set that the processor lacks gives the portable ones.
const ck_convolution_kernels *ck_convolution(ck_isa isa);
const ck_pointwise_kernels *ck_pointwise(ck_isa isa);
const ck_pixel_kernels *ck_pixels(ck_isa isa);
const ck_winograd_kernels *ck_winograd(ck_isa isa, ck_winograd_algorithm algorithm);

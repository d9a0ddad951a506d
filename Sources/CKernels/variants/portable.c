// All kernels, compiled for portable.
#define CK_VARIANT portable
#define CK_VW 4
#include "../include/ckernels.h"
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "../vector.h"
#include "../convolution/table.inl"
#include "../winograd/table.inl"
#include "../pointwise/table.inl"
#include "../pixels/table.inl"

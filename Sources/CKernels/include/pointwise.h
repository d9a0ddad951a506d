#pragma once

#include <stddef.h>
#include <stdint.h>

// Everything here works on Float32. Unless said otherwise a kernel may read (never write) up to 256 bytes past the end
// of its inputs, an output may be the same buffer as an input, and the value of an element does not depend on where in
// the buffer it stands, so callers may cut the work anywhere.

/// Element-wise functions of one variable; a and b are their parameters.
typedef enum {
  CK_RELU,
  CK_RELU6,
  CK_LEAKY_RELU,    // a: slope
  CK_SIGMOID,
  CK_TANH,
  CK_GELU,
  CK_GELU_TANH,
  CK_SILU,
  CK_HARD_SWISH,
  CK_HARD_SIGMOID,
  CK_ELU,           // a: alpha
  CK_SELU,
  CK_SOFTPLUS,      // a: beta, b: threshold
  CK_MISH,
  CK_CLIP,          // a, b: limits; the last one that has a backward kernel
  CK_EXP,
  CK_LOG,
  CK_SQRT,
  CK_NEGATE,
  CK_ABS,
  CK_SQUARE,
  CK_RECIPROCAL,
  CK_SIGN,
  CK_ERF,
  CK_SIN,
  CK_COS,
  CK_FLOOR,
  CK_CEIL,
  CK_ROUND,         // halves to even
  CK_NOT,
  CK_AFFINE,        // a * x + b
} ck_map_op;

/// Element-wise functions of two variables; comparisons give 0 or 1.
typedef enum {
  CK_ADD,
  CK_SUBTRACT,
  CK_MULTIPLY,
  CK_DIVIDE,
  CK_MAXIMUM,
  CK_MINIMUM,
  CK_POWER,
  CK_GREATER,
  CK_LESS,
  CK_EQUAL,
  CK_GREATER_OR_EQUAL,
  CK_LESS_OR_EQUAL,
  CK_AND,
  CK_OR,
  CK_XOR,
} ck_zip_op;

typedef enum { CK_SUM, CK_SUM_OF_SQUARES, CK_PRODUCT, CK_MAX, CK_MIN } ck_reduce_op;

/// A sliding window over [batch, depth, height, width, channels].
typedef struct {
  long channels;
  /// Floats between neighbouring positions of x, and of y.
  long x_pixel, y_pixel;
  long input[3], kernel[3], stride[3], dilation[3], padding_before[3], padding_after[3], output[3];
  /// Average pooling: whether the divisor counts taps that fall on padding.
  int counts_padding;
} ck_pool;

/// Channels-last rows, `pixel` floats apart.
typedef struct {
  const float *start;
  long pixel;
} ck_rows;

/// dx = the gradient of pooling + residual, where the mask, what an activation gave, lies between 0 and `limit` (NaN for
/// no limit); else 0. In place of the mask may stand its bits.
typedef struct {
  ck_rows dy;
  /// Of maximum pooling: for each output the tap that won, in `tap_bytes` each (see `max_pool`); else NULL.
  const void *taps;
  int tap_bytes;
  /// These start at NULL where there is none.
  ck_rows residual, mask;
  float limit;
  /// From `mask_bits`; or NULL.
  const uint16_t *bits;
  /// Dense.
  float *dx;
} ck_pool_gradient;

/// Per channel: y = (x - mean) * scale + shift + residual, then, if `clips`, the nearest number from 0 to `limit`.
typedef struct {
  const float *mean, *scale, *shift;
  /// Starts at NULL if there is none.
  ck_rows residual;
  int clips;
  float limit;
} ck_normalize;

/// What tells which elements of dy count: those whose y lies between 0 and `limit`; all others count as 0.
typedef enum {
  /// Nothing: all count.
  CK_MASK_NONE,
  /// y as it was stored.
  CK_MASK_OUTPUT,
  /// y = (x - mean) * scale + shift, computed again.
  CK_MASK_INPUT,
} ck_mask;

/// dx = (dy - center) * scale + (x - mean) * slope + residual per channel.
typedef struct {
  const float *mean, *scale, *shift, *center, *slope;
  ck_mask mask;
  float limit;
  ck_rows dy, x;
  /// Starts at NULL where the mask does not need it.
  ck_rows y;
  /// Starts at NULL if there is none.
  ck_rows residual;
} ck_normalize_backward;

/// One row's share of a cross-entropy. `weights` may be NULL (all 1).
typedef struct {
  long classes;
  const float *weights;
  double weight_sum, smoothing;
} ck_cross_entropy;

typedef struct {
  float rate, momentum, gradient_scale;
  /// Coupled decay is added to the gradient; keep (1 - rate * decay, or 1) multiplies the parameter beforehand.
  float coupled_decay, keep;
  int nesterov;
} ck_sgd;

typedef struct {
  /// rate / (1 - beta1^t), and sqrt(1 - beta2^t).
  float step, root_correction;
  float one_minus_beta1, beta2, one_minus_beta2, epsilon, gradient_scale, coupled_decay, keep;
} ck_adam;

typedef struct {
  uint64_t seed, stream;
  float probability, scale;
} ck_dropout;

/// A sparse linear map: output o is the sum over taps t in starts[o] ..< starts[o + 1] of weights[t] times input
/// sources[t].
typedef struct {
  const long *starts, *sources;
  const float *weights;
} ck_resampling;

/// Element-wise, reduction, pooling and normalisation kernels.
typedef struct {
  long vector_width;

  void (*map)(ck_map_op op, const float *x, float *y, long n, float a, float b);
  void (*map_backward)(ck_map_op op, const float *dy, const float *x, float *dx, long n, float a, float b);
  /// y[i] = op(a[i * a_step], b[i * b_step]); steps are 0 or 1.
  void (*zip)(ck_zip_op op, const float *a, long a_step, const float *b, long b_step, float *y, long n);
  /// y[i] += x[i]
  void (*accumulate)(const float *x, float *y, long n);
  void (*fill)(float *y, long n, float value);
  /// Outputs [first, last) of a linear map over rows of `inner` floats, one behind the other from y on.
  void (*resample)(const ck_resampling *map, const float *x, long first, long last, long inner, float *y);
  /// y[c * y_stride + r] = x[r * x_stride + c]; x and y must not overlap.
  void (*transpose)(const float *x, long x_stride, float *y, long y_stride, long rows, long columns);

  /// The reduction of n contiguous elements.
  double (*reduce)(ck_reduce_op op, const float *x, long n);
  /// accumulator[c] = op(accumulator[c], x[r * stride + c] for all r).
  void (*reduce_columns)(ck_reduce_op op, const float *x, long rows, long columns, long stride, double *accumulator);
  int (*all_finite)(const float *x, long n);

  /// One row of outputs at (batch, depth, height) = position; x and y are whole tensors. `taps`, unless NULL, gets for
  /// each output the number of the tap that won within its window, in 1 or 4 bytes each, densely.
  void (*max_pool)(const ck_pool *g, const long position[3], const float *x, float *y, void *taps, int tap_bytes);
  void (*average_pool)(const ck_pool *g, const long position[3], const float *x, float *y);
  /// One row of input gradients at (batch, depth, height) = position.
  void (*pool_backward)(const ck_pool *g, const long position[3], const ck_pool_gradient *p);
  /// For each vector of channels of each row a number with a bit for each lane: whether it is let through, which is where
  /// it is neither at most 0 nor at least `limit` (NaN for no limit).
  void (*mask_bits)(ck_rows x, long rows, long channels, float limit, uint16_t *bits);

  /// Adds rows to the running mean and M2 (sum of squared deviations) of the `seen` rows before, per channel; these are
  /// not read if there were none.
  void (*moments)(ck_rows x, long rows, long channels, long seen, double *mean, double *m2);
  /// The rows of y are y_pixel floats apart.
  void (*normalize)(ck_normalize p, ck_rows x, float *y, long y_pixel, long rows, long channels);
  /// Mean 0 and variance 1 in each of some dense rows, of at most `standardized_count` elements; y may be x. `inverse`
  /// gets what each row's deviations were multiplied with, 1 / sqrt(variance + epsilon).
  long standardized_count;
  void (*standardize_rows)(const float *x, float *y, float *inverse, long rows, long count, double epsilon);
  /// Adds per channel sum(dy) and sum(dy * (x - mean)). Writes the masked dy as dense rows, unless that is NULL; only
  /// where y tells the mask.
  void (*normalize_sums)(ck_normalize_backward p, float *masked, long rows, long channels, double *sum,
                         double *product_sum);
  /// The rows of dx are dense.
  void (*normalize_backward)(ck_normalize_backward p, float *dx, long rows, long channels);

  /// Softmax (or its logarithm) of n elements `inner` apart, for each of `inner` neighbours.
  void (*softmax)(const float *x, float *y, long n, long inner, int logarithm);
  void (*softmax_backward)(const float *dy, const float *y, float *dx, long n, long inner, int logarithm);
  /// The row's loss before division by the sum of weights; writes log(sum(exp(logits))).
  double (*cross_entropy)(ck_cross_entropy p, const float *logits, int32_t label);
  /// scale: the loss's gradient divided by the sum of weights.
  void (*cross_entropy_backward)(ck_cross_entropy p, const float *logits, int32_t label, float scale,
                                 float *dlogits);
  /// The same for many rows of few classes, without weights or smoothing.
  void (*cross_entropy_narrow)(const float *logits, const int32_t *labels, long rows, long classes, double *losses);
  void (*cross_entropy_backward_narrow)(const float *logits, const int32_t *labels, long rows, long classes, float scale,
                                        float *dlogits);

  /// Elements first ..< first + n of a stream (first is a multiple of 4): y = x * scale where kept, else 0.
  void (*dropout)(ck_dropout p, uint64_t first, const float *x, float *y, long n);
  void (*sgd)(ck_sgd p, const float *gradient, float *parameter, float *velocity, long n);
  void (*adam)(ck_adam p, const float *gradient, float *parameter, float *mean, float *variance, long n);
} ck_pointwise_kernels;

// Weight gradients of depthwise convolutions: a sum of products over positions for each tap and channel.

/// partial[tap][c] of `count` (1 to 4) vectors of channels from `channel` on, for one tap, along one line.
CK_INLINE void depthwise_gradient_line(const long count, const float *x, long x_step, const float *dy, long dy_step,
                                     long width, float *partial) {
  vf sum[4];
#pragma clang loop unroll(full)
  for (long v = 0; v < count; v++) sum[v] = vload(partial + v * CK_VW);
  for (long w = 0; w < width; w++, x += x_step, dy += dy_step)
#pragma clang loop unroll(full)
    for (long v = 0; v < count; v++) sum[v] = vload(x + v * CK_VW) * vload(dy + v * CK_VW) + sum[v];
#pragma clang loop unroll(full)
  for (long v = 0; v < count; v++) vstore(partial + v * CK_VW, sum[v]);
}

/// Positions along the width that are summed at a time; the sums of all taps at hand stay in registers beside their dy.
#define CK_GRADIENT_POSITIONS 4
/// Channels whose lines stay in the first-level cache from one line of dy to the next.
#define CK_GRADIENT_CHANNELS (4 * CK_VW)

/// sum[kh][t] += the products of neighbouring positions with `heights` lines of the input, of which each column is loaded
/// once. At an edge there are those columns that `width` says, and `outputs` positions.
CK_INLINE void depthwise_gradient_block(const long count, const long taps, const long heights, const long stride, const int is_edge,
                                        const float *x, long x_tap, long x_height, tap_range width, const float *dy,
                                        long dy_step, vf sum[][7]) {
  vf gradient[CK_GRADIENT_POSITIONS];
#pragma clang loop unroll(full)
  for (long i = 0; i < count; i++) gradient[i] = vload(dy + i * dy_step);
#pragma clang loop unroll(full)
  for (long j = 0; j < (count - 1) * stride + taps; j++, x += x_tap) {
    if (is_edge && (j < width.first || j >= width.last)) continue;
    const float *at = x;
#pragma clang loop unroll(full)
    for (long kh = 0; kh < heights; kh++, at += x_height) {
      const vf value = vload(at);
#pragma clang loop unroll(full)
      for (long t = 0; t < taps; t++)
        if (j >= t && (j - t) % stride == 0 && (j - t) / stride < count)
          sum[kh][t] = value * gradient[(j - t) / stride] + sum[kh][t];
    }
  }
}

/// A line of dy and the first line of the input that it meets; partial[kh][t] lies `tap_step` floats behind the tap
/// before it. `x` is where the first position's patch starts, perhaps outside.
typedef struct {
  const float *x, *dy;
  long x_height;
  float *partial;
  long tap_step, channel, channel_end;
} depthwise_gradient_place;

/// partial[kh][t][c] of `heights` lines of taps along one line, a vector of channels after the other.
CK_INLINE void depthwise_gradient_whole_line(const long taps, const long heights, const long stride,
                                             const ck_patches *g, const depthwise_gradient_place *line) {
  const long pixel = g->pixel, dy_step = g->channels, tap_step = line->tap_step, x_height = line->x_height;
  const long count = CK_GRADIENT_POSITIONS, columns = (count - 1) * stride + taps, outputs = g->output.width;
  for (long c = line->channel; c < line->channel_end; c += CK_VW) {
    vf sum[5][7];
    float *const partial = line->partial + c;
#pragma clang loop unroll(full)
    for (long kh = 0; kh < heights; kh++)
#pragma clang loop unroll(full)
      for (long t = 0; t < taps; t++) sum[kh][t] = vload(partial + (kh * taps + t) * tap_step);
    const float *x = line->x + c, *dy = line->dy + c;
    for (long w = 0; w < outputs;) {
      const long start = w * stride - g->padding.width;
      if (w + count <= outputs && start >= 0 && start + columns <= g->input.width) {
        // What the next line reads anew: the processor does not foresee it.
        const float *next = x + heights * x_height, *next_dy = dy + outputs * dy_step;
#pragma clang loop unroll(full)
        for (long i = 0; i < count * stride; i++)
#pragma clang loop unroll(full)
          for (long h = 0; h < stride; h++) __builtin_prefetch(next + i * pixel + h * x_height, 0, 2);
#pragma clang loop unroll(full)
        for (long i = 0; i < count; i++) __builtin_prefetch(next_dy + i * dy_step, 0, 2);
        depthwise_gradient_block(count, taps, heights, stride, 0, x, pixel, x_height, (tap_range){0}, dy, dy_step, sum);
        w += count, x += count * stride * pixel, dy += count * dy_step;
      } else {
        const tap_range width = inside_taps(start, taps, 1, g->input.width);
        depthwise_gradient_block(1, taps, heights, stride, 1, x, pixel, x_height, width, dy, dy_step, sum);
        w += 1, x += stride * pixel, dy += dy_step;
      }
    }
#pragma clang loop unroll(full)
    for (long kh = 0; kh < heights; kh++)
#pragma clang loop unroll(full)
      for (long t = 0; t < taps; t++) vstore(partial + (kh * taps + t) * tap_step, sum[kh][t]);
  }
}

typedef void (*depthwise_gradient_function)(const ck_patches *g, const depthwise_gradient_place *line);

#define CK_DEPTHWISE_GRADIENT(taps, heights, stride)                                              \
  static void depthwise_gradient_##taps##x##heights##s##stride(const ck_patches *g,               \
                                                               const depthwise_gradient_place *line) { \
    depthwise_gradient_whole_line(taps, heights, stride, g, line);                                \
  }
#define CK_DEPTHWISE_GRADIENTS(taps, heights) CK_DEPTHWISE_GRADIENT(taps, heights, 1) CK_DEPTHWISE_GRADIENT(taps, heights, 2)
CK_DEPTHWISE_GRADIENTS(3, 1) CK_DEPTHWISE_GRADIENTS(3, 2) CK_DEPTHWISE_GRADIENTS(3, 3)
CK_DEPTHWISE_GRADIENTS(5, 1) CK_DEPTHWISE_GRADIENTS(5, 2) CK_DEPTHWISE_GRADIENTS(7, 1)
#if CK_VW == 16
CK_DEPTHWISE_GRADIENTS(5, 3) CK_DEPTHWISE_GRADIENTS(5, 4) CK_DEPTHWISE_GRADIENTS(5, 5)
CK_DEPTHWISE_GRADIENTS(7, 2) CK_DEPTHWISE_GRADIENTS(7, 3)
#endif

/// Functions for 1, 2, ... lines of taps at a time, as many as registers hold; both strides.
typedef struct {
  long most;
  depthwise_gradient_function of[5][2];
} depthwise_gradient_functions;

#define CK_DEPTHWISE_GRADIENT_PAIR(taps, heights) \
  {depthwise_gradient_##taps##x##heights##s1, depthwise_gradient_##taps##x##heights##s2}

/// Null where there are none.
static const depthwise_gradient_functions *depthwise_gradient_functions_of(const ck_patches *g) {
  static const depthwise_gradient_functions of_3 = {
      3, {CK_DEPTHWISE_GRADIENT_PAIR(3, 1), CK_DEPTHWISE_GRADIENT_PAIR(3, 2), CK_DEPTHWISE_GRADIENT_PAIR(3, 3)}};
#if CK_VW == 16
  static const depthwise_gradient_functions of_5 = {
      5, {CK_DEPTHWISE_GRADIENT_PAIR(5, 1), CK_DEPTHWISE_GRADIENT_PAIR(5, 2), CK_DEPTHWISE_GRADIENT_PAIR(5, 3),
          CK_DEPTHWISE_GRADIENT_PAIR(5, 4), CK_DEPTHWISE_GRADIENT_PAIR(5, 5)}};
  static const depthwise_gradient_functions of_7 = {
      3, {CK_DEPTHWISE_GRADIENT_PAIR(7, 1), CK_DEPTHWISE_GRADIENT_PAIR(7, 2), CK_DEPTHWISE_GRADIENT_PAIR(7, 3)}};
#else
  static const depthwise_gradient_functions of_5 = {
      2, {CK_DEPTHWISE_GRADIENT_PAIR(5, 1), CK_DEPTHWISE_GRADIENT_PAIR(5, 2)}};
  static const depthwise_gradient_functions of_7 = {1, {CK_DEPTHWISE_GRADIENT_PAIR(7, 1)}};
#endif
  if (g->dilation.width != 1 || g->stride.width > 2) return NULL;
  return g->kernel.width == 3   ? &of_3
         : g->kernel.width == 5 ? &of_5
         : g->kernel.width == 7 ? &of_7
                                : NULL;
}

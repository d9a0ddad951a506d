// Convolution of each channel by itself: vectors run over channels, and nothing is copied.

CK_INLINE long padded_channels(long channels) { return (channels + CK_VW - 1) / CK_VW * CK_VW; }

/// Taps [first, last) of one axis that lie inside the input for a patch that starts at `start`.
typedef struct {
  long first, last;
} tap_range;

CK_INLINE tap_range inside_taps(long start, long kernel, long dilation, long input) {
  const long first = start < 0 ? (-start + dilation - 1) / dilation : 0;
  const long last = input > start ? (input - start + dilation - 1) / dilation : 0;
  return (tap_range){first, last < kernel ? last : kernel};
}

/// Positions along the width that are summed together.
#define CK_DEPTHWISE_POSITIONS 4

/// sum[i] += the products of one kernel line at position i. With `line` taps known to the compiler, of stride and
/// dilation 1, neighbouring positions share what they load: at an edge those of its columns, count + line - 1 of them,
/// that `width` says. `line` 0 stands for any taps, all that `width` says.
CK_INLINE void depthwise_line(const long count, const long line, const int is_edge, const float *x, long step,
                              long x_tap, const float *w, long w_tap, tap_range width,
                              vf sum[CK_DEPTHWISE_POSITIONS]) {
  if (line > 0) {
    vf weight[8];
#pragma clang loop unroll(full)
    for (long t = 0; t < line; t++) weight[t] = vload(w + t * w_tap);
#pragma clang loop unroll(full)
    for (long j = 0; j < count + line - 1; j++, x += x_tap) {
      if (is_edge && (j < width.first || j >= width.last)) continue;
      const vf value = vload(x);
#pragma clang loop unroll(full)
      for (long t = 0; t < line; t++)
        if (j - t >= 0 && j - t < count) sum[j - t] = value * weight[t] + sum[j - t];
    }
  } else {
#pragma clang loop unroll(disable)
    for (long t = width.first; t < width.last; t++, x += x_tap, w += w_tap) {
      const vf weight = vload(w);
#pragma clang loop unroll(full)
      for (long i = 0; i < count; i++) sum[i] = vload(x + i * step) * weight + sum[i];
    }
  }
}

/// All channels of `count` neighbouring positions along the width, which meet the same taps but at an edge. `x` is where
/// the first one's patch starts (perhaps outside), `width` as in depthwise_line, and `place` where it is stored.
CK_INLINE void depthwise_positions(const ck_depthwise *p, const long count, const long line, const int is_edge,
                                   const float *x, tap_range depth, tap_range height, tap_range width, long place) {
  const ck_patches *g = &p->patches;
  const long channels = g->channels, padded = padded_channels(channels);
  const long step = g->stride.width * g->pixel, x_tap = g->dilation.width * g->pixel;
  const long x_line = g->input.width * g->pixel, w_line = g->kernel.width * padded;
  const long x_height = g->dilation.height * x_line, x_depth = g->dilation.depth * g->input.height * x_line;
  const long first_tap = line > 0 ? 0 : width.first;
  x += height.first * x_height + first_tap * x_tap;
  const float *weights = p->weights + height.first * w_line + first_tap * padded;
  for (long c = 0; c < channels; c += CK_VW) {
    vf sum[CK_DEPTHWISE_POSITIONS];
#pragma clang loop unroll(full)
    for (long i = 0; i < count; i++) sum[i] = (vf){0};
    for (long kd = depth.first; kd < depth.last; kd++) {
      const float *from = x + kd * x_depth + c, *w = weights + kd * g->kernel.height * w_line + c;
#pragma clang loop unroll(disable)
      for (long kh = height.first; kh < height.last; kh++, from += x_height, w += w_line)
        depthwise_line(count, line, is_edge, from, step, x_tap, w, padded, width, sum);
    }
#pragma clang loop unroll(full)
    for (long i = 0; i < count; i++) {
      const long offset = place + i * p->strides.width + c;
      store_part(p->y + offset, finish_vector(&p->epilogue, sum[i], offset, c), channels - c);
    }
  }
}

#define CK_DEPTHWISE(name, count, line, is_edge)                                                                    \
  static void name(const ck_depthwise *p, const float *x, tap_range depth, tap_range height, tap_range width,       \
                   long place) {                                                                                    \
    depthwise_positions(p, count, line, is_edge, x, depth, height, width, place);                                   \
  }
CK_DEPTHWISE(depthwise_one, 1, 0, 0)
CK_DEPTHWISE(depthwise_any, CK_DEPTHWISE_POSITIONS, 0, 0)
CK_DEPTHWISE(depthwise_3, CK_DEPTHWISE_POSITIONS, 3, 0)
CK_DEPTHWISE(depthwise_5, CK_DEPTHWISE_POSITIONS, 5, 0)
CK_DEPTHWISE(depthwise_7, CK_DEPTHWISE_POSITIONS, 7, 0)
CK_DEPTHWISE(depthwise_edge_3, CK_DEPTHWISE_POSITIONS, 3, 1)
CK_DEPTHWISE(depthwise_edge_5, CK_DEPTHWISE_POSITIONS, 5, 1)
CK_DEPTHWISE(depthwise_edge_7, CK_DEPTHWISE_POSITIONS, 7, 1)

/// An output line: where its first patch begins (perhaps outside), the weights of its first tap inside, and where it is
/// stored.
typedef struct {
  const float *x, *weights;
  long place;
} depthwise_place;

/// sum[i] += the products of `heights` kernel lines at `count` neighbouring positions, which share what they load: at
/// an edge those of their columns that `width` says.
CK_INLINE void depthwise_block(const long count, const long taps, const long heights, const long stride,
                               const int is_edge, const float *x, long x_tap, long x_height, tap_range width,
                               const vf weight[][5], vf sum[CK_DEPTHWISE_POSITIONS]) {
#pragma clang loop unroll(full)
  for (long kh = 0; kh < heights; kh++, x += x_height) {
    const float *at = x;
#pragma clang loop unroll(full)
    for (long j = 0; j < (count - 1) * stride + taps; j++, at += x_tap) {
      if (is_edge && (j < width.first || j >= width.last)) continue;
      const vf value = vload(at);
#pragma clang loop unroll(full)
      for (long t = 0; t < taps; t++)
        if (j >= t && (j - t) % stride == 0 && (j - t) / stride < count)
          sum[(j - t) / stride] = value * weight[kh][t] + sum[(j - t) / stride];
    }
  }
}

/// One output line of a two-dimensional convolution without dilation, a vector of channels after the other, so that its
/// weights stay in registers. `line.x` may lie outside; `heights` lines of taps lie inside.
CK_INLINE void depthwise_whole_line(const long taps, const long heights, const long stride, const ck_depthwise *p,
                                    depthwise_place line) {
  const ck_patches *g = &p->patches;
  const ck_epilogue epilogue = p->epilogue;
  const long channels = g->channels, padded = padded_channels(channels), pixel = g->pixel;
  const long x_height = g->input.width * pixel, y_step = p->strides.width, outputs = g->output.width;
  const long input = g->input.width, padding = g->padding.width;
  const long count = CK_DEPTHWISE_POSITIONS, columns = (count - 1) * stride + taps;
  float *const y = p->y;
  for (long c = 0; c < channels; c += CK_VW) {
    vf weight[5][5];
#pragma clang loop unroll(full)
    for (long kh = 0; kh < heights; kh++)
#pragma clang loop unroll(full)
      for (long t = 0; t < taps; t++) weight[kh][t] = vload(line.weights + (kh * taps + t) * padded + c);
    for (long w = 0; w < outputs;) {
      vf sum[CK_DEPTHWISE_POSITIONS] = {{0}};
      if (outputs < count) {
        const float *from = line.x + w * stride * pixel + c;
        const tap_range width = inside_taps(w * stride - padding, taps, 1, input);
        depthwise_block(1, taps, heights, stride, 1, from, pixel, x_height, width, weight, sum);
        const long offset = line.place + w * y_step + c;
        finish_tile(&epilogue, 1, 1, 1, sum, offset, y_step, c);
        store_tile(1, 1, 1, sum, y + offset, y_step, channels - c);
        w += 1;
        continue;
      }
      // At the end some positions are computed once more.
      if (w > outputs - count) w = outputs - count;
      const float *from = line.x + w * stride * pixel + c;
      const tap_range width = inside_taps(w * stride - padding, columns, 1, input);
      if (width.first == 0 && width.last == columns) {
        if (p->is_cached) {
          // The next columns.
          const float *next = from + columns * pixel;
#pragma clang loop unroll(full)
          for (long i = 0; i < count * stride; i++)
#pragma clang loop unroll(full)
            for (long h = 0; h < heights; h++) __builtin_prefetch(next + i * pixel + h * x_height, 0, 3);
        } else {
          // What the next line reads anew: the processor does not foresee it.
          const float *next = from + heights * x_height;
#pragma clang loop unroll(full)
          for (long i = 0; i < count * stride; i++)
#pragma clang loop unroll(full)
            for (long h = 0; h < stride; h++) __builtin_prefetch(next + i * pixel + h * x_height, 0, 2);
        }
        depthwise_block(count, taps, heights, stride, 0, from, pixel, x_height, width, weight, sum);
      } else {
        depthwise_block(count, taps, heights, stride, 1, from, pixel, x_height, width, weight, sum);
      }
      const long offset = line.place + w * y_step + c;
      finish_tile(&epilogue, count, 1, 1, sum, offset, y_step, c);
      store_tile(count, 1, 1, sum, y + offset, y_step, channels - c);
      w += count;
    }
  }
}

typedef void (*depthwise_line_function)(const ck_depthwise *p, depthwise_place line);

#define CK_DEPTHWISE_LINE(taps, heights, stride)                                                              \
  static void depthwise_line_##taps##x##heights##s##stride(const ck_depthwise *p, depthwise_place line) {     \
    depthwise_whole_line(taps, heights, stride, p, line);                                                     \
  }
CK_DEPTHWISE_LINE(3, 2, 1) CK_DEPTHWISE_LINE(3, 3, 1) CK_DEPTHWISE_LINE(3, 2, 2) CK_DEPTHWISE_LINE(3, 3, 2)
// As many weights as registers hold beside the sums.
#if CK_VW == 16
CK_DEPTHWISE_LINE(5, 3, 1) CK_DEPTHWISE_LINE(5, 4, 1) CK_DEPTHWISE_LINE(5, 5, 1)
CK_DEPTHWISE_LINE(5, 3, 2) CK_DEPTHWISE_LINE(5, 4, 2) CK_DEPTHWISE_LINE(5, 5, 2)
#endif

/// The function for a line of which `heights` lines of taps lie inside; null where there is none.
static depthwise_line_function depthwise_line_of(const ck_patches *g, long heights) {
  const long stride = g->stride.width, taps = g->kernel.width;
  if (g->kernel.depth != 1 || g->dilation.width != 1 || g->dilation.height != 1 || stride > 2) return NULL;
  if (taps == 3 && heights == 3) return stride == 1 ? depthwise_line_3x3s1 : depthwise_line_3x3s2;
  if (taps == 3 && heights == 2) return stride == 1 ? depthwise_line_3x2s1 : depthwise_line_3x2s2;
#if CK_VW == 16
  if (taps == 5 && heights == 5) return stride == 1 ? depthwise_line_5x5s1 : depthwise_line_5x5s2;
  if (taps == 5 && heights == 4) return stride == 1 ? depthwise_line_5x4s1 : depthwise_line_5x4s2;
  if (taps == 5 && heights == 3) return stride == 1 ? depthwise_line_5x3s1 : depthwise_line_5x3s2;
#endif
  return NULL;
}

// Convolution of narrow groups, as many channels out as in, several groups to a vector. It is a depthwise one for each
// channel of a group, of x with that channel in all lanes of its group: nothing is multiplied with the zeros that a
// product of several groups at once would hold.

/// The `channel`-th of each `group` neighbouring lanes, in all lanes of its group.
CK_INLINE vf spread_channel(vf x, const long group, const long channel) {
  vi lanes = {0};
#pragma clang loop unroll(full)
  for (int lane = 0; lane < CK_VW; lane++) lanes[lane] = (int32_t)(lane / group * group + channel);
  return __builtin_shufflevector(x, lanes);
}

/// Sums that do not wait for one another: enough for the latency of an addition.
#define CK_GROUPED_CHAINS(count, group) (8 / (count) < (group) ? 8 / (count) : (group))

/// sum[chain][i] += the products of one kernel line at position i, `count` of them, with weights `channel_step` apart
/// for each channel of a group. `line`, `is_edge` and `width` as in depthwise_line.
CK_INLINE void grouped_line(const long count, const long group, const long line, const int is_edge, const float *x,
                            long step, long x_tap, const float *w, long w_tap, long channel_step, tap_range width,
                            vf sum[][CK_DEPTHWISE_POSITIONS]) {
#pragma clang loop unroll(full)
  for (long channel = 0; channel < group; channel++, w += channel_step) {
    vf *chain = sum[channel % CK_GROUPED_CHAINS(count, group)];
    const float *from = x, *tap_weights = w;
    if (line > 0) {
      vf weight[3];
#pragma clang loop unroll(full)
      for (long t = 0; t < line; t++) weight[t] = vload(w + t * w_tap);
#pragma clang loop unroll(full)
      for (long j = 0; j < count + line - 1; j++, from += x_tap) {
        if (is_edge && (j < width.first || j >= width.last)) continue;
        const vf value = spread_channel(vload(from), group, channel);
#pragma clang loop unroll(full)
        for (long t = 0; t < line; t++)
          if (j - t >= 0 && j - t < count) chain[j - t] = value * weight[t] + chain[j - t];
      }
    } else {
#pragma clang loop unroll(disable)
      for (long t = width.first; t < width.last; t++, from += x_tap, tap_weights += w_tap) {
        const vf weight = vload(tap_weights);
#pragma clang loop unroll(full)
        for (long i = 0; i < count; i++)
          chain[i] = spread_channel(vload(from + i * step), group, channel) * weight + chain[i];
      }
    }
  }
}

/// All channels of `count` neighbouring positions along the width: see depthwise_positions.
CK_INLINE void grouped_positions(const ck_depthwise *p, const long count, const long group, const long line,
                                 const int is_edge, const float *x, tap_range depth, tap_range height, tap_range width,
                                 long place) {
  const ck_patches *g = &p->patches;
  const long channels = g->channels, padded = padded_channels(channels);
  const long step = g->stride.width * g->pixel, x_tap = g->dilation.width * g->pixel;
  const long x_line = g->input.width * g->pixel, w_line = g->kernel.width * padded;
  const long x_height = g->dilation.height * x_line, x_depth = g->dilation.depth * g->input.height * x_line;
  const long channel_step = g->kernel.depth * g->kernel.height * w_line;
  const long first_tap = line > 0 ? 0 : width.first;
  x += height.first * x_height + first_tap * x_tap;
  const float *weights = p->weights + height.first * w_line + first_tap * padded;
  for (long c = 0; c < channels; c += CK_VW) {
    vf sum[CK_GROUPED_CHAINS(count, group)][CK_DEPTHWISE_POSITIONS];
#pragma clang loop unroll(full)
    for (long chain = 0; chain < CK_GROUPED_CHAINS(count, group); chain++)
#pragma clang loop unroll(full)
      for (long i = 0; i < count; i++) sum[chain][i] = (vf){0};
    for (long kd = depth.first; kd < depth.last; kd++) {
      const float *from = x + kd * x_depth + c, *w = weights + kd * g->kernel.height * w_line + c;
#pragma clang loop unroll(disable)
      for (long kh = height.first; kh < height.last; kh++, from += x_height, w += w_line)
        grouped_line(count, group, line, is_edge, from, step, x_tap, w, padded, channel_step, width, sum);
    }
#pragma clang loop unroll(full)
    for (long i = 0; i < count; i++) {
#pragma clang loop unroll(full)
      for (long chain = 1; chain < CK_GROUPED_CHAINS(count, group); chain++) sum[0][i] += sum[chain][i];
      const long offset = place + i * p->strides.width + c;
      store_part(p->y + offset, finish_vector(&p->epilogue, sum[0][i], offset, c), channels - c);
    }
  }
}

/// partial[channel of the group][tap][c] of `count` vectors of channels, for one tap, along one line.
CK_INLINE void grouped_gradient_line(const long count, const long group, const float *x, long x_step, const float *dy,
                                     long dy_step, long width, float *partial, long channel_step) {
  vf sum[8][8];
#pragma clang loop unroll(full)
  for (long channel = 0; channel < group; channel++)
#pragma clang loop unroll(full)
    for (long v = 0; v < count; v++) sum[channel][v] = vload(partial + channel * channel_step + v * CK_VW);
  for (long w = 0; w < width; w++, x += x_step, dy += dy_step)
#pragma clang loop unroll(full)
    for (long v = 0; v < count; v++) {
      const vf value = vload(x + v * CK_VW), gradient = vload(dy + v * CK_VW);
#pragma clang loop unroll(full)
      for (long channel = 0; channel < group; channel++)
        sum[channel][v] = spread_channel(value, group, channel) * gradient + sum[channel][v];
    }
#pragma clang loop unroll(full)
  for (long channel = 0; channel < group; channel++)
#pragma clang loop unroll(full)
    for (long v = 0; v < count; v++) vstore(partial + channel * channel_step + v * CK_VW, sum[channel][v]);
}

typedef void (*depthwise_positions_function)(const ck_depthwise *p, const float *x, tap_range depth, tap_range height,
                                             tap_range width, long place);
typedef void (*grouped_gradient_function)(const float *x, long x_step, const float *dy, long dy_step, long width,
                                          float *partial, long channel_step);

#define CK_GROUPED_POSITIONS(name, count, group, line, is_edge)                                                     \
  static void name(const ck_depthwise *p, const float *x, tap_range depth, tap_range height, tap_range width,      \
                   long place) {                                                                                   \
    grouped_positions(p, count, group, line, is_edge, x, depth, height, width, place);                             \
  }
#define CK_GROUPED(group)                                                                                           \
  CK_GROUPED_POSITIONS(grouped_one_of_##group, 1, group, 0, 0)                                                      \
  CK_GROUPED_POSITIONS(grouped_any_of_##group, CK_DEPTHWISE_POSITIONS, group, 0, 0)                                 \
  CK_GROUPED_POSITIONS(grouped_3_of_##group, CK_DEPTHWISE_POSITIONS, group, 3, 0)                                   \
  CK_GROUPED_POSITIONS(grouped_edge_of_##group, CK_DEPTHWISE_POSITIONS, group, 3, 1)                                \
  static void grouped_gradient_of_##group(const float *x, long x_step, const float *dy, long dy_step, long width,   \
                                          float *partial, long channel_step) {                                      \
    grouped_gradient_line(1, group, x, x_step, dy, dy_step, width, partial, channel_step);                          \
  }                                                                                                                 \
  static void grouped_gradients_of_##group(const float *x, long x_step, const float *dy, long dy_step, long width,  \
                                           float *partial, long channel_step) {                                     \
    grouped_gradient_line(8 / group, group, x, x_step, dy, dy_step, width, partial, channel_step);                  \
  }
CK_GROUPED(2)
#if CK_VW >= 8
CK_GROUPED(4)
#endif
#if CK_VW >= 16
CK_GROUPED(8)
#endif

/// The functions for groups of a width.
typedef struct {
  depthwise_positions_function one, any, line_of_3, edge_of_3;
  /// Of a vector, and of as many as let no sum wait for another.
  grouped_gradient_function gradient, gradients;
} grouped_functions;

#define CK_GROUPED_ROW(group)                                                                                      \
  {grouped_one_of_##group, grouped_any_of_##group,      grouped_3_of_##group,                                      \
   grouped_edge_of_##group, grouped_gradient_of_##group, grouped_gradients_of_##group}

static const grouped_functions *grouped_functions_of(long group) {
  static const grouped_functions rows[] = {
      CK_GROUPED_ROW(2),
#if CK_VW >= 8
      CK_GROUPED_ROW(4),
#endif
#if CK_VW >= 16
      CK_GROUPED_ROW(8),
#endif
  };
  return &rows[group / 4];
}

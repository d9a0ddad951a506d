// Convolution of each channel by itself: vectors run over channels, and nothing is copied.

/// Weights start at tap `tap`, channel `c` at: weights + tap * padded channels + c.
CK_INLINE long padded_channels(long channels) { return (channels + CK_VW - 1) / CK_VW * CK_VW; }

/// Sums `count` (1 or 4) neighbouring output positions along the width, whose taps along the width from `tap` to
/// `tap_end` all lie inside the input.
CK_INLINE void depthwise_run(const ck_depthwise *p, const long count, const float *x_image, long front, long top,
                                    long start, long tap, long tap_end, long channel, vf *sum) {
  const ck_patches *g = &p->patches;
  const long padded = padded_channels(g->channels);
  const long step = g->stride.width * g->pixel, dilation = g->dilation.width * g->pixel;
  for (long kd = 0; kd < g->kernel.depth; kd++) {
    const long d = front + kd * g->dilation.depth;
    if (d < 0 || d >= g->input.depth) continue;
    for (long kh = 0; kh < g->kernel.height; kh++) {
      const long h = top + kh * g->dilation.height;
      if (h < 0 || h >= g->input.height) continue;
      const float *x = x_image + ((d * g->input.height + h) * g->input.width + start) * g->pixel + channel;
      const float *w = p->weights + (kd * g->kernel.height + kh) * g->kernel.width * padded + channel;
      for (long kw = tap; kw < tap_end; kw++) {
        const vf weight = vload(w + kw * padded);
#pragma clang loop unroll(full)
        for (long i = 0; i < count; i++) sum[i] = vload(x + kw * dilation + i * step) * weight + sum[i];
      }
    }
  }
}

/// The first and last tap along the width that lie inside the input for a patch starting at `start`.
CK_INLINE void inside_taps(const ck_patches *g, long start, long *tap, long *tap_end) {
  const long step = g->dilation.width;
  *tap = start < 0 ? (-start + step - 1) / step : 0;
  *tap_end = g->input.width > start ? (g->input.width - start + step - 1) / step : 0;
  if (*tap_end > g->kernel.width) *tap_end = g->kernel.width;
}

static void depthwise(const ck_depthwise *p, long line, long line_end) {
  const ck_patches *g = &p->patches;
  for (; line < line_end; line++) {
    const position at = position_of(g, line * g->output.width);
    const float *x = p->x + at.batch * g->input.depth * g->input.height * g->input.width * g->pixel;
    const long front = at.depth * g->stride.depth - g->padding.depth;
    const long top = at.height * g->stride.height - g->padding.height;
    const long place = at.batch * p->strides.batch + at.depth * p->strides.depth + at.height * p->strides.height;
    for (long w = 0; w < g->output.width;) {
      const long start = w * g->stride.width - g->padding.width;
      const long last = start + 3 * g->stride.width + (g->kernel.width - 1) * g->dilation.width;
      const long count = w + 4 <= g->output.width && start >= 0 && last < g->input.width ? 4 : 1;
      long tap, tap_end;
      inside_taps(g, start, &tap, &tap_end);
      for (long c = 0; c < g->channels; c += CK_VW) {
        vf sum[4] = {{0}, {0}, {0}, {0}};
        if (count == 4) depthwise_run(p, 4, x, front, top, start, 0, g->kernel.width, c, sum);
        else depthwise_run(p, 1, x, front, top, start, tap, tap_end, c, sum);
        for (long i = 0; i < count; i++) {
          const long offset = place + (w + i) * p->strides.width + c;
          store_part(p->y + offset, finish_vector(&p->epilogue, sum[i], offset, c), g->channels - c);
        }
      }
      w += count;
    }
  }
}

/// partial[tap][c] of `count` (1 or 4) vectors of channels from `channel` on, for one tap, along one line.
CK_INLINE void depthwise_line(const long count, const float *x, long x_step, const float *dy, long dy_step,
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

static void depthwise_weight_gradient(const ck_patches *g, const float *x, const float *dy, float *partial,
                                             long line, long line_end, long channel, long channel_end) {
  const long padded = padded_channels(g->channels);
  const long width_end = padded_channels(channel_end);
  for (long tap = 0; tap < g->kernel.depth * g->kernel.height * g->kernel.width; tap++)
    memset(partial + tap * padded + channel, 0, (width_end - channel) * sizeof(float));
  for (; line < line_end; line++) {
    const position at = position_of(g, line * g->output.width);
    const float *dy_line = dy + line * g->output.width * g->channels;
    for (long kd = 0; kd < g->kernel.depth; kd++)
      for (long kh = 0; kh < g->kernel.height; kh++) {
        const long d = at.depth * g->stride.depth - g->padding.depth + kd * g->dilation.depth;
        const long h = at.height * g->stride.height - g->padding.height + kh * g->dilation.height;
        if (d < 0 || d >= g->input.depth || h < 0 || h >= g->input.height) continue;
        const float *x_line = x + ((at.batch * g->input.depth + d) * g->input.height + h) * g->input.width * g->pixel;
        for (long kw = 0; kw < g->kernel.width; kw++) {
          // Output positions [w, w_end) whose tap lies inside the input.
          const long start = kw * g->dilation.width - g->padding.width, step = g->stride.width;
          const long w = start < 0 ? (-start + step - 1) / step : 0;
          long w_end = g->input.width > start ? (g->input.width - start + step - 1) / step : 0;
          if (w_end > g->output.width) w_end = g->output.width;
          if (w >= w_end) continue;
          const float *from = x_line + (start + w * step) * g->pixel, *gradient = dy_line + w * g->channels;
          float *to = partial + ((kd * g->kernel.height + kh) * g->kernel.width + kw) * padded;
          long c = channel;
          for (; c + 4 * CK_VW <= width_end; c += 4 * CK_VW)
            depthwise_line(4, from + c, step * g->pixel, gradient + c, g->channels, w_end - w, to + c);
          for (; c < width_end; c += CK_VW)
            depthwise_line(1, from + c, step * g->pixel, gradient + c, g->channels, w_end - w, to + c);
        }
      }
  }
}

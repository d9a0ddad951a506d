// Depthwise convolutions and those of narrow groups, line by line.

/// Fetches what the next output line reads anew beneath the positions at hand: the processor does not foresee it, and
/// memory, not arithmetic, bounds a depthwise convolution.
CK_INLINE void prefetch_lines(const ck_patches *g, const float *x) {
  const long count = CK_DEPTHWISE_POSITIONS * g->stride.width * g->pixel;
  for (long h = 0; h < g->stride.height; h++, x += g->input.width * g->pixel)
    for (long i = 0; i < count; i += 16) __builtin_prefetch(x + i, 0, 2);
}

static void depthwise(const ck_depthwise *p, long line, long line_end) {
  const ck_patches *g = &p->patches;
  const int is_unit = g->stride.width == 1 && g->dilation.width == 1;
  const grouped_functions *grouped = p->group > 1 ? grouped_functions_of(p->group) : NULL;
  // Several positions at an edge, where lines of taps have functions of their own.
  const depthwise_positions_function edge =
      !is_unit || g->output.width < CK_DEPTHWISE_POSITIONS ? NULL
      : grouped                                            ? (g->kernel.width == 3 ? grouped->edge_of_3 : NULL)
      : g->kernel.width == 3                               ? depthwise_edge_3
      : g->kernel.width == 5                               ? depthwise_edge_5
      : g->kernel.width == 7                               ? depthwise_edge_7
                                                           : NULL;
  const depthwise_positions_function one = grouped ? grouped->one : depthwise_one;
  const depthwise_positions_function several =
      grouped                             ? (is_unit && g->kernel.width == 3 ? grouped->line_of_3 : grouped->any)
      : is_unit && g->kernel.width == 3 ? depthwise_3
      : is_unit && g->kernel.width == 5 ? depthwise_5
      : is_unit && g->kernel.width == 7 ? depthwise_7
                                        : depthwise_any;
  for (; line < line_end; line++) {
    const position at = position_of(g, line * g->output.width);
    const long front = at.depth * g->stride.depth - g->padding.depth;
    const long top = at.height * g->stride.height - g->padding.height;
    const tap_range depth = inside_taps(front, g->kernel.depth, g->dilation.depth, g->input.depth);
    const tap_range height = inside_taps(top, g->kernel.height, g->dilation.height, g->input.height);
    const long x_line = ((at.batch * g->input.depth + front) * g->input.height + top) * g->input.width;
    const long place = at.batch * p->strides.batch + at.depth * p->strides.depth + at.height * p->strides.height;
    const depthwise_line_function whole =
        !grouped && depth.first < depth.last ? depthwise_line_of(g, height.last - height.first) : NULL;
    if (whole) {
      const float *x = p->x + (x_line + height.first * g->input.width - g->padding.width) * g->pixel;
      const float *weights = p->weights + height.first * g->kernel.width * padded_channels(g->channels);
      whole(p, (depthwise_place){x, weights, place});
      continue;
    }
    const long reach = (CK_DEPTHWISE_POSITIONS - 1) * g->stride.width + (g->kernel.width - 1) * g->dilation.width;
    for (long w = 0; w < g->output.width;) {
      const long start = w * g->stride.width - g->padding.width;
      const float *x = p->x + (x_line + start) * g->pixel;
      if (w + CK_DEPTHWISE_POSITIONS <= g->output.width && start >= 0 && start + reach < g->input.width) {
        const tap_range width = {0, g->kernel.width};
        prefetch_lines(g, x + g->kernel.height * g->dilation.height * g->input.width * g->pixel);
        several(p, x, depth, height, width, place + w * p->strides.width);
        w += CK_DEPTHWISE_POSITIONS;
      } else if (edge) {
        // At the end some positions are computed once more.
        const long last = g->output.width - CK_DEPTHWISE_POSITIONS, back = w > last ? w - last : 0;
        const tap_range columns = inside_taps(start - back, reach + 1, 1, g->input.width);
        edge(p, x - back * g->pixel, depth, height, columns, place + (w - back) * p->strides.width);
        w += CK_DEPTHWISE_POSITIONS - back;
      } else {
        const tap_range width = inside_taps(start, g->kernel.width, g->dilation.width, g->input.width);
        one(p, x, depth, height, width, place + w * p->strides.width);
        w += 1;
      }
    }
  }
}

/// The products of one line of dy with all lines of the input that it meets.
static void depthwise_gradient_lines(const depthwise_gradient_functions *functions, const ck_patches *g, position at,
                                     const float *x, const float *dy, float *partial, long padded, long channel,
                                     long channel_end) {
  const long front = at.depth * g->stride.depth - g->padding.depth;
  const long top = at.height * g->stride.height - g->padding.height;
  const tap_range depth = inside_taps(front, g->kernel.depth, g->dilation.depth, g->input.depth);
  const tap_range height = inside_taps(top, g->kernel.height, g->dilation.height, g->input.height);
  const long x_line = g->input.width * g->pixel, x_height = g->dilation.height * x_line;
  for (long kd = depth.first; kd < depth.last; kd++) {
    const long d = at.batch * g->input.depth + front + kd * g->dilation.depth;
    const float *from = x + (d * g->input.height + top) * x_line - g->padding.width * g->pixel;
    for (long kh = height.first; kh < height.last;) {
      const long heights = height.last - kh < functions->most ? height.last - kh : functions->most;
      float *to = partial + (kd * g->kernel.height + kh) * g->kernel.width * padded;
      functions->of[heights - 1][g->stride.width - 1](
          g, &(depthwise_gradient_place){from + kh * x_height, dy, x_height, to, padded, channel, channel_end});
      kh += heights;
    }
  }
}

static void depthwise_weight_gradient(const ck_patches *g, long group, const float *x, const float *dy, float *partial,
                                      long line, long line_end, long channel, long channel_end) {
  const grouped_functions *grouped = group > 1 ? grouped_functions_of(group) : NULL;
  const long padded = padded_channels(g->channels);
  const long width_end = padded_channels(channel_end);
  const long taps = g->kernel.depth * g->kernel.height * g->kernel.width, channel_step = taps * padded;
  for (long row = 0; row < group * taps; row++)
    memset(partial + row * padded + channel, 0, (width_end - channel) * sizeof(float));
  const depthwise_gradient_functions *functions = grouped ? NULL : depthwise_gradient_functions_of(g);
  if (functions) {
    for (long c = channel; c < width_end; c += CK_GRADIENT_CHANNELS) {
      const long c_end = width_end - c < CK_GRADIENT_CHANNELS ? width_end : c + CK_GRADIENT_CHANNELS;
      for (long l = line; l < line_end; l++) {
        const float *dy_line = dy + l * g->output.width * g->channels;
        depthwise_gradient_lines(functions, g, position_of(g, l * g->output.width), x, dy_line, partial, padded, c, c_end);
      }
    }
    return;
  }
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
          const long x_step = step * g->pixel, width = w_end - w;
          long c = channel;
          if (grouped) {
            const long several = 8 / group * CK_VW;
            for (; c + several <= width_end; c += several)
              grouped->gradients(from + c, x_step, gradient + c, g->channels, width, to + c, channel_step);
            for (; c < width_end; c += CK_VW)
              grouped->gradient(from + c, x_step, gradient + c, g->channels, width, to + c, channel_step);
            continue;
          }
          for (; c + 4 * CK_VW <= width_end; c += 4 * CK_VW)
            depthwise_gradient_line(4, from + c, x_step, gradient + c, g->channels, width, to + c);
          // The rest at once: single sums would wait for one another.
          const long rest = (width_end - c) / CK_VW;
          if (rest == 3) depthwise_gradient_line(3, from + c, x_step, gradient + c, g->channels, width, to + c);
          if (rest == 2) depthwise_gradient_line(2, from + c, x_step, gradient + c, g->channels, width, to + c);
          if (rest == 1) depthwise_gradient_line(1, from + c, x_step, gradient + c, g->channels, width, to + c);
        }
      }
  }
}

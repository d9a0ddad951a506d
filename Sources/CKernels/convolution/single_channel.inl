// Convolutions of one channel to one, of stride 1 along the width and dense lines: filters of gray images and signals.
// Vectors run along the line; every tap is a shifted load.

static int is_single_channel(const ck_product *p) {
  const ck_patches *g = &p->patches;
  return g->channels == 1 && p->columns == 1 && g->pixel == 1 && p->strides.width == 1;
}

/// Most vectors of positions whose sums are in registers.
#define CK_FILTER_VECTORS 4

/// The lines that an output line meets: of the first of them, x at the start of the first position's patch (perhaps
/// outside) and the weights; then how many there are, and floats between them, along both axes.
typedef struct {
  const float *x, *weights;
  long depths, x_depth, w_depth;
  long heights, x_height, w_height;
  long dilation, width;
} filter_lines;

/// sum[i] = the products at the i-th vector of positions, of which the first one's patch starts at `start`: at an edge
/// with those of its elements that lie inside the line.
CK_INLINE void filter_positions(const long vectors, const long taps, const int is_edge, const filter_lines *lines,
                                long start, vf sum[CK_FILTER_VECTORS]) {
  for (long i = 0; i < vectors; i++) sum[i] = (vf){0};
  const float *x_depth = lines->x + start, *w_depth = lines->weights;
  for (long d = lines->depths; d > 0; d--, x_depth += lines->x_depth, w_depth += lines->w_depth) {
    const float *x = x_depth, *weights = w_depth;
    for (long h = lines->heights; h > 0; h--, x += lines->x_height, weights += lines->w_height)
      for (long t = 0, at = start; t < taps; t++, at += lines->dilation)
#pragma clang loop unroll(full)
        for (long i = 0; i < vectors; i++) {
          const float *from = x + (at - start) + i * CK_VW;
          const vf value = is_edge ? vload_between(from, -at, lines->width - at) : vload(from);
          sum[i] = weights[t] * value + sum[i];
        }
  }
}

CK_INLINE void filter_line(const long taps, const ck_product *p, const ck_epilogue *epilogue,
                           const filter_lines *lines, long place) {
  const long outputs = p->patches.output.width, padding = p->patches.padding.width;
  const long reach = (taps - 1) * lines->dilation;
  vf sum[CK_FILTER_VECTORS];
  for (long w = 0; w < outputs;) {
    const long start = w - padding, most = CK_FILTER_VECTORS * CK_VW;
    if (start >= 0 && w + most <= outputs && start + most + reach <= lines->width) {
      filter_positions(CK_FILTER_VECTORS, taps, 0, lines, start, sum);
#pragma clang loop unroll(full)
      for (long i = 0; i < CK_FILTER_VECTORS; i++, w += CK_VW)
        vstore(p->y + place + w, finish_vector(epilogue, sum[i], place + w, 0));
      continue;
    }
    if (start >= 0 && start + CK_VW + reach <= lines->width)
      filter_positions(1, taps, 0, lines, start, sum);
    else
      filter_positions(1, taps, 1, lines, start, sum);
    store_part(p->y + place + w, finish_vector(epilogue, sum[0], place + w, 0), outputs - w);
    w += CK_VW;
  }
}

static void single_channel_product(const ck_product *p, long line, long line_end) {
  const ck_patches *g = &p->patches;
  const long plane = g->input.height * g->input.width, w_height = padded_channels(g->kernel.width);
  // Lanes are positions, which share the bias.
  float bias[CK_VW];
  ck_epilogue epilogue = p->epilogue;
  if (epilogue.bias) {
    vstore(bias, vset(epilogue.bias[0]));
    epilogue.bias = bias;
  }
  for (; line < line_end; line++) {
    const position at = position_of(g, line * g->output.width);
    const long front = at.depth * g->stride.depth - g->padding.depth;
    const long top = at.height * g->stride.height - g->padding.height;
    const tap_range depth = inside_taps(front, g->kernel.depth, g->dilation.depth, g->input.depth);
    const tap_range height = inside_taps(top, g->kernel.height, g->dilation.height, g->input.height);
    const filter_lines lines = {
        .x = p->x + (at.batch * g->input.depth + front + depth.first * g->dilation.depth) * plane +
             (top + height.first * g->dilation.height) * g->input.width,
        .weights = p->weights + (depth.first * g->kernel.height + height.first) * w_height,
        .depths = depth.last - depth.first,
        .x_depth = g->dilation.depth * plane,
        .w_depth = g->kernel.height * w_height,
        .heights = height.last - height.first,
        .x_height = g->dilation.height * g->input.width,
        .w_height = w_height,
        .dilation = g->dilation.width,
        .width = g->input.width,
    };
    const long place = at.batch * p->strides.batch + at.depth * p->strides.depth + at.height * p->strides.height;
    switch (g->kernel.width) {
      case 3: filter_line(3, p, &epilogue, &lines, place); break;
      case 5: filter_line(5, p, &epilogue, &lines, place); break;
      default: filter_line(g->kernel.width, p, &epilogue, &lines, place);
    }
  }
}

// Copies a few rows of the patch matrix to a dense buffer; everything particular to convolution (stride, dilation,
// padding, groups) happens here, once per element, and the products see plain matrices.
//
// Copies run a vector at a time and may write up to CK_VW - 1 floats too far: what comes later overwrites them, and
// buffers end with CK_VW spare floats.

CK_INLINE float *copy_floats(float *to, const float *from, long count) {
  for (long j = 0; j < count; j += CK_VW) vstore(to + j, vload(from + j));
  return to + count;
}

CK_INLINE float *zero_floats(float *to, long count) {
  for (long j = 0; j < count; j += CK_VW) vstore(to + j, (vf){0});
  return to + count;
}

typedef struct {
  long batch, depth, height, width;
} position;

CK_INLINE position position_of(const ck_patches *p, long row) {
  position at;
  at.width = row % p->output.width, row /= p->output.width;
  at.height = row % p->output.height, row /= p->output.height;
  at.depth = row % p->output.depth, at.batch = row / p->output.depth;
  return at;
}

CK_INLINE void advance(const ck_patches *p, position *at) {
  if (++at->width < p->output.width) return;
  at->width = 0;
  if (++at->height < p->output.height) return;
  at->height = 0;
  if (++at->depth < p->output.depth) return;
  at->depth = 0, at->batch++;
}

/// One kernel line (taps along the width) of one patch: its elements [first, last), with `line` the input's line.
static float *copy_line(const ck_patches *p, const float *line, long start, long first, long last, float *to) {
  if (p->dilation.width == 1 && p->pixel == p->channels) {
    // The taps are neighbours in memory: at most zeros, one copy, zeros.
    const long inside = start < 0 ? -start * p->channels : 0;
    const long outside = (p->input.width - start) * p->channels;
    const long from = first > inside ? first : inside < last ? inside : last;
    const long until = last < outside ? last : outside > from ? outside : from;
    if (from > first) to = zero_floats(to, from - first);
    to = copy_floats(to, line + start * p->channels + from, until - from);
    return until < last ? zero_floats(to, last - until) : to;
  }
  for (long tap = first / p->channels; tap * p->channels < last; tap++) {
    const long begin = tap * p->channels;
    const long from = first > begin ? first - begin : 0;
    const long until = last < begin + p->channels ? last - begin : p->channels;
    const long at = start + tap * p->dilation.width;
    to = at < 0 || at >= p->input.width ? zero_floats(to, until - from)
                                        : copy_floats(to, line + at * p->pixel + from, until - from);
  }
  return to;
}

/// Columns [k, k_end) of `rows` patches from `at` on, `to_step` floats apart.
static void copy_patches(const ck_patches *p, const float *x, position at, long rows, long k, long k_end, float *to,
                         long to_step) {
  const ck_extents kernel = p->kernel, dilation = p->dilation;
  const long length = kernel.width * p->channels;
  const long first_line = k / length, end_line = (k_end + length - 1) / length;
  const long first_depth = first_line / kernel.height, first_height = first_line % kernel.height;
  const long x_line = p->input.width * p->pixel;
  const int is_line_dense = dilation.width == 1 && p->pixel == p->channels;
  for (long i = 0; i < rows; i++, to += to_step, advance(p, &at)) {
    const long start = at.width * p->stride.width - p->padding.width;
    const long top = at.height * p->stride.height - p->padding.height;
    const long front = at.depth * p->stride.depth - p->padding.depth;
    const float *image = x + at.batch * p->input.depth * p->input.height * x_line;
    const int is_line_inside = is_line_dense && start >= 0 && start + kernel.width <= p->input.width;
    float *next = to;
    long tap_depth = first_depth, tap_height = first_height;
    for (long line = first_line; line < end_line; line++) {
      const long begin = line * length;
      const long first = k > begin ? k - begin : 0, last = k_end < begin + length ? k_end - begin : length;
      const long d = front + tap_depth * dilation.depth, h = top + tap_height * dilation.height;
      // Unsigned, so that one comparison finds both ends.
      if ((unsigned long)d >= (unsigned long)p->input.depth || (unsigned long)h >= (unsigned long)p->input.height)
        next = zero_floats(next, last - first);
      else if (is_line_inside)
        next = copy_floats(next, image + (d * p->input.height + h) * x_line + start * p->channels + first, last - first);
      else
        next = copy_line(p, image + (d * p->input.height + h) * x_line, start, first, last, next);
      if (++tap_height == kernel.height) tap_height = 0, tap_depth++;
    }
  }
}

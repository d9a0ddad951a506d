// Copies a few rows of the patch matrix to a dense buffer; everything particular to convolution (stride, dilation,
// padding, groups) happens here, once per element, and the products see plain matrices.
//
// Copies run a vector or two at a time and may write up to CK_SPARE floats too far: what comes later overwrites them,
// and buffers end with as many spare floats.

#define CK_SPARE (2 * CK_VW)

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

/// A whole patch that lies inside the input and whose kernel lines are dense, from its first element on. Networks for
/// small images have kernel lines of a few floats: these are worth a loop of their own.
static void copy_whole_patch(const ck_patches *p, const float *from, float *to) {
  const long length = p->kernel.width * p->channels, x_line = p->input.width * p->pixel;
  const long height_step = p->dilation.height * x_line;
  const long depth_step = p->dilation.depth * p->input.height * x_line;
  for (long kd = 0; kd < p->kernel.depth; kd++, from += depth_step) {
    const float *line = from;
    if (length <= 8) {
      for (long kh = 0; kh < p->kernel.height; kh++, line += height_step, to += length) memcpy(to, line, 32);
    } else if (length <= 2 * CK_VW) {
      for (long kh = 0; kh < p->kernel.height; kh++, line += height_step, to += length) {
        vstore(to, vload(line));
        vstore(to + CK_VW, vload(line + CK_VW));
      }
    } else {
      for (long kh = 0; kh < p->kernel.height; kh++, line += height_step) to = copy_floats(to, line, length);
    }
  }
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
  const int is_whole = is_line_dense && k == 0 && k_end == kernel.depth * kernel.height * length;
  // Where the last patch starts that lies inside.
  const long last_start = p->input.width - kernel.width;
  const long last_top = p->input.height - 1 - (kernel.height - 1) * dilation.height;
  const long last_front = p->input.depth - 1 - (kernel.depth - 1) * dilation.depth;
  for (long i = 0; i < rows; i++, to += to_step, advance(p, &at)) {
    const long start = at.width * p->stride.width - p->padding.width;
    const long top = at.height * p->stride.height - p->padding.height;
    const long front = at.depth * p->stride.depth - p->padding.depth;
    const float *image = x + at.batch * p->input.depth * p->input.height * x_line;
    if (is_whole && start >= 0 && top >= 0 && front >= 0 && start <= last_start && top <= last_top &&
        front <= last_front) {
      copy_whole_patch(p, image + (front * p->input.height + top) * x_line + start * p->pixel, to);
      continue;
    }
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
        next = copy_floats(next, image + (d * p->input.height + h) * x_line + start * p->channels + first,
                           last - first);
      else
        next = copy_line(p, image + (d * p->input.height + h) * x_line, start, first, last, next);
      if (++tap_height == kernel.height) tap_height = 0, tap_depth++;
    }
  }
}

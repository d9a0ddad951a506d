// Patches of x, and tiles of the gradient of y, to points. Lanes are channels: those that do not exist hold whatever
// follows in memory, and no product reads them.

typedef struct {
  long image, row, column;
} tile_place;

CK_INLINE tile_place place_of_tile(const ck_winograd_problem *p, long tile) {
  const long row = tile / p->tiles.width;
  return (tile_place){row / p->tiles.height, row % p->tiles.height, tile % p->tiles.width};
}

/// Transforms a square of `size` elements, `pixel` floats apart, at each channel, of which rows [top, bottom) and columns
/// [left, right) lie inside the image and the others are zeros, to points that become a row of `to`. `corner` is where
/// the square's first element would lie. Meanwhile the next square to the right is fetched, as far as the two do not
/// overlap.
CK_INLINE void transform_square(const ck_winograd_algorithm f, const int is_gradient, const float *corner,
                                long line_step, long pixel, long channels, long top, long bottom, long left,
                                long right, ck_winograd_patches to, long row) {
  const long extent = extent_of(f), size = is_gradient ? tile_of(f) : extent;
  const long advance = tile_of(f) * (is_gradient ? 1 : stride_of(f));
  const long padded = (channels + CK_VW - 1) / CK_VW * CK_VW;
  const int is_inside = top == 0 && left == 0 && bottom == size && right == size;
  vf half[CK_WINOGRAD_MOST * CK_WINOGRAD_MOST];
  for (long block = 0; block < padded; block += to.block) {
    const long width = at_most(to.block, padded - block);
    float *next = to.base + block * to.rows + row * width;
    for (long c = block; c < block + width; c += CK_VW, next += CK_VW) {
      for (long j = 0; j < size; j++) {
        const float *from = corner + c + j * pixel;
        vf line[CK_WINOGRAD_MOST];
        if (is_inside) {
#pragma clang loop unroll(full)
          for (long i = 0; i < size; i++) line[i] = vload(from + i * line_step);
        } else {
          const int exists = j >= left && j < right;
#pragma clang loop unroll(full)
          for (long i = 0; i < size; i++)
            line[i] = exists && i >= top && i < bottom ? vload(from + i * line_step) : (vf){0};
        }
        if (j >= size - advance)
#pragma clang loop unroll(full)
          for (long i = 0; i < size; i++) __builtin_prefetch(from + i * line_step + advance * pixel);
        if (is_gradient)
          transform_gradient_axis(line, 1, half + j, size);
        else
          transform_input_axis(f, line, 1, half + j, size);
      }
      for (long i = 0; i < extent; i++) {
        vf line[CK_WINOGRAD_MOST];
        if (is_gradient)
          transform_gradient_axis(half + i * size, 1, line, 1);
        else
          transform_input_axis(f, half + i * size, 1, line, 1);
#pragma clang loop unroll(full)
        for (long j = 0; j < extent; j++) vstore(next + (i * extent + j) * to.point_step, line[j]);
      }
    }
  }
}

CK_INLINE void transform_input_tiles(const ck_winograd_algorithm f, const ck_winograd_problem *p, long tile,
                                     long tile_end, ck_winograd_patches to, long row) {
  const long line_step = p->input.width * p->x_pixel, advance = tile_of(f) * stride_of(f);
  const ck_slices slices = p->slices;
  const long channels = p->channels / slices.taps;
  for (; tile < tile_end; tile++, row++) {
    const tile_place at = place_of_tile(p, tile);
    const long y = at.row * advance - p->padding.height, x = at.column * advance - p->padding.width;
    const long volume = at.image / slices.output * slices.input;
    for (long t = 0; t < slices.taps; t++) {
      const long slice = slices.first + at.image % slices.output + t;
      const long bottom = slice < 0 || slice >= slices.input ? 0 : at_most(extent_of(f), p->input.height - y);
      ck_winograd_patches part = to;
      part.base += t * channels * to.rows;
      transform_square(f, 0, p->x + ((volume + slice) * p->input.height + y) * line_step + x * p->x_pixel, line_step,
                       p->x_pixel, channels, at_least(0, -y), bottom, at_least(0, -x),
                       at_most(extent_of(f), p->input.width - x), part, row);
    }
  }
}

CK_INLINE void transform_gradient_tiles(const ck_winograd_algorithm f, const ck_winograd_problem *p, long tile,
                                        long tile_end, ck_winograd_patches to, long row) {
  const long line_step = p->output.width * p->y_pixel, m = tile_of(f);
  for (; tile < tile_end; tile++, row++) {
    const tile_place at = place_of_tile(p, tile);
    const long y = at.row * m, x = at.column * m;
    transform_square(f, 1, p->y + (at.image * p->output.height + y) * line_step + x * p->y_pixel, line_step,
                     p->y_pixel, p->columns, 0, at_most(m, p->output.height - y), 0,
                     at_most(m, p->output.width - x), to, row);
  }
}

/// Splits lines of x into phases: what lies at positions of equal parity becomes channels of an image of half the size,
/// zeros around x included.
static void split_winograd_phases(const float *x, ck_plane input, ck_plane padding, long channels, ck_plane split,
                                  long line, long line_end, float *to) {
  const long run = 2 * channels, x_line = input.width * channels;
  // Positions whose runs lie inside x, and of those the ones that may be written in whole vectors, which reach into
  // what this line writes next.
  const long first = at_least(0, (padding.width + 1) / 2), last = (input.width + padding.width) / 2;
  const long last_whole = at_most(last, split.width - (run + CK_VW) / (2 * run) - 1);
  for (; line < line_end; line++) {
    const long top = line % split.height * 2 - padding.height;
    const float *from = x + (line / split.height * input.height + top) * x_line - padding.width * channels;
    float *next = to + line * split.width * 2 * run;
    const int is_inside = top >= 0 && top + 1 < input.height;
    for (long j = 0; j < split.width; j++, from += run, next += 2 * run) {
      if (is_inside && j >= first && j < last_whole) {
        for (long c = 0; c < run; c += CK_VW) vstore(next + c, vload(from + c));
        for (long c = 0; c < run; c += CK_VW) vstore(next + run + c, vload(from + x_line + c));
        continue;
      }
      for (long i = 0; i < 2; i++)
        for (long c = 0; c < run; c++) {
          const long y = top + i, column = j * 2 - padding.width + c / channels;
          const int exists = y >= 0 && y < input.height && column >= 0 && column < input.width;
          next[i * run + c] = exists ? from[i * x_line + c] : 0;
        }
    }
  }
}
